"""The models that a picture chooses among, and the choice, by what the picture itself shows."""

import copy
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kdsharp.routing.classifier import degradation_shares, gains_by_degradation
from kdsharp.routing.phase import FACTORS, Steps, enlarged_from, squared_steps
from kdsharp.runtime.card import Card
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.enlarge import Enlarger
from kdsharp.runtime.model import LoadedModel
from kdsharp.runtime.tiles import CORNER, Origin
from kdsharp.runtime.windows import Shares, rounded

__all__ = ["Choice", "Gains", "Look", "Routed", "Router", "mean_look"]

Gains = Mapping[str, float]
"""dB of Y-PSNR that each model is likely to gain on a picture, by its name."""

_LEAST = 0.05  # dB that have to be expected of a model before it is run
_WINDOWS = (2, 4)  # factors after which the classifier's windows do not fit any more


@dataclass(frozen=True)
class Look:
    """What a picture, or several frames, showed: `gains` of a single model are empty.

    `shares` are those of the model with a mixture, and empty where there is none.
    """

    gains: Gains
    steps: Steps
    shares: Shares = ()


@dataclass(frozen=True)
class Choice:
    """The name of a model for a picture, where its grid begins there, and its mixture if it has."""

    model: str
    origin: Origin = CORNER
    shares: Shares = ()


class Router:
    """Models by their names, such as `small-x2-blocky`, each loaded when it is first needed.

    May be used from several threads at once. With a single model there is nothing to choose.
    """

    def __init__(
        self,
        cards: Mapping[str, Card],
        load: Callable[[str], LoadedModel],
        folder: Path = SHIPPED,
    ) -> None:
        """`cards` say what each undoes; the first is the model for plain enlarging.

        `load` gives the model of a name; `folder` holds them all. With several, raises `UserError`
        if the gains of one were not measured, as
        `kdsharp.routing.classifier.gains_by_degradation` does.
        """
        self.cards, self._load, self._loaded = dict(cards), load, dict[str, LoadedModel]()
        self._enlargers = dict[str, Enlarger]()
        self._enlarge: Callable[[str], Enlarger] = lambda name: Enlarger(self[name])
        self._lock, self._enlarging = threading.Lock(), threading.Lock()
        self._gains_by_degradation = gains_by_degradation(cards, folder) if len(cards) > 1 else {}

    def __getitem__(self, name: str) -> LoadedModel:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def enlarger(self, name: str) -> Enlarger:
        """The model of a name with the enlarging that it undoes, loaded when it is first needed."""
        with self._enlarging:
            if name not in self._enlargers:
                self._enlargers[name] = self._enlarge(name)
            return self._enlargers[name]

    def with_strength(self, strength: float) -> "Router":
        """The same models with another strength; each is loaded once for both."""
        other = copy.copy(self)
        other._loaded, other._enlargers = {}, {}
        other._lock, other._enlarging = threading.Lock(), threading.Lock()
        other._load = lambda name: dataclasses.replace(self[name], strength=strength)
        other._enlarge = lambda name: self.enlarger(name).with_strength(strength)
        return other

    def __len__(self) -> int:
        return len(self.cards)

    @property
    def first(self) -> LoadedModel:
        """The first, loaded."""
        return self[next(iter(self.cards))]

    def look(self, picture: npt.NDArray[Any]) -> Look:
        """At `picture`: RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`."""
        steps = squared_steps(picture)
        origin = _even(steps)
        return Look(self.gains(picture, origin), steps, self._shares(picture, origin))

    def gains(self, picture: npt.NDArray[Any], origin: Origin = CORNER) -> Gains:
        """What each is likely to gain on `picture`; empty if there is only one model.

        How likely each degradation is (`degradation_shares`), times what the model gained on
        photos of it.
        """
        if not self._gains_by_degradation:
            return {}
        shares = degradation_shares(picture, origin)
        return {name: float(shares @ gains) for name, gains in self._gains_by_degradation.items()}

    def choose(self, picture: npt.NDArray[Any]) -> Choice | None:
        """The one for `picture`, and where its grid begins; None if it is sharp."""
        return self.choice(self.look(picture))

    def choice(self, look: Look) -> Choice | None:
        """The same, by what a picture showed. The one decision on both."""
        name = self.best(look.gains)
        return self.choice_of(name, look) if name else None

    def choice_of(self, name: str, look: Look) -> Choice:
        """The model `name` for a picture that showed that, whether it gains most or not."""
        if self.cards[name].mixture is None:
            return Choice(name, self._origin(name, look.steps))
        return Choice(name, _even(look.steps), look.shares)

    def fitted(self, choice: Choice) -> LoadedModel:
        """The model of a choice, its grid where that says, its kernels mixed as that says."""
        model = self[choice.model]
        engine = model.engine.mixed(choice.shares) if choice.shares else model.engine
        return dataclasses.replace(model, engine=engine, origin=choice.origin)

    def best(self, gains: Gains) -> str | None:
        """The name of the one that gains most; None if that is next to nothing."""
        if len(self) == 1:
            return next(iter(self.cards))
        name = max(self.cards, key=lambda name: gains.get(name, 0.0))
        return name if gains.get(name, 0.0) >= _LEAST else None

    def _shares(self, picture: npt.NDArray[Any], origin: Origin) -> Shares:
        """Of the model with a mixture, if there is one."""
        mixed = next((name for name, card in self.cards.items() if card.mixture), None)
        if mixed is None:
            return ()
        mixing = self[mixed].engine.mixing
        assert mixing is not None
        return mixing.look(picture[origin[0] :, origin[1] :])

    def _origin(self, name: str, steps: Steps) -> Origin:
        """The corner, unless it is clear that the picture was enlarged as the model undoes it."""
        card = self.cards[name]
        if card.grid != card.scale or card.scale not in FACTORS:
            return CORNER
        return enlarged_from(steps, card.scale) or CORNER


def _even(steps: Steps) -> Origin:
    """Where the cells of a picture begin that was enlarged by an even factor; else the corner."""
    found = (enlarged_from(steps, factor) for factor in _WINDOWS)
    return next(filter(None, found), CORNER)


def mean_look(looks: Sequence[Look]) -> Look:
    """What frames of one video showed, each with the same weight."""
    gains = {name: float(np.mean([look.gains[name] for look in looks])) for name in looks[0].gains}
    shares = np.mean([look.shares for look in looks], axis=0)
    return Look(gains, np.sum([look.steps for look in looks], axis=0), rounded(shares))


class Routed(Protocol):
    """What chooses among models by a router, as a `kdsharp.Sharpener` does."""

    @property
    def router(self) -> Router:
        """The models, and the choice among them."""

    @property
    def crispening(self) -> LoadedModel | None:
        """What crispens luma after that, if anything."""

    def enlarging(self, times: int) -> Choice:
        """The model that undoes enlarging `times`; `UserError` if none does."""
