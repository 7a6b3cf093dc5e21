"""A teacher's answers from a cluster: a few hundred patches are a task.

They go into the same files as those of `kdsharp.train.student.distill`, which finds them there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from kdsharp.cluster.spread import in_shards, spread
from kdsharp.files import sha256_file
from kdsharp.progress import Progress
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.patches import load_patches, load_unlabelled
from kdsharp.train.dataset.rows import Joined, Rows
from kdsharp.train.loop.distributed import pick_device
from kdsharp.train.student.distill import BATCH, ask, write_answers
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.network import load_teacher

__all__ = ["inputs_of", "label"]

_A_SHARD = 16  # batches


def label(teacher: Path, patches: Path, config: StudentConfig, cache: Path) -> None:
    """Write the answers of the teacher in a file to the patches in a folder, by the cluster.

    Does nothing where they are in the folder `cache` already. Raises `UserError` as
    `kdsharp.train.student.distill.cache_teacher_outputs` and `kdsharp.cluster.spread.spread`.
    """
    low_NHWC = inputs_of(patches)

    def fill(files: Sequence[Path]) -> None:
        asker = _Asker(sha256_file(teacher), teacher, patches, tuple(files), config)
        shards = in_shards(range(0, len(low_NHWC), BATCH), _A_SHARD)
        with Progress(len(low_NHWC), "asking the teacher", "patches", lines=True) as progress:
            for _ in spread(asker, shards, shared=cache):
                progress.at(min(progress.done + BATCH, len(low_NHWC)))

    write_answers(load_teacher(teacher), low_NHWC.shape, config, cache, fill)


def inputs_of(patches: Path) -> Rows:
    """All that a student sees of the patches in a folder: those with a truth, then the others."""
    low_NHWC = load_patches(patches, "train").lr_NHWC
    unlabelled = load_unlabelled(patches)
    return low_NHWC if unlabelled is None else Joined([low_NHWC, unlabelled])


@dataclass(frozen=True)
class _Asker:
    """Asks about a batch; what a worker has read for one run stays for its next tasks."""

    sha256: str
    teacher: Path
    patches: Path
    files: tuple[Path, ...]
    config: StudentConfig = field(compare=False)

    def __call__(self, start: int) -> None:
        network, low_NHWC = _opened(self)
        ask(network, low_NHWC, slice(start, start + BATCH), self.config, self.files)


@lru_cache(maxsize=1)
def _opened(asker: _Asker) -> tuple[AnyTeacher, Rows]:
    device = pick_device(asker.config.loop.device)
    return load_teacher(asker.teacher).to(device).eval(), inputs_of(asker.patches)
