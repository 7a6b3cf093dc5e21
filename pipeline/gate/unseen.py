"""Does a candidate keep its gain on photos of another source? As its evaluation measured it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.gate.decision import Check
from pipeline.gate.evidence import Kind
from pipeline.generalisation import GAP, SEEN, UNSEEN, split_of

__all__ = ["Unseen", "read_unseen", "unseen_check", "unseen_numbers"]


@dataclass(frozen=True)
class Unseen:
    """Gains over the input in Y-PSNR (dB) on seen and unseen photos, and the gap in percent.

    None: not measured, or no gap to tell because nothing is gained on the seen photos. `worst` is
    the set with the largest gap. `folder` is `evaluate.unseen`; `asked`: whether it asks for a
    measurement.
    """

    folder: str
    asked: bool
    seen_db: float | None = None
    unseen_db: float | None = None
    gap_percent: float | None = None
    worst: str = ""
    worst_percent: float | None = None


def read_unseen(metrics: Mapping[str, float], kind: Kind, folder: str, asked: bool) -> Unseen:
    """What a version's numbers, `split.method.metric`, say of its model."""
    if f"{UNSEEN}.{kind}.psnr_y" not in metrics:
        return Unseen(folder, asked)
    seen, unseen = (
        round(metrics[f"{split}.{kind}.psnr_y"] - metrics[f"{split}.input.psnr_y"], 4)
        for split in (SEEN, UNSEEN)
    )
    start, end = split_of(""), f".{kind}.{GAP}"
    gaps = {
        name.removeprefix(start).removesuffix(end): gap
        for name, gap in metrics.items()
        if name.startswith(start) and name.endswith(end)
    }
    worst, worst_gap = max(gaps.items(), key=lambda item: item[1], default=("", None))
    gap = metrics.get(f"{UNSEEN}{end}")
    return Unseen(folder, asked, seen, unseen, gap, worst, worst_gap)


def unseen_check(found: Unseen, allowed: float) -> Check:
    """The check `unseen`; skipped, in words, where nobody asks for it and nothing was measured."""
    if found.seen_db is None or found.unseen_db is None:
        if not found.asked:
            text = f"skipped: {found.folder} holds no photos to measure the gain on unseen ones"
            return Check("unseen", True, text)
        text = (
            f"its gain on the unseen photos of {found.folder} is not known: dvc repro evaluate, "
            "then register again"
        )
        return Check("unseen", False, text)
    text = f"gains {found.unseen_db:+.2f} dB on unseen photos, {found.seen_db:+.2f} dB on seen ones"
    if found.gap_percent is None:
        return Check("unseen", False, f"{text}: nothing of which a share could be kept")
    worst = f" (worst set: {found.worst}, {found.worst_percent:.1f} %)" if found.worst else ""
    text += f", a gap of {found.gap_percent:.1f} %{worst}, {allowed:g} is allowed"
    # Written so that NaN fails as well.
    return Check("unseen", found.gap_percent <= allowed, text)


def unseen_numbers(found: Unseen, allowed: float) -> dict[str, Any]:
    """What of it belongs to the decision's numbers; empty where nothing was measured."""
    if found.seen_db is None:
        return {}
    numbers = {"seen_db": found.seen_db, "unseen_db": found.unseen_db, "worst": found.worst}
    return {"unseen": {**numbers, GAP: found.gap_percent, "limit": allowed}}
