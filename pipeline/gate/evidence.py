"""What is known of a candidate, of the incumbent and of the set they were measured on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Comparison", "Floats", "GateFacts", "Kind", "Measured", "Quality", "Serving"]

Kind = Literal["student", "teacher"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """Scores of N crops on Y; `photo` (N,) is the index of the photo that a crop is of.

    `psnr_y` is in dB.
    """

    psnr_y: Floats
    ssim_y: Floats
    photo: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Serving:
    """What a user of the model meets.

    `error` is empty for a model that loads and answers. `parity` is the largest difference between
    exported and trained model on a range of 1; `latency_ratio` the median of paired measurements
    against the incumbent. None: not measured.
    """

    loads: bool
    error: str = ""
    parity: float | None = None
    latency_ms: float | None = None
    latency_ratio: float | None = None
    size_bytes: int = 0
    engine: str = ""


@dataclass(frozen=True)
class Measured:
    """One model; `quality` is None where it did not load."""

    quality: Quality | None
    serving: Serving
    parameters: int | None = None
    macs_per_pixel: float | None = None


@dataclass(frozen=True)
class GateFacts:
    """The set that was measured on: its hash, and how much evidence it holds."""

    sha256: str
    photos: int
    crops: int
    degradation: str
    scale: int
    names: tuple[str, ...] = ()
    """Names of the photos, by their index."""


@dataclass(frozen=True)
class Comparison:
    """A candidate, the incumbent (None: there is none) and doing nothing, on the same crops."""

    kind: Kind
    candidate: Measured
    incumbent: Measured | None
    input: Quality
    gate: GateFacts
