"""The sharpener that suits a picture, by what the picture itself shows."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from kdsharp.kinds import gains_by_kind, kind_shares
from kdsharp.model import family_of, find_model, named_size
from kdsharp.sharpen import Sharpener

__all__ = ["AutoSharpener", "Gains", "expected_gains"]

Gains = Mapping[str, float]
"""dB by what follows the size in a model's name, such as `x2-blocky`."""

_LEAST = 0.05  # dB that have to be expected of a model before it is run


def expected_gains(picture: npt.NDArray[Any]) -> Gains:
    """What each model that ships is likely to gain on `picture`, in dB of Y-PSNR.

    `picture` is RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`: how likely each kind of loss is
    (`kdsharp.kinds.kind_shares`), times what the model gained on photos of that kind.
    """
    shares = kind_shares(picture)
    return {name: float(shares @ gains) for name, gains in gains_by_kind().items()}


class AutoSharpener(Mapping[str, Sharpener]):
    """Sharpeners by their names, such as `small-x2-blocky`, each loaded when it is first needed.

    May be used from several threads at once. Of a single one there is nothing to choose.
    """

    def __init__(self, load: Mapping[str, Callable[[], Sharpener]]) -> None:
        """`load` has a function for each name; the first is the model for plain enlarging."""
        self._load, self._loaded = dict(load), dict[str, Sharpener]()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, folders: Sequence[Path] | None = None, **options: Any) -> "AutoSharpener":
        """Those of model `folders`; else all that ship of the size small, or `$KDSHARP_MODEL`.

        `options` are those of `kdsharp.Sharpener`.
        """
        if folders is None:
            folders = family_of(None) if named_size(None) else [find_model(None)]
        return cls({folder.name: partial(Sharpener, folder, **options) for folder in folders})

    @classmethod
    def only(cls, sharpener: Sharpener) -> "AutoSharpener":
        """That one for every picture."""
        return cls({"": lambda: sharpener})

    def __getitem__(self, name: str) -> Sharpener:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load[name]()
            return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load)

    def __len__(self) -> int:
        return len(self._load)

    @property
    def first(self) -> Sharpener:
        """The first, loaded."""
        return self[next(iter(self._load))]

    def choose(self, picture: npt.NDArray[Any]) -> str | None:
        """The name of the one for `picture`, that of `expected_gains`; None if it is sharp."""
        return self.best(expected_gains(picture) if len(self) > 1 else {})

    def best(self, gains: Gains) -> str | None:
        """The name of the one that gains most; None if that is next to nothing."""
        if len(self) == 1:
            return next(iter(self))
        name: str = max(self, key=lambda name: self.gain(name, gains))
        return name if self.gain(name, gains) >= _LEAST else None

    @staticmethod
    def gain(name: str | None, gains: Gains) -> float:
        """What is expected of one of them, in dB; of None that is 0."""
        # Of `small-x2-blocky`, `x2-blocky` says what it undoes.
        return gains.get((name or "").partition("-")[2], 0.0)
