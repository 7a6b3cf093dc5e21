"""The gate's slice of pseudo-truth, beside the frozen set: made from production's own pictures.

The frozen set alone decides what a model is worth; the slice says whether production would notice.
`pipeline.monitoring.pictures` cuts it. It holds parts of production's pictures, so only its owner
reads it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma_studio
from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, write_json
from kdsharp.metrics import psnr, ssim
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.params import PromotionParams
from pipeline.paths import PRODUCTION
from pipeline.release.gate.crops import GateSet
from pipeline.release.gate.evidence import Check, Quality, Role
from pipeline.release.gate.models import open_model
from pipeline.release.gate.quality import quality_checks, scored

__all__ = [
    "ENOUGH",
    "PSEUDO_TRUTH",
    "PseudoTruth",
    "pseudo_truth_check",
    "read_pseudo_truth",
    "score",
    "slice_check",
    "write_pseudo_truth",
]

PSEUDO_TRUTH = PRODUCTION.with_name(".pseudo-truth")
"""Where the slice lies, beside the model in production."""

ENOUGH = 8
"""Pictures from which on the slice may refuse a candidate; fewer are only shown."""

_BORDER = 4
_ABOUT = "about.json"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PseudoTruth:
    """N crops, 8-bit RGB (N, size, size, 3); `photo` (N,) is the index of a crop's picture.

    `about` has the days that the pictures are of, and how many were made low by each recipe.
    """

    low_NHWC: Pixels
    high_NHWC: Pixels
    photo: npt.NDArray[np.int64]
    about: Mapping[str, Any]

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(np.unique(self.photo))


def write_pseudo_truth(found: PseudoTruth, folder: Path = PSEUDO_TRUTH) -> None:
    """Replace the slice in one step."""
    with atomic_dir(folder) as new:
        new.chmod(0o700)
        for name in ("low", "high"):
            np.save(new / f"{name}.npy", getattr(found, f"{name}_NHWC"))
        np.save(new / "photo.npy", found.photo)
        write_json(new / _ABOUT, dict(found.about))


def read_pseudo_truth(folder: Path = PSEUDO_TRUTH) -> PseudoTruth | None:
    """The slice; None where there is none. Raises `UserError` for a damaged one."""
    if not folder.exists():
        return None
    try:
        low, high, photo = (np.load(folder / f"{n}.npy") for n in ("low", "high", "photo"))
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if low.shape != high.shape or len(photo) != len(low) or low.ndim != 4 or len(low) == 0:
            raise ValueError("its files do not fit together")
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{folder}: is damaged ({error}): remove it, the next proposal makes another"
        ) from None
    return PseudoTruth(low, high, photo, about)


def score(
    sharpen: Callable[[Pixels], Pixels], found: PseudoTruth, policy: PromotionParams
) -> Quality:
    """PSNR and SSIM of every crop, as the gate measures them."""
    inner = (slice(_BORDER, -_BORDER),) * 2
    scores = []
    for low, high in zip(found.low_NHWC, found.high_NHWC, strict=True):
        output, truth = luma_studio(sharpen(low))[inner], luma_studio(high)[inner]
        scores.append((min(psnr(output, truth), policy.ceiling_db), ssim(output, truth)))
    table = np.array(scores)
    return Quality(table[:, 0], table[:, 1], found.photo)


def pseudo_truth_check(
    role: Role,
    candidate: Path,
    incumbent: Path | None,
    gate_set: GateSet,
    found: PseudoTruth,
    policy: PromotionParams,
) -> tuple[Check, dict[str, Any]]:
    """The check `pseudo-truth` for the models in these folders, and its numbers."""

    def scores(folder: Path) -> Quality | None:
        try:
            engine = open_model(role, folder, gate_set, prove=False).engine
            quality = score(Sharpener(engine=engine).array, found, policy)
        except Exception:  # noqa: BLE001 - the check `loads` says why
            return None
        return quality if scored(quality) else None

    ours = scores(candidate)
    theirs = scores(incumbent) if incumbent else None
    other = theirs or score(lambda low: low, found, policy)
    return slice_check(ours, other, "incumbent" if theirs else "input", found, policy)


def slice_check(
    ours: Quality | None,
    other: Quality,
    against: Literal["incumbent", "input"],
    found: PseudoTruth,
    policy: PromotionParams,
) -> tuple[Check, dict[str, Any]]:
    """It fails where the candidate is shown to be worse on production's own content.

    An interval that is too wide to tell refuses nothing: that is what the frozen set is for.
    """
    of = f"{len(found.photo)} crops of {found.pictures} of production's pictures"
    if ours is None:
        return Check("pseudo-truth", True, f"not measured on {of}: it does not work"), {}
    _, numbers = next(iter(quality_checks(ours, other, against, policy)))
    whom = "the incumbent" if against == "incumbent" else "doing nothing"
    said = (
        f"{numbers['mean']:+.3f} dB Y-PSNR against {whom} on {of}, {policy.confidence * 100:g} % "
        f"interval {numbers['low']:+.3f} to {numbers['high']:+.3f}"
    )
    few = found.pictures < ENOUGH
    worse = numbers["high"] < 0 and not few
    word = "better" if numbers["low"] > 0 else "worse" if numbers["high"] < 0 else "not told apart"
    numbers |= {"verdict": word, "crops": len(found.photo), "photos": found.pictures}
    numbers["enough"] = not few
    text = f"{word} there: {said}"
    if few:
        text += f"; fewer than {ENOUGH} pictures are shown and decide nothing"
    return Check("pseudo-truth", not worse, text), numbers
