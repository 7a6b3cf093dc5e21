"""`-`: standard input as a photo, standard output as its sharpened version."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from kdsharp.errors import KdsharpError, UserError
from kdsharp.imageio.photo import READ_ONLY

__all__ = ["DASH", "standard_streams"]

DASH = "-"
"""What stands for standard input, or as the output for standard output."""

_INPUT, _OUTPUT = "standard input", "standard output"


@contextmanager
def standard_streams(
    inputs: Sequence[Path], out: str | None, form: str | None
) -> Iterator[tuple[list[Path], str | None]]:
    """`inputs` and `out` with files in the place of `-`, read before the block, written after it.

    Standard output gets the format `form`, else that of the photo. Raises `UserError` for `-` among
    several photos, and if a terminal would be read or written.
    """
    reads, writes = Path(DASH) in inputs, out == DASH
    if not (reads or writes):
        yield list(inputs), out
        return
    if len(inputs) > 1 or inputs[0].is_dir():
        raise UserError("-: only one photo can go through a pipe")
    if writes and sys.stdout.isatty():
        raise UserError("-: standard output is a terminal: send it to a file or a program")
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        source = _spooled(Path(folder)) if reads else inputs[0]
        target = out
        if writes:
            suffix = f".{form}" if form else _written(_suffix(source))
            target = str(Path(folder) / f"{_OUTPUT}{suffix}")
        try:
            yield [source], target
        except KdsharpError as error:
            raise type(error)(str(error).replace(f"{folder}{os.sep}", "")) from error
        if writes and target:
            _pour(Path(target))


def _spooled(folder: Path) -> Path:
    if sys.stdin.isatty():
        raise UserError("-: standard input is a terminal: send a photo through a pipe")
    path = folder / _INPUT
    with path.open("wb") as opened:
        shutil.copyfileobj(sys.stdin.buffer, opened)
    return path


def _suffix(source: Path) -> str:
    if source.name != _INPUT:
        return source.suffix
    try:
        with Image.open(source) as image:
            file_format = (image.format or "").lower()
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{_INPUT}: not a readable picture") from error
    return {"mpo": ".jpeg"}.get(file_format, f".{file_format}")


def _written(suffix: str) -> str:
    return READ_ONLY.get(suffix.lower(), suffix)


def _pour(path: Path) -> None:
    try:
        with path.open("rb") as opened:
            shutil.copyfileobj(opened, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # Otherwise Python tries once more at exit, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UserError(f"{_OUTPUT}: was closed before the whole photo was written") from error
