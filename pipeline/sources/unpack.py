"""Take photos out of a zip file that may be damaged or hostile."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from rich.filesize import decimal

from kdsharp.errors import UserError
from kdsharp.images import SUFFIXES
from pipeline.progress import progress
from pipeline.sources.space import require_space, writing

__all__ = ["photos_of", "unpack"]

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
# Photos hardly shrink when zipped (DIV2K's not at all); a bomb grows a thousandfold.
_MOST_GROWTH = 20
_MOST_PHOTO = 1 << 30  # bytes


def photos_of(archive: Path) -> list[str]:
    """The plain names of the photos in the zip file, sorted.

    Raises `UserError` for a damaged file, for members that point outside or are links, and for
    sizes that no photos have.
    """
    with _opened(archive) as opened:
        return sorted(_members(archive, opened))


def unpack(archive: Path, names: Sequence[str], folder: Path) -> None:
    """Write the photos `names` of the zip file into `folder`, which is created."""
    folder.mkdir(parents=True)
    with _opened(archive) as opened:
        members = _members(archive, opened)
        total = sum(members[name].file_size for name in names)
        require_space([(folder, total)])
        done = 0
        with progress(f"unpacking {archive.name}", total, "bytes") as show:
            for name in names:
                _extract(opened, members[name], folder / name)
                done += members[name].file_size
                show(done)


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    # zipfile reads no more than the size that the member announces, and compares its CRC.
    with writing(target), opened.open(member) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except _DAMAGED as error:
        raise UserError(
            f"{archive}: is no whole zip file ({error}): remove it and get it anew"
        ) from None


def _members(archive: Path, opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The photos by their plain name; folders inside the archive do not matter."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        _refuse(archive, member)
        name = PurePosixPath(member.filename).name
        if member.is_dir() or name.startswith(".") or not _is_photo(name):
            continue
        if name in members:
            raise UserError(f"{archive}: holds two photos named {name!r}")
        members[name] = member
    total = sum(member.file_size for member in members.values())
    if total > _MOST_GROWTH * archive.stat().st_size:
        raise UserError(f"{archive}: would unpack to {decimal(total)}: that is no set of photos")
    return members


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _refuse(archive: Path, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or member.filename[1:2] == ":":
        raise UserError(f"{archive}: {member.filename!r} points outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{archive}: {member.filename!r} is a link")
    if member.file_size > _MOST_PHOTO:
        raise UserError(f"{archive}: {member.filename!r} would be {decimal(member.file_size)}")
