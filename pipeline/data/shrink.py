"""JPEG photos made smaller: compression leaves traces that a network would learn as truth."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.progress import Progress
from pipeline.data.source import Candidate
from pipeline.data.space import writing

__all__ = ["shrink_jpegs"]

_WORKERS = 8  # as in pipeline.data.check
_MAGIC = b"\xff\xd8\xff"


def shrink_jpegs(
    candidates: Sequence[Candidate], factor: int, workspace: Path
) -> Sequence[Candidate]:
    """The same candidates, but each JPEG as a PNG in `workspace`, `factor` times smaller.

    Upright, 8-bit RGB, cut at the right and below to multiples of `factor`, Lanczos. The same bytes
    every time with the same Pillow. Other files stay as they are, and so does a JPEG that cannot be
    read: `pipeline.data.check` reports why.
    """
    if factor == 1:
        return candidates
    workspace.mkdir(parents=True, exist_ok=True)

    def shrink(numbered: tuple[int, Candidate]) -> Candidate:
        number, candidate = numbered
        return _shrunk(candidate, factor, workspace / f"{number}.png")

    done: list[Candidate] = []
    with (
        ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool,
        Progress(len(candidates), "shrinking photos", "photos", lines=True) as progress,
    ):
        for candidate in pool.map(shrink, enumerate(candidates)):
            done.append(candidate)
            progress.step()
    return done


def _shrunk(candidate: Candidate, factor: int, target: Path) -> Candidate:
    try:
        if not _is_jpeg(candidate.path):
            return candidate
        image = read_rgb(candidate.path)
    except (UserError, OSError):
        return candidate
    width, height = (side // factor for side in image.size)
    if min(width, height) == 0:
        return candidate
    box = (0, 0, width * factor, height * factor)
    with writing(target):
        image.resize((width, height), Image.Resampling.LANCZOS, box).save(target)
    name = PurePosixPath(candidate.name).with_suffix(".png").as_posix()
    return dataclasses.replace(candidate, name=name, path=target)


def _is_jpeg(path: Path) -> bool:
    """By its first bytes, whatever its suffix says; a pipe would have us wait for them."""
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC
