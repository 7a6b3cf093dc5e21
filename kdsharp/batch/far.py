"""Photos of a batch by a cluster: a few are a task, and each worker loads the models once."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from kdsharp.batch.bucket import in_bucket
from kdsharp.batch.plan import Job
from kdsharp.batch.run import Outcome, Writing, attempt
from kdsharp.batch.work import Photos
from kdsharp.cluster.spread import in_shards, spread
from kdsharp.files import sweep
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["sharpen_far"]

_A_SHARD = 16  # photos: some seconds of a worker


def sharpen_far(
    jobs: Sequence[Job],
    load: Callable[[int], Sharpener],
    upscale: int | None,
    quality: int | None,
) -> Iterator[Outcome]:
    """The outcome of each job, in their order, by the cluster of `$KDSHARP_CLUSTER`.

    A job may be done twice, where a worker is lost: its target must not be its source. Raises as
    `kdsharp.cluster.spread.spread`, and what `kdsharp.batch.run.run` raises.
    """
    work = _FarWork(uuid.uuid4().hex, load, upscale, quality)
    targets = [job.target for job in jobs if not in_bucket(job.target)]
    shared = targets[0].absolute().parent if targets else Path()
    try:
        yield from spread(work, in_shards(jobs, _A_SHARD), shared=shared)
    finally:
        sweep(targets)  # what a lost worker had begun to write


@dataclass(frozen=True)
class _FarWork:
    """Sharpens a photo; the models stay loaded for the other tasks of one `run`."""

    run: str
    load: Callable[[int], Sharpener] = field(compare=False)
    upscale: int | None = field(compare=False)
    quality: int | None = field(compare=False)

    def __call__(self, job: Job) -> Outcome:
        return attempt(job, _photos(self), Writing())


@lru_cache(maxsize=1)
def _photos(work: _FarWork) -> Photos:
    # One thread of the engine, if it is not told otherwise: a machine has a worker for each core.
    return Photos(work.load(cores()), work.upscale, work.quality)
