"""Stage `gate`: the frozen set of crops that candidates are judged on; it outlives new photos."""

import logging
import shutil
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError, describe
from kdsharp.files import atomic_dir
from kdsharp.images import SUFFIXES
from pipeline.gate.apart import check_apart
from pipeline.gate.crops import FILES, GateSet, Source, cut_gate_set, load_gate_set, made_with
from pipeline.params import GateParams, Params, PromotionParams
from pipeline.paths import GATE, MANIFEST, RAW
from pipeline.sources.check import check, without_copies
from pipeline.sources.source import Candidate, Photo
from pipeline.stages.run import run_stage

__all__ = ["main"]

log = logging.getLogger(__name__)
_LOCK = Path("dvc.lock")


def main(params: Params) -> None:
    """Keep data/gate if it was cut with these parameters, else cut it.

    Either way its photos are none of train and val, or it is a `UserError`.
    """
    manifest = pd.read_csv(MANIFEST, dtype=str, keep_default_na=False)
    distance = params.data.duplicate_distance
    kept = _kept(params)
    if kept:
        check_apart(kept.sources, manifest, RAW, distance)
    else:
        photos = _photos(params.gate, manifest, params.degradation.scale)
        sources = [Source(p.name, p.sha256, p.fingerprint) for p in photos]
        check_apart(sources, manifest, RAW, distance)
        cut_gate_set(photos, GATE, params.gate, params.degradation)
    _tell(kept or load_gate_set(), "kept as it is" if kept else "cut anew", params.promotion)


def _kept(params: Params) -> GateSet | None:
    """The set as it was made before, with the same parameters; None: there is none.

    DVC remembers no runs of a stage whose output persists, and runs it where the output is missing,
    as in another worktree. So a set that is missing or damaged is taken from DVC's cache.
    """
    try:
        found = load_gate_set()
    except UserError as error:
        if GATE.exists():
            log.warning("%s", error)
            shutil.rmtree(GATE)
        if not _restore():
            return None
        found = load_gate_set()
    return found if found.made == made_with(params.gate, params.degradation) else None


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
        log.warning("the gate that dvc.lock names is not to be had here: %s", describe(error))
        return False
    return True


def _photos(params: GateParams, manifest: pd.DataFrame, scale: int) -> list[Photo]:
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
        log.info("gate: left out %d photos that are unusable, copies or too small", left_out)
    return large


def _folder(root: Path) -> list[Candidate]:
    if not root.is_dir():
        raise UserError(f"{root}: no such folder: set gate.folder to a folder of photos, or null")
    paths = (p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    return [Candidate(p.relative_to(root).as_posix(), p, None, "") for p in paths]


def _tell(gate: GateSet, how: str, policy: PromotionParams) -> None:
    photos, crops = len(gate.sources), len(gate.photo)
    log.info("%s: %d crops (photos: %d), %s, %s", GATE, crops, photos, how, gate.sha256[:12])
    if photos < policy.enough_photos or crops < policy.enough_crops:
        log.info(
            "gate: weak evidence, enough would be %d photos and %d crops: more test photos and a "
            "higher gate.edition, or gate.folder",
            policy.enough_photos,
            policy.enough_crops,
        )


if __name__ == "__main__":
    run_stage(main)
