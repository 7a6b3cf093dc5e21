"""The archives of DIV2K: known by size and SHA-256, and unpacked though they may be hostile."""

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from rich.filesize import decimal

from kdsharp.errors import UserError
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.progress import Progress
from pipeline.data.space import require_space, writing

__all__ = [
    "ARCHIVES_VARIABLE",
    "DIV2K",
    "Archive",
    "Archives",
    "digest",
    "known_archives",
    "photos_of",
    "unpack",
    "verify",
]

ARCHIVES_VARIABLE = "KDSHARP_DIV2K_ARCHIVES"
"""Names a JSON file that describes other archives: docs/data.md has its form."""


_STRICT = ConfigDict(extra="forbid", strict=True)

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
# Photos hardly shrink when zipped (DIV2K's not at all); a bomb grows a thousandfold.
_MOST_GROWTH = 20
_MOST_PHOTO = 1 << 30  # bytes


@dataclass(frozen=True, config=_STRICT)
class Archive:
    """A zip file: its name, its size in bytes and the SHA-256 of its bytes."""

    # A plain file name: it becomes part of a path and of a URL.
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    size: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, config=_STRICT)
class Archives:
    """The training images, and the validation images that become val and test."""

    train: Archive
    valid: Archive


DIV2K = Archives(
    train=Archive(
        "DIV2K_train_HR.zip",
        3_530_603_713,
        "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
    ),
    valid=Archive(
        "DIV2K_valid_HR.zip",
        448_993_893,
        "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
    ),
)


def known_archives() -> Archives:
    """DIV2K's own, or those of the file that $KDSHARP_DIV2K_ARCHIVES names."""
    name = os.environ.get(ARCHIVES_VARIABLE)
    if not name:
        return DIV2K
    try:
        return TypeAdapter(Archives).validate_json(Path(name).read_bytes())
    except OSError as error:
        raise UserError(f"{ARCHIVES_VARIABLE}: {name}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{ARCHIVES_VARIABLE}: {name}: {key}: {first['msg']}") from None


def digest(path: Path) -> str:
    """The SHA-256 of a large file, as 64 hexadecimal digits, with progress."""
    sha256, size = hashlib.sha256(), path.stat().st_size
    with (
        path.open("rb") as file,
        Progress(size, f"hashing {path.name}", "bytes", lines=True) as progress,
    ):
        while block := file.read(1 << 20):
            sha256.update(block)
            progress.at(progress.done + len(block))
    return sha256.hexdigest()


def verify(path: Path, archive: Archive) -> None:
    """Raise `UserError` unless the file at `path` is `archive`, byte for byte."""
    if not path.is_file():
        raise UserError(f"{path}: no such file: put {archive.name} there, or set data.div2k.zips")
    size = path.stat().st_size
    if size != archive.size:
        raise UserError(
            f"{path}: has {size:,} bytes, {archive.size:,} expected: remove it and get it again"
        )
    found = digest(path)
    if found != archive.sha256:
        raise UserError(
            f"{path}: has SHA-256 {found[:12]}…, {archive.sha256[:12]}… expected: "
            "remove it and get it again"
        )


def photos_of(archive: Path) -> list[str]:
    """The plain names of the photos in the zip file, sorted.

    Raises `UserError` for a damaged file, for members that point outside or are links, and for
    sizes too large for photos.
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
        with Progress(total, f"unpacking {archive.name}", "bytes", lines=True) as progress:
            for name in names:
                _extract(opened, members[name], folder / name)
                progress.at(progress.done + members[name].file_size)


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
            f"{archive}: not a complete zip file ({error}): remove it and get it again"
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
        raise UserError(
            f"{archive}: would unpack to {decimal(total)}: too much for a set of photos"
        )
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
