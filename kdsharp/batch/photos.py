"""What is done with one photo of a batch: read, choose a model, enlarge, sharpen, write."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from kdsharp.auto import AutoSharpener
from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, Writing
from kdsharp.errors import KdsharpError
from kdsharp.files import atomic_file
from kdsharp.images import FORMATS, decoded, opened
from kdsharp.photos.photo import KINDS, Photo
from kdsharp.photos.reading import open_photo
from kdsharp.photos.writing import save_photo
from kdsharp.upscale import enlarged

__all__ = ["Photos", "pixels"]


@dataclass(frozen=True)
class Photos:
    """The work of `kdsharp.batch.run.run` for photos.

    Of several `sharpeners` the one is taken that a photo needs; a photo that is sharp already is
    left as it is. `upscale` enlarges before sharpening. `quality` is that of
    `kdsharp.photos.writing.save_photo`.
    """

    sharpeners: AutoSharpener
    upscale: int | None = None
    quality: int | None = None

    def __call__(self, job: Job, writing: Writing) -> Done:
        """Sharpen `job.source` into `job.target`; raises `UserError` for what is no sound photo."""
        # A JPEG that stays one keeps its chroma as it is, and needs no conversion of colours.
        ycbcr = _kind(job.target) == "JPEG" and self.sharpeners.first.card.color == "luma"
        photo = open_photo(job.source, ycbcr=ycbcr)
        name = self.sharpeners.choose(_shown(photo))
        if name is None:
            return self._leave(job, photo, writing)
        if self.upscale:
            photo = enlarged(photo, self.upscale)
        done = self.sharpeners[name].photo(photo)
        with writing:
            save_photo(done, job.target, quality=self.quality)
        return Done("written", _size(photo), name if len(self.sharpeners) > 1 else "")

    def _leave(self, job: Job, photo: Photo, writing: Writing) -> Done:
        """The same bytes, where the format stays."""
        with writing:
            if _kind(job.target) != photo.kind or self.quality:
                save_photo(photo, job.target, quality=self.quality)
            elif not _same(job.source, job.target):
                with atomic_file(job.target) as temporary:
                    shutil.copyfile(job.source, temporary)
        return Done("sharp already", _size(photo))


def pixels(source: Path) -> int:
    """How many the photo has, by its header; 0 for what is no picture."""
    try:
        with opened(source) as file, decoded(file, source, FORMATS) as image:
            return image.width * image.height
    except (KdsharpError, OSError):
        return 0


def _shown(photo: Photo) -> npt.NDArray[Any]:
    """What the choice goes by: luma, RGB or grey; of CMYK, cyan, magenta and yellow."""
    if photo.space == "YCbCr":
        return photo.pixels[..., 0]
    return photo.pixels[..., :3] if photo.space == "CMYK" else photo.pixels


def _size(photo: Photo) -> tuple[int, int]:
    height, width = photo.pixels.shape[:2]
    return width, height


def _kind(path: Path) -> str | None:
    return KINDS.get(path.suffix.lower())


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
