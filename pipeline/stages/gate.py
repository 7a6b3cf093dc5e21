"""Stage `gate`: the frozen set of crops that candidates are judged on; it outlives new photos."""

import logging
import shutil
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError, describe
from kdsharp.files import atomic_dir
from kdsharp.imageio.decode import SUFFIXES
from pipeline.data.check import check, without_copies
from pipeline.data.pick import pick
from pipeline.data.source import Candidate, CheckedPhoto
from pipeline.params import GateParams, Params, PromotionParams
from pipeline.paths import GATE, MANIFEST, RAW
from pipeline.release.gate.crops import (
    FILES,
    CropSource,
    GateSet,
    check_contamination,
    cut_gate_set,
    load_gate_set,
    made_with,
    source_of,
)
from pipeline.stages.run import run_stage

__all__ = ["main"]

_log = logging.getLogger(__name__)
_LOCK = Path("dvc.lock")


def main(params: Params) -> None:
    """Keep data/gate if it was cut with these parameters from photos of this source, else cut it.

    Either way raises `UserError` if one of its photos is in train or val.
    """
    manifest = pd.read_csv(MANIFEST, dtype=str, keep_default_na=False)
    distance = params.data.duplicate_distance
    kept, source = _kept(params), source_of(params)
    if kept and (other := _other_source(kept, source, manifest)):
        _log.info("%s: holds %s, and photos now come from %s", GATE, other, source)
        kept = None
    if kept:
        check_contamination(kept.sources, manifest, RAW, distance)
    else:
        photos = _photos(params.gate, manifest, params.degradation.scale)
        sources = [CropSource(p.name, p.sha256, p.perceptual_hash) for p in photos]
        check_contamination(sources, manifest, RAW, distance)
        cut_gate_set(photos, GATE, params.gate, params.degradation, source)
    _tell(kept or load_gate_set(), "kept as it is" if kept else "cut anew", params.promotion)


def _kept(params: Params) -> GateSet | None:
    """The set as it was made before, with the same parameters; None if there is none.

    DVC does not remember the runs of a stage whose output persists, and runs it if the output is
    missing, as in another worktree. So a missing or damaged set is taken from DVC's cache.
    """
    try:
        found = load_gate_set()
    except UserError as error:
        if GATE.exists():
            _log.warning("%s", error)
            shutil.rmtree(GATE)
        if not _restore():
            return None
        found = load_gate_set()
    return found if found.made == made_with(params.gate, params.degradation) else None


def _other_source(kept: GateSet, source: str, manifest: pd.DataFrame) -> str:
    """Whose photos the set holds where they are not those of `source`; else empty.

    A set that does not say it is of another source if none of its photos is left.
    """
    if kept.source:
        return "" if kept.source == source else kept.source
    if kept.made.get("folder") or {one.sha256 for one in kept.sources} & set(manifest["sha256"]):
        return ""
    return "no photo that is still there"


def _restore() -> bool:
    """Bring back the set that dvc.lock names, from DVC's cache or remote; False: it is in none."""
    if not _LOCK.is_file() or f"path: {GATE.as_posix()}\n" not in _LOCK.read_text("utf-8"):
        return False
    from dvc.api import DVCFileSystem

    try:
        with atomic_dir(GATE) as folder:
            cache = DVCFileSystem()
            for name in FILES:
                cache.get_file((GATE / name).as_posix(), str(folder / name))
            load_gate_set(folder)
    except Exception as error:  # noqa: BLE001 - whatever a cache or a remote may lack
        _log.warning("the gate that dvc.lock names is not available here: %s", describe(error))
        return False
    return True


def _photos(params: GateParams, manifest: pd.DataFrame, scale: int) -> list[CheckedPhoto]:
    """The test photos or those of `gate.folder`, by name, that are large enough for a crop."""
    if params.folder is None:
        names = manifest.loc[manifest["split"] == "test", "name"]
        files = [Candidate(name, RAW / "test" / name, "test", "") for name in names]
    else:
        files = _folder(Path(params.folder))
    photos, unusable = check(files, min_side=1)
    least = -(-params.size // scale) * scale  # what is left of it has to be a multiple of the scale
    large = [p for p in without_copies(photos) if min(p.width, p.height) >= least]
    left_out = len(unusable) + len(photos) - len(large)
    if not large:
        raise UserError(
            f"{params.folder or RAW / 'test'}: no photo has {least} pixels a side, as the gate "
            "needs: lower gate.size, or set gate.folder to a folder of larger photos"
        )
    if left_out:
        _log.info("gate: left out %d photos that are unusable, copies or too small", left_out)
    chosen = pick(large, params.photos, params.seed, lambda photo: photo.sha256)
    if len(chosen) < len(large):
        _log.info("gate: cut from %d of %d photos (gate.photos)", len(chosen), len(large))
    return chosen


def _folder(root: Path) -> list[Candidate]:
    if not root.is_dir():
        raise UserError(f"{root}: no such folder: set gate.folder to a folder of photos, or null")
    paths = (p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    return [Candidate(p.relative_to(root).as_posix(), p, None, "") for p in paths]


def _tell(gate: GateSet, how: str, policy: PromotionParams) -> None:
    photos, crops = len(gate.sources), len(gate.photo)
    whose = f" from {gate.source}" if gate.source else ""
    _log.info(
        "%s: %d crops (photos: %d)%s, %s, %s", GATE, crops, photos, whose, how, gate.sha256[:12]
    )
    if photos < policy.enough_photos or crops < policy.enough_crops:
        _log.info(
            "gate: weak evidence, enough would be %d photos and %d crops: more test photos and a "
            "higher gate.version, or gate.folder",
            policy.enough_photos,
            policy.enough_crops,
        )


if __name__ == "__main__":
    run_stage(main)
