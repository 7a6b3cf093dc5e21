"""The way from a photo's file to its sharpened file: read, choose, enlarge, sharpen, write."""

import contextlib
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kdsharp.files import atomic_file
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import format_of, save_photo

if TYPE_CHECKING:
    from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["File", "Sharpened", "sharpen_file"]

File = Path | str | IO[bytes]
"""A path, or a binary file such as standard input."""


@dataclass(frozen=True)
class Sharpened:
    """The outcome for a photo: `model` is the name of the one that it got.

    None: none was expected to help; and if `crisp`, how much it was crispened, is 0, it was left as
    it is. `size` is (width, height) of what was written.
    """

    model: str | None
    size: tuple[int, int]
    crisp: float = 0.0


def sharpen_file(
    sharpener: "Sharpener",
    source: File,
    target: File,
    *,
    upscale: int | None = None,
    quality: int | None = None,
    suffix: str | None = None,
    writing: contextlib.AbstractContextManager[object] | None = None,
) -> Sharpened:
    """Sharpen the photo at `source` into `target`, which may be the same path.

    `upscale`, `quality` and `suffix` are those of `kdsharp.Sharpener.file`. `writing` is held while
    the file is written. Raises `UserError`, and writes nothing, if it is not a readable photo, and
    `ValueError` if it is not a file.
    """
    begin, end = _file(source, "source"), _file(target, "target")
    if not isinstance(begin, Path) and not begin.seekable():
        begin = io.BytesIO(begin.read())
    wanted = suffix or (end.suffix if isinstance(end, Path) else "")
    form = format_of(wanted, end) if wanted else None
    # A JPEG that stays a JPEG keeps its chroma as it is, and its colours are not converted.
    ycbcr = form in ("JPEG", None) and sharpener.card.color == "luma"
    photo = open_photo(begin, ycbcr=ycbcr)
    if upscale is None:
        choice = sharpener.choice(photo)
        done = sharpener.apply(choice, photo)
    else:
        choice = sharpener.enlarging(upscale)
        done = sharpener.enlarge(choice, photo)
    held = writing or contextlib.nullcontext()
    same = choice is None and not sharpener.crisp
    if same and form in (photo.file_format, None) and quality is None:
        with held:
            _copy(begin, end)
    else:
        with held:
            save_photo(done, end, quality=quality, suffix=suffix)
    height, width = done.pixels.shape[:2]
    return Sharpened(choice.model if choice else None, (width, height), sharpener.crisp)


def _file(given: object, what: str) -> Path | IO[bytes]:
    if isinstance(given, str | Path):
        return Path(given)
    if not hasattr(given, "read" if what == "source" else "write"):
        raise ValueError(f"{what}: need a path or a binary file, not {type(given).__name__}")
    return given  # type: ignore[return-value]


def _copy(source: Path | IO[bytes], target: Path | IO[bytes]) -> None:
    """The same bytes, whole or not at all; nothing where they are there already."""
    with contextlib.ExitStack() as stack:
        if isinstance(target, Path):
            if isinstance(source, Path) and os.path.realpath(source) == os.path.realpath(target):
                return
            target = stack.enter_context(stack.enter_context(atomic_file(target)).open("wb"))
        if isinstance(source, Path):
            source = stack.enter_context(source.open("rb"))
        source.seek(0)
        shutil.copyfileobj(source, target)
