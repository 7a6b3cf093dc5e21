"""What is known of a candidate, the incumbent and their set; and what was decided by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Against",
    "Anchor",
    "Check",
    "Comparison",
    "Decision",
    "Floats",
    "GateFacts",
    "Measured",
    "Precision",
    "Quality",
    "Role",
    "Serving",
]

Role = Literal["student", "teacher"]

Precision = Literal["fp32", "int8"]
"""What one of a model's files computes in."""

Floats = npt.NDArray[np.float64]

Against = Literal["incumbent", "input"]


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
    """What a user of one of the model's files meets.

    `error` is empty for a file that loads and answers. `parity` is the largest difference, on a
    range of 1, between exported and trained model, with int8 between engines. `latency_ratio` is
    the candidate's time by this one's, the median of pairs. None: not measured.
    """

    loads: bool
    error: str = ""
    parity: float | None = None
    latency_ms: float | None = None
    latency_ratio: float | None = None
    size_bytes: int = 0
    engine: str = ""
    precision: Precision = "fp32"


@dataclass(frozen=True)
class Measured:
    """One model; `quality` is None where it did not load.

    `int8` is its file in int8, None if it has none. An incumbent's is what those get for whom int8
    is made, as soon as one of the two models has such a file: its own, or else that in fp32.
    """

    quality: Quality | None
    serving: Serving
    parameters: int | None = None
    macs_per_pixel: float | None = None
    int8: "Measured | None" = None


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
    source: str = ""
    """Where they are from; empty where the set does not say."""


@dataclass(frozen=True)
class Anchor:
    """A version that production is not to fall behind, whatever the incumbent is."""

    name: Literal["best", "first"]
    version: int
    model: Measured


@dataclass(frozen=True)
class Comparison:
    """A candidate, the incumbent (None if missing) and doing nothing, on the same crops.

    `anchors` are other versions than the incumbent.
    """

    role: Role
    candidate: Measured
    incumbent: Measured | None
    input: Quality
    gate: GateFacts
    anchors: tuple[Anchor, ...] = ()


@dataclass(frozen=True)
class Check:
    """One condition; `text` is a readable sentence with its numbers."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """`passed` if every check has passed.

    `weak`: few photos or crops, which by itself refuses nothing. `reason` is one line. `numbers`
    holds means, differences, intervals and costs of candidate, incumbent and input, JSON-able.
    """

    passed: bool
    weak: bool
    checks: tuple[Check, ...]
    numbers: dict[str, Any]
    gate_sha256: str
    against: Against
    reason: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Decision":
        """The decision that `dataclasses.asdict` made `values` of."""
        checks = tuple(Check(**check) for check in values["checks"])
        return cls(**{**values, "checks": checks})
