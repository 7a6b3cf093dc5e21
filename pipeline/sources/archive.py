"""The archives of DIV2K, known by size and SHA-256."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kdsharp.errors import UserError
from pipeline.progress import progress

__all__ = [
    "ARCHIVES_VARIABLE",
    "DIV2K",
    "Archive",
    "Archives",
    "digest",
    "known_archives",
    "verify",
]

ARCHIVES_VARIABLE = "KDSHARP_DIV2K_ARCHIVES"
"""Names a JSON file that describes other archives: docs/data.md has its form."""


@dataclass(frozen=True)
class Archive:
    """A zip file: its name, its size in bytes and the SHA-256 of its bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
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


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    # A plain file name: it becomes part of a path and of a URL.
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    size: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    def archive(self) -> Archive:
        return Archive(self.name, self.size, self.sha256)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train: _Entry
    valid: _Entry


def known_archives() -> Archives:
    """DIV2K's own, or those of the file that $KDSHARP_DIV2K_ARCHIVES names."""
    name = os.environ.get(ARCHIVES_VARIABLE)
    if not name:
        return DIV2K
    try:
        entries = _File.model_validate(json.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{ARCHIVES_VARIABLE}: {name}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{ARCHIVES_VARIABLE}: {name}: {key}: {first['msg']}") from None
    except ValueError as error:
        raise UserError(f"{ARCHIVES_VARIABLE}: {name}: is no valid JSON: {error}") from None
    return Archives(entries.train.archive(), entries.valid.archive())


def digest(path: Path) -> str:
    """The SHA-256 of a large file, as 64 hexadecimal digits, with progress."""
    sha256, done = hashlib.sha256(), 0
    with (
        path.open("rb") as file,
        progress(f"hashing {path.name}", path.stat().st_size, "bytes") as show,
    ):
        while block := file.read(1 << 20):
            sha256.update(block)
            done += len(block)
            show(done)
    return sha256.hexdigest()


def verify(path: Path, archive: Archive) -> None:
    """Raise `UserError` unless the file at `path` is `archive`, byte for byte."""
    if not path.is_file():
        raise UserError(f"{path}: no such file: put {archive.name} there, or set data.div2k.zips")
    size = path.stat().st_size
    if size != archive.size:
        raise UserError(
            f"{path}: has {size:,} bytes, {archive.size:,} expected: remove it and get it anew"
        )
    found = digest(path)
    if found != archive.sha256:
        raise UserError(
            f"{path}: has SHA-256 {found[:12]}…, {archive.sha256[:12]}… expected: "
            "remove it and get it anew"
        )
