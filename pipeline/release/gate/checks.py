"""Checks beside quality: where a model comes from, and what it gains on photos of other sources."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.held_out import GAP, HELD_OUT, SEEN, split_of
from pipeline.release.gate.evidence import Check, Role

__all__ = [
    "HeldOut",
    "Provenance",
    "held_out_check",
    "held_out_numbers",
    "leakage_check",
    "made_for_check",
    "provenance_checks",
    "read_held_out",
]


@dataclass(frozen=True)
class Provenance:
    """What the run that trained a model recorded; None: not known.

    `commit_data_hash` is the data hash in the `dvc.lock` of `git_commit` itself. `outs` are the
    files that the model was registered with, path -> MD5, `commit_outs` the same as that lock has
    them.
    """

    git_commit: str | None
    dirty: bool | None
    data_hash: str | None
    params_hash: str | None
    commit_data_hash: str | None
    made_for: tuple[str, int] | None = None
    """The degradation and its scale."""
    leaks: tuple[str, ...] | None = ()
    """Which photos of the gate set it was trained on, in words; None: not known."""
    outs: Mapping[str, str] | None = None
    commit_outs: Mapping[str, str] | None = None


def made_for_check(made: Provenance, degradation: str, scale: int) -> Iterator[Check]:
    """Is it judged on what it was made for? A teacher's file does not say; nothing if unknown."""
    if made.made_for is None:
        return
    ours, theirs = (f"{name} x{times}" for name, times in (made.made_for, (degradation, scale)))
    if ours == theirs:
        yield Check("degradation", True, f"it is made for {ours}, as the gate set is")
    else:
        text = f"it is made for {ours}, the gate set for {theirs}: set degradation in params.yaml"
        yield Check("degradation", False, f"{text}, then dvc repro gate")


def leakage_check(made: Provenance) -> Check:
    """Whatever it was trained on is no evidence."""
    if made.leaks is None:
        text = "it is not known which photos it was trained on: register it again"
        return Check("leakage", False, text)
    if made.leaks:
        more = f", and {len(made.leaks) - 1} more" if len(made.leaks) > 1 else ""
        text = f"it was trained on photos of the gate set: {made.leaks[0]}{more}"
        return Check("leakage", False, text)
    return Check("leakage", True, "it was trained on no photo of the gate set, and none like it")


def provenance_checks(made: Provenance) -> Iterator[Check]:
    """Is the lineage known, the tree clean, and are data and files those of the commit?"""
    known = {
        "commit": made.git_commit,
        "data hash": made.data_hash,
        "hash of the parameters": made.params_hash,
    }
    missing = [name for name, value in known.items() if not value]
    if missing:
        text = (
            f"its {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not known: "
            "register it again from a git checkout"
        )
        yield Check("lineage", False, text)
        return
    commit = str(made.git_commit)[:8]
    data, params = str(made.data_hash)[:8], str(made.params_hash)[:8]
    yield Check("lineage", True, f"commit {commit}, data {data}, parameters {params}")
    yield _clean(made.dirty, commit)
    yield _data(data, made.data_hash == made.commit_data_hash, made.commit_data_hash, commit)
    if made.commit_data_hash is not None:
        yield _files(made.outs, made.commit_outs or {}, commit)


def _clean(dirty: bool | None, commit: str) -> Check:
    if dirty is None:
        text = f"it is not known whether the code was that of commit {commit}: register again"
        return Check("clean tree", False, text)
    if dirty:
        text = f"code or parameters differed from commit {commit}: commit them, then register again"
        return Check("clean tree", False, text)
    return Check("clean tree", True, f"code and parameters are those of commit {commit}")


def _data(data: str, same: bool, named: str | None, commit: str) -> Check:
    if named is None:
        text = (
            f"commit {commit} is not here or has no dvc.lock that names its data: fetch the "
            "commit, or commit dvc.lock and register again"
        )
    elif not same:
        text = (
            f"it was trained on data {data}, but dvc.lock of its commit {commit} names "
            f"{named[:8]}: commit dvc.lock, then register again"
        )
    else:
        text = f"its data {data} is what dvc.lock of its commit names"
    return Check("data", same, text)


def _files(ours: Mapping[str, str] | None, locked: Mapping[str, str], commit: str) -> Check:
    """A commit that names other files gives another model, whatever its parameters say."""
    if not ours:
        text = "it is not known which files dvc.lock had when it was registered: register again"
        return Check("files", False, text)
    other = [path for path, md5 in ours.items() if locked.get(path) != md5]
    if other:
        text = (
            f"{' and '.join(other)} {'is' if len(other) == 1 else 'are'} not what dvc.lock of its "
            f"commit {commit} names: commit dvc.lock, then register again"
        )
        return Check("files", False, text)
    return Check("files", True, f"{', '.join(ours)} are what dvc.lock of its commit names")


@dataclass(frozen=True)
class HeldOut:
    """Gains over the input in Y-PSNR (dB) on seen and held-out photos, and the gap in percent.

    None: not measured, or no gap to report because nothing is gained on the seen photos. `worst` is
    the set with the largest gap. `folder` is `evaluate.held_out`; `asked`: whether it asks for a
    measurement.
    """

    folder: str
    asked: bool
    seen_db: float | None = None
    held_out_db: float | None = None
    gap_percent: float | None = None
    worst: str = ""
    worst_percent: float | None = None


def read_held_out(metrics: Mapping[str, float], role: Role, folder: str, asked: bool) -> HeldOut:
    """What a version's numbers, `split.method.metric`, say of its model."""
    if f"{HELD_OUT}.{role}.psnr_y" not in metrics:
        return HeldOut(folder, asked)
    seen, held_out = (
        round(metrics[f"{split}.{role}.psnr_y"] - metrics[f"{split}.input.psnr_y"], 4)
        for split in (SEEN, HELD_OUT)
    )
    start, end = split_of(""), f".{role}.{GAP}"
    gaps = {
        name.removeprefix(start).removesuffix(end): gap
        for name, gap in metrics.items()
        if name.startswith(start) and name.endswith(end)
    }
    worst, worst_gap = max(gaps.items(), key=lambda item: item[1], default=("", None))
    gap = metrics.get(f"{HELD_OUT}{end}")
    return HeldOut(folder, asked, seen, held_out, gap, worst, worst_gap)


def held_out_check(found: HeldOut, allowed: float) -> Check:
    """The check `held_out`; skipped, in words, where nobody asks and nothing was measured."""
    if found.seen_db is None or found.held_out_db is None:
        if not found.asked:
            text = f"skipped: {found.folder} holds no photos to measure the gain on held-out ones"
            return Check("held_out", True, text)
        text = (
            f"its gain on the held-out photos of {found.folder} is not known: dvc repro evaluate, "
            "then register again"
        )
        return Check("held_out", False, text)
    gains = f"{found.held_out_db:+.2f} dB on held-out photos, {found.seen_db:+.2f} dB on seen ones"
    text = f"gains {gains}"
    if found.gap_percent is None:
        return Check("held_out", False, f"{text}: there is no gain to keep a share of")
    worst = f" (worst set: {found.worst}, {found.worst_percent:.1f} %)" if found.worst else ""
    text += f", a gap of {found.gap_percent:.1f} %{worst}, {allowed:g} is allowed"
    # Written so that NaN fails as well.
    return Check("held_out", found.gap_percent <= allowed, text)


def held_out_numbers(found: HeldOut, allowed: float) -> dict[str, Any]:
    """What of it belongs to the decision's numbers; empty where nothing was measured."""
    if found.seen_db is None:
        return {}
    numbers = {"seen_db": found.seen_db, "held_out_db": found.held_out_db, "worst": found.worst}
    return {"held_out": {**numbers, GAP: found.gap_percent, "limit": allowed}}
