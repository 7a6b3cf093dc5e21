"""Two registered versions beside each other: numbers, pictures, parameters and photos."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kdsharp.errors import UserError
from kdsharp.tables import aligned
from pipeline.params import PromotionParams, load_params
from pipeline.paths import PARAMS, REPORTS, printable
from pipeline.release.gate.crops import load_gate_set
from pipeline.release.gate.evidence import Comparison, Measured
from pipeline.release.gate.interval import interval, photo_means
from pipeline.release.gate.measure import measure
from pipeline.release.promotion.compare_picture import draw_comparison
from pipeline.release.promotion.decision_record import gate_verdict
from pipeline.release.promotion.version_json import metrics_of
from pipeline.release.registry.fingerprints import read_fingerprints
from pipeline.release.registry.pinned import find_model
from pipeline.release.registry.provenance import commit_file
from pipeline.release.registry.versions import (
    STAGE_ENTRY,
    Registry,
    Version,
    fetch_files,
    find_version,
    open_registry,
)
from pipeline.tracking.runs import flat

__all__ = ["compare", "compared_params", "compared_photos"]

_SHOWN = 5


def compare(model: str, one: str, other: str) -> Iterator[str]:
    """Lines about versions `one` and `other`, each a number, an alias, or NAME/NUMBER.

    Both are scored and timed afresh on the gate set where they are made for it; the picture goes to
    reports/promotion. Raises `UserError` for versions that do not exist or whose files are
    damaged, and for a teacher beside a student.
    """
    with open_registry() as registry, tempfile.TemporaryDirectory() as scratch:
        versions = [_find(registry, model, word) for word in (one, other)]
        if versions[0].role != versions[1].role:
            raise UserError(f"{versions[0]} is no {versions[1].role}: compare two of one role")
        folders = [Path(scratch) / name for name in ("a", "b")]
        for version, folder in zip(versions, folders, strict=True):
            folder.mkdir()
            fetch_files(registry, version, folder)
        yield from _table("", versions, _facts)
        yield from _table("Evaluation, each in its own run (Y-PSNR in dB)", versions, _scores)
        yield from _measured(versions, folders)
        yield "\nParameters"
        yield from compared_params(*map(_params, versions, folders)) or ["  the same"]
        yield "\nPhotos that they were trained on and chosen by"
        yield from compared_photos(*folders)
    commits = [version.tags.get("kdsharp.git_commit", "") for version in versions]
    if all(commits) and commits[0] != commits[1]:
        yield f"\nFiles: dvc diff {' '.join(commit[:12] for commit in commits)}"


def _find(registry: Registry, model: str, word: str) -> Version:
    name, _, which = word.rpartition("/")
    name = find_model(registry, name or model)
    return find_version(registry, name, int(which) if which.isdecimal() else which)


def _table(
    title: str, versions: list[Version], rows: Callable[[Version], Mapping[str, str]]
) -> Iterator[str]:
    """A column for each version; a row that neither has is left out."""
    one, other = (rows(version) for version in versions)
    lines = [[key, one.get(key, ""), other.get(key, "")] for key in {**one, **other}]
    if lines:
        yield f"\n{title}" if title else ""
        names = [str(version) for version in versions]
        yield from aligned(["", *names], [row for row in lines if any(row[1:])])


def _facts(version: Version) -> dict[str, str]:
    tags = version.tags
    changed = " and more" if tags.get("kdsharp.dirty") == "true" else ""
    made_for = f"{tags.get('kdsharp.degradation', '')} x{tags.get('kdsharp.scale', '')}"
    return {
        "gate": gate_verdict(tags),
        "commit": tags.get("kdsharp.git_commit", "")[:8] + changed,
        "data": tags.get("kdsharp.data_hash", "")[:8],
        "made for": made_for,
        "parameters": f"{int(tags.get('kdsharp.parameters', '0')):,}",
        "teacher": tags.get("kdsharp.teacher_version", "").replace("/", " version "),
    }


def _scores(version: Version) -> dict[str, str]:
    return {
        f"{split} {method}": f"{row['psnr_y']:.3f}"
        for split, methods in metrics_of(version.tags).items()
        for method, row in methods.items()
        if "psnr_y" in row
    }


def _measured(versions: list[Version], folders: list[Path]) -> Iterator[str]:
    """What the gate would measure, B against A, and a picture of where they differ."""
    try:
        gate_set, policy = load_gate_set(), load_params().promotion
    except UserError as error:
        yield f"\nNot measured side by side: {error}"
        return
    found = measure(versions[0].role, folders[1], folders[0], gate_set, policy)
    models = (found.incumbent, found.candidate)
    for version, one in zip(versions, models, strict=True):
        if one is None or one.quality is None:
            why = one.serving.error if one else ""
            yield f"\nNot measured side by side: {version}: {why}"
            return
    yield f"\nOn the gate set of {found.gate.crops} crops of {found.gate.photos} photos"
    yield from aligned(["", *map(str, versions)], _rows(found))
    yield from _difference(found, policy)
    numbers = "-".join(f"{v.name.removeprefix('kdsharp-')}-{v.number}" for v in versions)
    target = REPORTS / "promotion" / f"compare-{numbers}.png"
    names = (str(versions[0]), str(versions[1]))
    draw_comparison(target, versions[0].role, folders, names, gate_set, found)
    yield f"Where they differ most: {target}"


def _rows(found: Comparison) -> Iterator[list[str]]:
    fp32 = (found.incumbent, found.candidate)
    int8 = tuple(one.int8 if one else None for one in fp32)
    for models, form in ((fp32, ""), (int8, ", int8")):
        for title, value in _VALUES.items():
            cells = [value(one) if one and one.quality else "" for one in models]
            if any(cells):
                yield [f"{title}{form}", *cells]


def _mean(model: Measured, metric: str) -> float:
    quality = model.quality
    assert quality is not None
    return float(photo_means(getattr(quality, metric), quality.photo).mean())


_VALUES: Mapping[str, Callable[[Measured], str]] = {
    "Y-PSNR (dB)": lambda one: f"{_mean(one, 'psnr_y'):.3f}",
    "SSIM on Y": lambda one: f"{_mean(one, 'ssim_y'):.5f}",
    "time (ms)": lambda one: f"{one.serving.latency_ms:.1f}" if one.serving.latency_ms else "",
    "size (bytes)": lambda one: f"{one.serving.size_bytes:,}",
}


def _difference(found: Comparison, policy: PromotionParams) -> Iterator[str]:
    one, other = found.incumbent, found.candidate
    assert one is not None and one.quality is not None and other.quality is not None
    change = other.quality.psnr_y - one.quality.psnr_y
    shown = interval(change, one.quality.photo, policy.confidence, policy.resamples, policy.seed)
    yield (
        f"B minus A: {shown.mean:+.3f} dB, {shown.low:+.3f} to {shown.high:+.3f} at "
        f"{policy.confidence:.0%} confidence"
    )


def _params(version: Version, folder: Path) -> dict[str, Any]:
    """Those of params.yaml in its commit, else those that its own stage ran with."""
    commit = version.tags.get("kdsharp.git_commit")
    if version.tags.get("kdsharp.dirty") == "false" and commit:
        text = commit_file(commit, PARAMS)
        if text is not None:
            return dict(flat(YAML(typ="safe").load(text)))
    (entry,) = json.loads((folder / STAGE_ENTRY).read_text(encoding="utf-8")).values()
    return dict(flat(entry.get("params", {}).get(str(PARAMS), {})))


def compared_params(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """A line for each that differs; one that only one of them has is not recorded for the other."""
    return [
        f"  {key}: {one.get(key, 'not recorded')} -> {other.get(key, 'not recorded')}"
        for key in {**one, **other}
        if one.get(key) != other.get(key)
    ]


def compared_photos(one: Path, other: Path) -> Iterator[str]:
    """What of the photos that the versions in these folders have seen was added, or is gone."""
    photos = [read_fingerprints(folder) for folder in (one, other)]
    if photos[0] is None or photos[1] is None:
        yield "  not known: python -m pipeline register where DVC has the models notes them"
        return
    before, after = ({(p.name, p.sha256): p for p in found} for found in photos if found)
    yield f"  {len(before)} -> {len(after)}"
    for sign, names in (
        ("added", sorted(name for name, _ in after.keys() - before.keys())),
        ("gone", sorted(name for name, _ in before.keys() - after.keys())),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"  {sign} {len(names)}: {', '.join(map(printable, names[:_SHOWN]))}{more}"
