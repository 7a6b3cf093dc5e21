"""Which files hold pickled objects, as they are or packed in an archive."""

import pickletools
import zipfile
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = {".pkl", ".pickle", ".pt", ".pt2", ".pth", ".ckpt", ".joblib", ".cloudpickle"}


def pickled(root: Path) -> list[str]:
    """The paths of those below a folder; those in archives with a `!` between."""
    return pickled_among((path for path in sorted(root.rglob("*")) if path.is_file()), root)


def pickled_among(files: Iterable[Path], root: Path) -> list[str]:
    """The same of these files, as paths below `root`."""
    return [name for path in files for name in _inside(path, str(path.relative_to(root)))]


def _inside(path, name):
    if path.suffix in SUFFIXES or _is_pickle(path.read_bytes()):
        yield name
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if Path(member).suffix in SUFFIXES or _is_pickle(archive.read(member)):
                    yield f"{name}!{member}"


def _is_pickle(content: bytes) -> bool:
    """Whether it is a pickle of protocol 2 or later from its first byte to its end."""
    if content[:1] != b"\x80" or not content[1:2] or content[1] > 5:
        return False
    try:
        return any(code.name == "STOP" for code, _, _ in pickletools.genops(content))
    except (ValueError, IndexError, EOFError, UnicodeDecodeError):
        return False
