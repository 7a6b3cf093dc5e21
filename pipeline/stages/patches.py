"""Stage `patches`: photos -> memory-mapped pairs of low and high quality patches."""

import logging
import time

import pandas as pd

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir
from kdsharp.progress import Progress
from kdsharp.train.dataset.cut import cut_patches
from kdsharp.train.dataset.patches import UNLABELLED
from pipeline.data.space import require_space
from pipeline.params import Params
from pipeline.paths import MANIFEST, PATCHES, RAW
from pipeline.stages.run import run_stage

__all__ = ["main"]

_log = logging.getLogger(__name__)


def main(params: Params) -> None:
    """Cut the patches to train on, to validate on and without a truth.

    The folder appears when it is whole.
    """
    manifest = pd.read_csv(MANIFEST)
    made = params.degradation
    wanted = params.patches
    counts = {"train": wanted.train, "val": wanted.val, UNLABELLED: wanted.unlabelled}
    # They are written through memory maps, where a full disk ends the process by SIGBUS.
    pair = 3 * wanted.size**2 * 2
    require_space([(PATCHES, sum(counts.values()) * pair)])
    with atomic_dir(PATCHES) as folder:
        for split, count in counts.items():
            if count == 0:
                continue
            names = manifest.loc[manifest["split"] == split, "name"]
            photos = [RAW / split / name for name in sorted(names)]
            if not photos:
                raise UserError(
                    f"patches.{split} is {count}, and there are no {split} photos: put some into "
                    f"the subfolder {split} of data.folder.path, or set it to 0"
                )
            began = time.monotonic()
            labelled = split != UNLABELLED
            # Validation stays comparable from one training to the next.
            recipe = made.taught if split == "train" else made.recipe
            with Progress(count, f"cutting {split} patches", "patches", lines=True) as progress:

                def cut(more: int, progress: Progress = progress) -> None:
                    progress.at(progress.done + more)

                cut_patches(
                    photos, count, folder, split, wanted, recipe, made.scale, cut, labelled=labelled
                )
            rate = count / (time.monotonic() - began)
            _log.info("%s: %d patches of %d photos, %.0f/s", split, count, len(photos), rate)


if __name__ == "__main__":
    run_stage(main)
