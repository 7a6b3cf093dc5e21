"""A private copy of a model folder, so that nobody can change it while it is served."""

import os
import shutil
import tempfile
import weakref
from itertools import islice
from pathlib import Path

from kdsharp.errors import UserError, describe
from kdsharp.runtime.card import CARD, Card, read_card

__all__ = ["Signature", "Snapshot", "short", "signature"]

Signature = tuple[tuple[str, int, int, int], ...]
"""Name, inode, time of change and size of every file of a folder; empty if there is no folder."""

_MOST = 512 * 1024 * 1024  # bytes of a file; those that ship have less than a megabyte
_FILES = 128  # of a folder that are looked at


class Snapshot:
    """The model in `source` as it was when this was made; the copy goes with the object.

    `folder` is the copy, which bears the name of the original. A promotion in between would mix
    two models: the card and its SHA-256 sums are checked on the copy. Raises `UserError`, which
    names `source` and not the copy, for what is not a whole model.
    """

    def __init__(self, source: Path) -> None:
        self.source, self.name = source, source.name or source.absolute().name
        place = tempfile.mkdtemp(prefix="kdsharp-model-")
        self._end = weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        self.folder = Path(place) / self.name
        try:
            self.card = self._copied()
        except (UserError, OSError) as error:
            self._end()
            raise UserError(self.told(error)) from error

    @property
    def version(self) -> str:
        """What its answers bear: the first digits of the SHA-256 of the model's file."""
        return short(self.card)

    def told(self, error: BaseException) -> str:
        """The one line of `error`, with the place that the user knows."""
        return describe(error).replace(str(self.folder), str(self.source))

    def _copied(self) -> Card:
        if not self.source.is_dir():
            raise UserError(f"{self.source}: no such model folder")
        self.folder.mkdir()
        self._copy(CARD)
        card = read_card(self.folder, files=False)
        for part in card.files:
            self._copy(part.file)
        return read_card(self.folder)

    def _copy(self, name: str) -> None:
        source = self.source / name
        if not source.is_file():
            return  # `read_card` says so better
        if source.stat().st_size > _MOST:
            raise UserError(f"{source}: has more than {_MOST >> 20} MiB: not a model")
        shutil.copyfile(source, self.folder / name)


def short(card: Card) -> str:
    """The version that answers bear."""
    return card.sha256[:12]


def signature(folder: Path) -> Signature:
    """What changes when a file of `folder`, or the folder itself, is replaced."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry) for entry in islice(entries, _FILES))
            states = [(name, entry.stat()) for name, entry in found]
        states.append((".", folder.stat()))
    except OSError:
        return ()
    return tuple((name, s.st_ino, s.st_mtime_ns, s.st_size) for name, s in states)
