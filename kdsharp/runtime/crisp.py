"""The gentle crispening of pictures that are sharp already: a small network with a model's ways."""

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.engine import Engine, load_engine
from kdsharp.runtime.halo import without_halos
from kdsharp.runtime.model import LoadedModel

__all__ = ["CRISP", "CrispModel", "Crispener", "crispener"]

CRISP = "crisp"
"""The name of the model behind it, which ships; as a model it is used when it is named."""


Levels = npt.NDArray[Any]


@dataclass(frozen=True)
class CrispModel(LoadedModel):
    """A luma model that makes no halos, whatever its network learned.

    Trained on photos, which have halos themselves by cameras and by shrinking, with a fifth of
    drawings among them, it overshot steps by 8 % of their height. What it makes is kept within the
    levels around (`without_halos`), which looks no further than the network.
    """

    def _change(self, rgb: Levels) -> Levels:
        change, before = super()._change(rgb), self.read(rgb)[0]
        after = without_halos(before, before + change)
        return np.asarray(np.rint(after - before.astype(after.dtype)), change.dtype)

    def _whole_planes(self, planes_CHW: Levels, peak: int) -> Levels:
        sharp_CHW = super()._whole_planes(planes_CHW, peak).copy()
        without_halos(planes_CHW[0], sharp_CHW[0])
        return sharp_CHW


class Crispener:
    """How crisp pictures become after all else; may be used from several threads at once.

    `amount` 0..1 scales what the network adds to luma; at 0 nothing is ever loaded. Raises
    `UserError` for another amount.
    """

    def __init__(self, amount: float, load: Callable[[], Engine]) -> None:
        if not 0 <= amount <= 1:
            raise UserError(f"crisp must be from 0 to 1, not {amount}")
        self.amount, self._load = amount, load
        self._lock, self._loaded = threading.Lock(), list[CrispModel]()

    def with_amount(self, amount: float) -> "Crispener":
        """The same with another amount; the network is loaded once for both."""
        return Crispener(amount, lambda: self._whole().engine)

    @property
    def model(self) -> LoadedModel | None:
        """The network with its amount, loaded when it is first needed; None if there is none."""
        return dataclasses.replace(self._whole(), strength=self.amount) if self.amount else None

    def _whole(self) -> CrispModel:
        with self._lock:
            if not self._loaded:
                self._loaded.append(CrispModel(self._load()))
            return self._loaded[0]


def crispener(
    amount: float,
    engine: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
    streams: int = 1,
) -> Crispener:
    """The network that ships, run as `load_engine` says; raises as that and `Crispener` do."""
    made = Crispener(
        amount, lambda: load_engine(SHIPPED / CRISP, engine, threads, precision, streams)
    )
    _ = made.model  # mistakes are reported before anything runs
    return made
