"""The work on one photo of a batch, and on one video."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdsharp.batch.bucket import delivered, fetched
from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, Writing
from kdsharp.errors import KdsharpError, UserError
from kdsharp.imageio.decode import FORMATS, decoded, opened
from kdsharp.observe.observer import Observer
from kdsharp.observe.record import passed_by
from kdsharp.progress import Progress
from kdsharp.sharpening.file import sharpen_file
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.video.options import VideoOptions, VideoResult
from kdsharp.video.pace import Slower

__all__ = ["Photos", "Videos", "pixels"]


@dataclass(frozen=True)
class Photos:
    """The work of `kdsharp.batch.run.run` for photos; all else is that of `Sharpener.file`.

    An `observer` sees each photo that was sharpened or left as it is.
    """

    sharpener: Sharpener
    upscale: int | None = None
    quality: int | None = None
    observer: Observer | None = None

    def __call__(self, job: Job, writing: Writing) -> Done:
        """Sharpen `job.source` into `job.target`; `UserError` if it is not a readable photo."""
        with fetched(job.source) as source, delivered(job.target) as target:
            return self._done(source, target, writing)

    def _done(self, source: Path, target: Path, writing: Writing) -> Done:
        # What replaces the photo itself would be observed in its place.
        same = self.observer is not None and target.exists()
        before = source.read_bytes() if same else source
        done = sharpen_file(
            self.sharpener,
            source,
            target,
            upscale=self.upscale,
            quality=self.quality,
            writing=writing,
        )
        if self.observer is not None:
            router = self.sharpener.router
            passed = passed_by(router, done.model, upscaled=self.upscale is not None)
            self.observer.see(before, router, passed, self.sharpener.strength)
        if done.model is None and not done.crisp:
            return Done("left as it is", done.size)
        return Done("written", done.size, _named(self.sharpener, done.model, done.crisp))


def pixels(source: Path) -> int:
    """How many pixels the photo has, by its header; 0 if it is not a picture."""
    try:
        with opened(source) as file, decoded(file, source, FORMATS) as image:
            return image.width * image.height
    except (KdsharpError, OSError):
        return 0


@dataclass(frozen=True)
class Videos:
    """`kdsharp.batch.run.Work` for videos; all else is that of `kdsharp.video.sharpen_video`.

    `quicker` loads smaller models, where no model was named.
    """

    sharpener: Sharpener
    options: VideoOptions
    quicker: Callable[[], Sharpener] | None = None

    def __call__(self, job: Job, _: Writing) -> Done:
        """Sharpen `job.source` into `job.target`, which is written whole or not at all.

        Everything readable in a damaged video is written, and then `UserError` is raised. So it is
        for a file that is not a video.
        """
        from kdsharp.video.convert import sharpen_video

        start = time.monotonic()
        with Progress(None, f"Sharpening {job.source.name}", "frames") as progress:
            slower = Slower(self.quicker, lambda line: progress.log(f"{job.source}: {line}"))
            result = sharpen_video(
                job.source, job.target, self.sharpener, self.options, progress.at, slower
            )
        if result.damage:
            raise UserError(result.damage)
        rate = result.frames / max(time.monotonic() - start, 1e-3)
        message = f"{result.frames} frames, {rate:.1f} fps" if result.frames else ""
        if result.model is None and not result.crisp:
            return Done("left as it is", message=message)
        named = _named(self.sharpener, _models(result), result.crisp)
        return Done("written", message=", ".join(filter(None, (named, message))))


def _models(result: VideoResult) -> str | None:
    """The model of a video, or what each part of it got, in their order."""
    if len(result.parts) < 2:
        return result.model
    return " + ".join(f"{model or 'as it is'} ({frames})" for model, frames in result.parts)


def _named(sharpener: Sharpener, model: str | None, crisp: float) -> str:
    """What a photo or a video got, as far as that was not clear before."""
    named = model if len(sharpener.models) > 1 else None
    return ", ".join(filter(None, (named, f"crisp {crisp:g}" if crisp else None)))
