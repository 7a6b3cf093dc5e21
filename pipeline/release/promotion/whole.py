"""Whether a folder is a model and nothing else: each file is one that the card pins by its SHA-256.

What comes from a store that others write to is checked before it is put in place.
"""

import os
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD, Card, read_card
from pipeline.evaluation.report.model_card import PAGE
from pipeline.paths import printable

__all__ = ["LARGEST", "LARGEST_CARD", "SIGNATURE", "card_files", "require_whole"]

SIGNATURE = "card.sig"
"""The name of the card's signature in a model folder, where there is one."""

LARGEST = 512 * 1024 * 1024
"""The most bytes of a file; those that ship have less than a megabyte."""

LARGEST_CARD = 4 * 1024 * 1024
"""The most bytes of card, page and signature each: the card is read whole before it is known."""


def card_files(card: Card) -> tuple[str, ...]:
    """The names of the files that `card` pins."""
    return tuple(part.file for part in card.files)


def require_whole(folder: Path, shown: Path | None = None) -> Card:
    """The card of the model in `folder`, whose files are those of the card, its page and signature.

    Raises `UserError`, one line that names `shown` in place of `folder`, for a file that the card
    does not name, one that is missing or has another SHA-256, a link, a folder, and what is too
    large for a model.
    """
    shown = folder if shown is None else shown
    beside = {CARD, PAGE, SIGNATURE}
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = shown / printable(entry.name)
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
            raise UserError(f"{path}: is not a plain file: a model folder holds nothing else")
        most = LARGEST_CARD if entry.name in beside else LARGEST
        if entry.stat(follow_symlinks=False).st_size > most:
            raise UserError(f"{path}: has more than {most >> 20} MiB: not a model's")
    try:
        card = read_card(folder)
    except UserError as error:
        raise UserError(str(error).replace(str(folder), str(shown))) from error
    for name in [entry.name for entry in found]:
        if name not in beside and name not in card_files(card):
            raise UserError(
                f"{shown / printable(name)}: the card does not name this file, so nothing says "
                "what it should hold: take it out"
            )
    return card
