"""What is done with the videos of a batch: one after the other, because each takes all cores."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, Writing
from kdsharp.errors import UserError
from kdsharp.progress import Progress
from kdsharp.sharpen import Sharpener
from kdsharp.video import VideoOptions, sharpen_video

__all__ = ["Videos"]


@dataclass(frozen=True)
class Videos:
    """`kdsharp.batch.run.Work` for videos; `sharpeners` has the one that is used, by its scale."""

    sharpeners: Mapping[int, Sharpener]
    options: VideoOptions

    def __call__(self, job: Job, _: Writing) -> Done:
        """Sharpen `job.source` into `job.target`, which becomes whole or is not written.

        Of a damaged video all that can be read is written; then raises `UserError`, as for what is
        no video.
        """
        if len(self.sharpeners) > 1:
            raise UserError(f"{job.source}: is a video: name its scale, 2, 3 or 4")
        (sharpener,) = self.sharpeners.values()
        start = time.monotonic()
        with Progress(None, f"Sharpening {job.source.name}", "fps") as progress:
            result = sharpen_video(job.source, job.target, sharpener, self.options, progress.at)
        if result.damage:
            raise UserError(result.damage)
        rate = result.frames / max(time.monotonic() - start, 1e-3)
        return Done("written", message=f"{result.frames} frames, {rate:.1f} fps")
