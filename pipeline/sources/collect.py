"""From a source to data/raw: find, check, split, refuse leaks, write."""

import logging
from pathlib import Path

from pipeline.params import DataParams
from pipeline.paths import MANIFEST, RAW
from pipeline.sources.archive import known_archives
from pipeline.sources.check import check, report_skipped, without_copies
from pipeline.sources.div2k import Div2k
from pipeline.sources.folder import Folder
from pipeline.sources.leaks import refuse_leaks
from pipeline.sources.publish import place, publish, workspace, write_manifest
from pipeline.sources.sample import Sample
from pipeline.sources.source import Source, Splits

__all__ = ["collect", "open_source"]

_log = logging.getLogger(__name__)


def open_source(data: DataParams) -> Source:
    """The source that `data.source` names."""
    if data.source == "folder":
        return Folder(data.folder)
    if data.source == "div2k":
        return Div2k(data.div2k, known_archives())
    return Sample()


def collect(source: Source, data: DataParams, raw: Path = RAW) -> None:
    """Fill `raw` with train, val, test, unlabelled and their manifest, or leave it as it was.

    Raises `UserError` for missing or damaged input, too few usable photos and pictures that are in
    two splits, `TransientError` for a server that may be back soon.
    """
    with workspace(raw) as folder:
        unpacked, new = folder / "unpacked", folder / "new"
        found, skipped = check(source.candidates(unpacked), data.min_side)
        report_skipped(skipped)
        photos = without_copies(found)
        if len(photos) < len(found):
            _log.info("exact copies used only once: %d", len(found) - len(photos))
        splits = source.assign(photos)
        refuse_leaks(splits, data.duplicate_distance)
        placed = place(splits, new, unpacked)
        write_manifest(placed, source.name, new / MANIFEST.name)
        publish(new, raw)
    _report(placed, source.name, raw)


def _report(splits: Splits, source: str, raw: Path) -> None:
    counts = ", ".join(f"{len(photos)} {split}" for split, photos in splits.items())
    _log.info("%s: %s photos in %s, listed in %s", source, counts, raw, raw / MANIFEST.name)
    _log.info("next: dvc repro patches")
