"""Stage `patches`: photos -> memory-mapped pairs of low and high quality patches."""

import logging
import time

import pandas as pd

from kdsharp.files import atomic_dir
from kdsharp.train.crops import cut_patches
from pipeline.params import Params
from pipeline.paths import MANIFEST, PATCHES, RAW
from pipeline.stages.run import run_stage

__all__ = ["main"]

log = logging.getLogger(__name__)


def main(params: Params) -> None:
    """Cut the training and the validation patches; the folder appears when it is whole."""
    manifest = pd.read_csv(MANIFEST)
    degradation = (params.degradation.name, params.degradation.scale)
    with atomic_dir(PATCHES) as folder:
        for split, count in (("train", params.patches.train), ("val", params.patches.val)):
            names = manifest.loc[manifest["split"] == split, "name"]
            photos = [RAW / split / name for name in sorted(names)]
            began = time.monotonic()
            cut_patches(photos, count, folder, split, params.patches, degradation)
            rate = count / (time.monotonic() - began)
            log.info("%s: %d pairs of %d photos, %.0f/s", split, count, len(photos), rate)


if __name__ == "__main__":
    run_stage(main)
