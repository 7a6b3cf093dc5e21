"""From a source to data/raw: find, check, split, refuse leaks, write."""

import logging
from pathlib import Path

from pipeline.data.archive import known_archives
from pipeline.data.check import check, report_skipped, without_copies
from pipeline.data.contamination import refuse_contamination
from pipeline.data.div2k import Div2k
from pipeline.data.folder import Folder
from pipeline.data.outputs import place, publish, workspace, write_manifest
from pipeline.data.sample import Sample
from pipeline.data.source import PhotoSource, Splits
from pipeline.params import DataParams
from pipeline.paths import MANIFEST, RAW

__all__ = ["collect", "open_source"]

_log = logging.getLogger(__name__)


def open_source(data: DataParams) -> PhotoSource:
    """The source that `data.source` names."""
    if data.source == "folder":
        return Folder(data.folder, data.duplicate_distance)
    if data.source == "div2k":
        return Div2k(data.div2k, known_archives())
    return Sample()


def collect(source: PhotoSource, data: DataParams, raw: Path = RAW) -> None:
    """Fill `raw` with train, val, test, unlabelled and their manifest, or leave it as it was.

    Raises `UserError` for missing or damaged input, too few usable photos and pictures that are in
    two splits, `TransientError` if a server is down for the moment.
    """
    with workspace(raw) as folder:
        unpacked, new = folder / "unpacked", folder / "new"
        found, skipped = check(source.candidates(unpacked), data.min_side)
        report_skipped(skipped)
        photos = without_copies(found)
        if len(photos) < len(found):
            _log.info("exact copies used only once: %d", len(found) - len(photos))
        splits = source.assign(photos)
        refuse_contamination(splits, data.duplicate_distance)
        placed = place(splits, new, unpacked)
        write_manifest(placed, source.name, new / MANIFEST.name)
        publish(new, raw)
    _report(placed, source.name, raw)


def _report(splits: Splits, source: str, raw: Path) -> None:
    counts = ", ".join(f"{len(photos)} {split}" for split, photos in splits.items())
    _log.info("%s: %s photos in %s, listed in %s", source, counts, raw, raw / MANIFEST.name)
    _log.info("next: dvc repro patches")
