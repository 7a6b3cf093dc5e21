"""The models that requests may name, each loaded once, and the folder that may be replaced."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD, Card
from kdsharp.runtime.catalog import (
    SHIPPED,
    VARIABLE,
    WIDTHS,
    find_models,
    shipped_cards,
)
from kdsharp.runtime.modelset import is_set
from kdsharp.serve.settings import LOCAL, Settings
from kdsharp.serve.snapshot import Snapshot, short
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["Models", "Served", "Shown"]

_SIZE = "small"  # what is meant where nothing is named, as in `kdsharp.runtime.catalog`
_SIDE = 256  # of the picture that a new model is tried on before anyone waits for it


@dataclass(frozen=True)
class Served:
    """A folder's model, loaded and tried."""

    snapshot: Snapshot
    sharpener: Sharpener


@dataclass(frozen=True)
class Shown:
    """A single model as callers see it: its name, version and card, and where its files lie."""

    name: str
    version: str
    card: Card
    folder: Path


class Models:
    """What is served: the model or the set of a folder, if one is named, and those that ship.

    A path is never taken from a request, only names. Any threads may use it at once; `swap` puts
    another model in the place of the folder's, and requests that run keep the one they have.
    """

    def __init__(self, settings: Settings) -> None:
        """Loads and tries what is used when a request names nothing. Raises `UserError`."""
        self._settings, self._cards = settings, shipped_cards()
        self._shipped = dict[tuple[str | None, str | None], Sharpener]()
        self._lock = threading.Lock()
        self.named = settings.model or _local()
        found = find_models(self.named)
        alone = len(found) == 1 and found[0].parent != SHIPPED
        self.folder: Path | None = found[0] if alone else None
        self.set = found[0].parent if is_set(found[0].parent) else None
        self._served: Served | None = None
        self._before: Served | None = None
        if self.folder is not None:
            self._served = self.load(self.folder)
        else:
            _try(self._shipped_one(self.named, None), settings.running)

    def load(self, folder: Path, pause: float = 0.0) -> Served:
        """The model in `folder`, loaded and tried, but not yet served; `UserError` for no model.

        With a `pause` of some seconds between its steps, requests that run meanwhile wait less.
        """
        snapshot = Snapshot(folder)
        try:
            sharpener = self._sharpener(snapshot.folder, None)
            time.sleep(pause)
            _try(sharpener, self._settings.running)
            time.sleep(pause)
            _load_enlarger(sharpener)
        except UserError as error:
            raise UserError(snapshot.told(error)) from error
        return Served(snapshot, sharpener)

    def swap(self, served: Served) -> None:
        """Answer all requests that begin now with `served`.

        The files of the one before stay as long as a request may still be at work with it.
        """
        self._before, self._served = self._served, served

    @property
    def default(self) -> str:
        """The name of what is used when a request names nothing: a model, a size or a set."""
        if (served := self._served) is not None:
            return served.snapshot.name
        if self.set is not None:
            return self.set.absolute().name
        return str(self.named or os.environ.get(VARIABLE) or _SIZE)

    @property
    def version(self) -> str:
        """Of the default; of a size, that of the model for plain enlarging."""
        served = self._served
        return short(served.sharpener.card if served else self.find(None).card)

    def find(
        self,
        name: str | None,
        scale: str | None = None,
        strength: float = 1.0,
        crisp: float = 0.0,
    ) -> Sharpener:
        """The sharpener for `name`, a model or a size, or the default; `scale` is 2, 3, 4 or auto.

        Raises `UserError` for unknown names, and for scales that do not fit.
        """
        served = self._served
        if served and name in (None, served.snapshot.name):
            base = served.sharpener
            if scale not in (None, str(base.card.scale)):
                raise UserError(
                    f"{served.snapshot.name}: undoes scale {base.card.scale}, not {scale}"
                )
        elif name in (None, self.default):
            base = self._shipped_one(self.named, scale)
        elif name in WIDTHS or name in self._cards:
            base = self._shipped_one(name, scale)
        else:
            raise UserError(f"model {name!r:.60} is unknown: GET /v1/models lists them")
        base = base if strength == 1 else base.with_strength(strength)
        return base if crisp == 0 else base.with_crisp(crisp)

    def single(self, name: str) -> Shown | None:
        """The one model of that name, of a size the plain one for x2; None for unknown names."""
        served = self._served
        if served and name == served.snapshot.name:
            snapshot = served.snapshot
            return Shown(name, snapshot.version, snapshot.card, snapshot.folder)
        name = f"{name}-x2" if name in WIDTHS else name
        if (card := self._cards.get(name)) is None:
            return None
        return Shown(name, short(card), card, SHIPPED / name)

    def all(self) -> list[Shown]:
        """Every single model, the folder's first."""
        served = self._served
        names = [served.snapshot.name] if served else []
        names += [name for name in self._cards if name not in names]
        return [shown for name in names if (shown := self.single(name))]

    def _shipped_one(self, name: str | None, scale: str | None) -> Sharpener:
        key = (name, scale)
        if (found := self._shipped.get(key)) is not None:
            return found  # nobody waits while another is loaded
        with self._lock:
            if key not in self._shipped:
                self._shipped[key] = self._sharpener(name, scale)
            return self._shipped[key]

    def _sharpener(self, model: Path | str | None, scale: str | None) -> Sharpener:
        chosen = self._settings
        return Sharpener(
            model,
            scale=scale,
            engine=chosen.engine,
            precision=chosen.precision,
            threads=chosen.threads,
            streams=chosen.running,
        )


def _local() -> str | None:
    """The folder that the pipeline left here, unless the environment names another."""
    if os.environ.get(VARIABLE):
        return None
    return next((f"./{path}" for path in LOCAL if (Path(path) / CARD).is_file()), None)


def _try(sharpener: Sharpener, streams: int) -> None:
    """Run all that it chooses among once in every stream, because the first time is slow."""
    noise = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE), np.uint8)
    with ThreadPoolExecutor(streams) as pool:
        for name in sharpener.models:
            model = sharpener.router[name]
            for job in [
                pool.submit(model.array, noise, np.empty_like(noise)) for _ in range(streams)
            ]:
                job.result()


def _load_enlarger(sharpener: Sharpener) -> None:
    """Before the first request that enlarges; a mixture does not."""
    if sharpener.card.mixture is None:
        sharpener.router.enlarger(sharpener.models[0])
