"""Which model, or which to choose among: the one named, the environment's, else those that ship.

The size of a student follows from what its card says and not from a name.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD, Card, read_card
from kdsharp.runtime.modelset import is_set, read_set

__all__ = [
    "DEFAULT",
    "DEPTHS",
    "PLAIN",
    "SCALES",
    "SHIPPED",
    "VARIABLE",
    "WIDTHS",
    "find_model",
    "find_models",
    "learned_from",
    "members",
    "shipped_cards",
    "shipped_models",
    "size_by",
    "size_of",
]

WIDTHS: Mapping[str, Mapping[int, int]] = {
    "nano": {2: 16, 3: 24, 4: 24},
    "small": {2: 32, 3: 48, 4: 48},
    "large": {2: 64, 3: 80, 4: 72},
    "deep-small": {2: 16, 3: 20, 4: 24},
    "deep-large": {2: 32, 3: 36, 4: 32},
}
"""Channels by size and scale. The grid is as coarse as the scale, so that the same channels cost
less at a larger one. None takes more than 300 KB on disk."""

DEPTHS: Mapping[str, int] = {"nano": 3, "small": 3, "large": 3, "deep-small": 6, "deep-large": 6}
"""Convolutions by size. What is deep takes about as long as the size of its name."""

SCALES = (2, 3, 4)
"""Of the degradation, and of the grid that a member of the family works on."""

PLAIN = "bicubic"
"""The degradation that names leave out: the model that stands for a size is for it."""

VARIABLE = "KDSHARP_MODEL"
"""The environment variable that names a model folder, or one that ships."""

DEFAULT = "deep-small-x2"
"""The model for plain enlarging that is used when nothing is named."""

SHIPPED = Path(__file__).parents[1] / "weights"
"""The folder of the models that ship."""

_TIERS: Mapping[str, tuple[str, ...]] = {"small": ("deep-small", "small")}
"""Sizes that a picture chooses among where one is asked for: they take as long, the best first."""

_KERNELS, _CONVS = 3, 3  # sides on a card: of the first, each hidden and the last; the convolutions
_SIZE, _SCALE = "small", 2  # the defaults where no size, or no scale, is given
_AUTO = "auto"


def size_of(card: Card) -> str | None:
    """The size of the model of `card`; None if it is not of the family.

    A member reads luma, on a grid as coarse as its scale, and has the convolutions and channels of
    one of the sizes. A mixture is none: it stands for several, and is chosen by its name alone.
    """
    student = card.lineage.get("student")
    if not isinstance(student, dict) or card.color != "luma" or card.grid != card.scale:
        return None
    if len(student.get("kernels", ())) != _KERNELS or card.mixture is not None:
        return None
    # Cards of the first versions say nothing of convolutions: there were three.
    return size_by(student.get("convs", _CONVS), student.get("channels"), card.scale)


def size_by(convs: object, channels: object, scale: int) -> str | None:
    """The size that has so many convolutions and channels at `scale`; None if there is none."""
    found = (size for size, widths in WIDTHS.items() if widths.get(scale) == channels)
    return next((size for size in found if DEPTHS[size] == convs), None)


def learned_from(card: Card) -> str | None:
    """What the model of `card` learned from: "truth", "teacher" or "teacher and truth".

    None if its lineage does not say. A teacher that is named there counts only if it took part.
    """
    student = card.lineage.get("student")
    if not isinstance(student, Mapping) or not {"teacher_weight", "feature_weight"} & set(student):
        return None
    if not (student.get("teacher_weight") or student.get("feature_weight")):
        return "truth"
    return "teacher and truth" if student.get("truth_weight") else "teacher"


def members(size: str) -> Mapping[str, Card]:
    """The models that ship and that a picture chooses among where `size` is asked for, by names.

    Of those that undo the same at the same scale it is the first of the sizes that take as long.
    """
    cards = shipped_cards()
    found: dict[tuple[str, int], str] = {}
    for one in _TIERS.get(size, (size,)):
        for name, card in cards.items():
            if size_of(card) == one:
                found.setdefault((card.degradation, card.scale), name)
    return {name: card for name, card in cards.items() if name in found.values()}


def find_model(model: Path | str | None, scale: int | None = None) -> Path:
    """The folder of one model: `model`, else `$KDSHARP_MODEL`, else the small one that ships.

    A size alone, such as `nano`, is its model for plain enlarging by 2, or by `scale`. With a
    folder or a whole name `scale` has to be that of the model. Whether the model is valid is up to
    `read_card`. Raises `UserError` for a name that is not a model, and for a scale that does not
    fit or does not ship.
    """
    one = _folder(_named(model)) is not None
    return find_models(model, scale if one else scale or _SCALE)[0]


def find_models(model: Path | str | None, scale: int | str | None = None) -> Sequence[Path]:
    """The folders to choose among, by the picture: one of them if there is nothing to choose.

    With no model, or a size, and with no `scale` these are its `members`, the one for plain
    enlarging by 2 first; a `scale` (2, 3 or 4) leaves the plain one for it. Of the folder of a set
    (`kdsharp.runtime.modelset`) they are its models. `auto` stands for no scale, and is refused
    where one model is named. Raises as `find_model` does, and for an unknown scale.
    """
    wanted_scale = _scale(scale)
    named = _named(model)
    if named and is_set(Path(named)):
        return _of_set(Path(named), wanted_scale)
    wanted = named or _SIZE
    if (folder := _folder(named)) is not None:
        return [_fitting(folder, named, wanted_scale, auto=scale == _AUTO)]
    there = members(wanted)
    plain = {card.scale: name for name, card in there.items() if card.degradation == PLAIN}
    if (found := plain.get(wanted_scale or _SCALE)) is not None:
        others = [name for name in there if name != found and wanted_scale is None]
        return [SHIPPED / name for name in (found, *others)]
    if named and Path(named).is_dir():
        return [Path(named)]
    known = ", ".join(shipped_models()) or "none in this build"
    if there:
        raise UserError(
            f"{wanted}: no model of that size ships for scale {wanted_scale or _SCALE} ({known})"
        )
    if not named:
        raise UserError(f"no model: name a model folder with --model PATH or ${VARIABLE}")
    raise UserError(f"{wanted}: neither a model folder nor a model that ships ({known})")


def shipped_models() -> Sequence[str]:
    """The names of the models that ship, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}"))


def shipped_cards() -> Mapping[str, Card]:
    """Their cards, by name; their files are not looked at. Raises `UserError` for a bad card."""
    return {name: read_card(SHIPPED / name, files=False) for name in shipped_models()}


def _named(model: object) -> str:
    """What is asked for, in words; empty where the choice is ours."""
    if model is not None and not isinstance(model, str | Path):
        raise UserError(f"a model is a name or a folder, not {model!r:.60}")
    return str(model or os.environ.get(VARIABLE) or "")


def _folder(named: str) -> Path | None:
    """The folder of the one model that `named` is; None for a size and for an unknown name."""
    own, separated = Path(named), any(sign in named for sign in (os.sep, os.altsep) if sign)
    if named and own.is_dir() and (separated or (own / CARD).is_file()):
        return own
    return SHIPPED / named if named in shipped_models() else None


def _of_set(folder: Path, scale: int | None) -> Sequence[Path]:
    """All models of the set, or with a `scale` the plain one for it."""
    found = [folder / name for name in read_set(folder).gains]
    if scale is None:
        return found
    for one in found:
        card = read_card(one, files=False)
        if (card.degradation, card.scale) == (PLAIN, scale):
            return [one]
    raise UserError(f"{folder}: none of its models is for plain enlarging by {scale}")


def _scale(scale: int | str | None) -> int | None:
    if scale is None or scale == _AUTO:
        return None
    if str(scale) in map(str, SCALES):
        return int(scale)
    raise UserError(f"scale {scale!r} is unknown: choose {', '.join(map(str, SCALES))} or auto")


def _fitting(folder: Path, named: str, scale: int | None, *, auto: bool) -> Path:
    """`folder`, unless something else is asked of the one model."""
    if not auto and scale is None:
        return folder
    made_for = read_card(folder).scale
    if auto:
        raise UserError(
            f"{named}: undoes only scale {made_for}: to choose by the picture, name a size that "
            f"ships, such as {_SIZE}"
        )
    if made_for != scale:
        raise UserError(
            f"{named}: undoes scale {made_for}, not {scale}: leave the scale out, or name a size "
            f"that ships, such as {_SIZE}"
        )
    return folder
