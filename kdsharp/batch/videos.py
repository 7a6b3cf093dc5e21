"""What is done with the videos of a batch: one after the other, because each takes all cores."""

import shutil
import time
from dataclasses import dataclass

from kdsharp.auto import AutoSharpener
from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, Writing
from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.progress import Progress
from kdsharp.sharpen import Sharpener
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.choice import gains_of_video

__all__ = ["Videos"]


@dataclass(frozen=True)
class Videos:
    """`kdsharp.batch.run.Work` for videos; of several `sharpeners` the one that a video needs.

    A video that is sharp already is copied, unless `options` ask for something else.
    """

    sharpeners: AutoSharpener
    options: VideoOptions

    def __call__(self, job: Job, _: Writing) -> Done:
        """Sharpen `job.source` into `job.target`, which becomes whole or is not written.

        Of a damaged video all that can be read is written; then raises `UserError`, as for what is
        no video.
        """
        several = len(self.sharpeners) > 1
        gains = gains_of_video(job.source) if several else {}
        name = self.sharpeners.best(gains)
        if name is None and gains and self._copied(job):
            return Done("sharp already")
        sharpener = self.sharpeners[name] if name else self.sharpeners.first
        if name is None:
            sharpener = Sharpener(engine=sharpener.engine, strength=0)
        start = time.monotonic()
        with Progress(None, f"Sharpening {job.source.name}", "fps") as progress:
            result = sharpen_video(job.source, job.target, sharpener, self.options, progress.at)
        if result.damage:
            raise UserError(result.damage)
        rate = result.frames / max(time.monotonic() - start, 1e-3)
        message = f"{result.frames} frames, {rate:.1f} fps"
        if name is None:
            return Done("sharp already", message=message)
        return Done("written", message=f"{name}, {message}" if several else message)

    def _copied(self, job: Job) -> bool:
        """Whether the same bytes do; if so they are there."""
        same = job.source.suffix.lower() == job.target.suffix.lower()
        if not same or self.options != VideoOptions():
            return False
        with atomic_file(job.target) as temporary:
            shutil.copyfile(job.source, temporary)
        return True
