"""Which model: the one named, else the environment's, else the one that ships by default."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdsharp.card import CARD, Card, read_card
from kdsharp.errors import UserError

__all__ = [
    "DEFAULT",
    "VARIABLE",
    "family_of",
    "find_model",
    "model_table",
    "named_size",
    "shipped_models",
]

VARIABLE = "KDSHARP_MODEL"
"""The environment variable that names a model folder, or one that ships."""

DEFAULT = "small-x2"
"""The model that is used when nothing is named."""

_SHIPPED = Path(__file__).parent / "weights"
_SIZE, _SCALE = "small", 2  # what is used where a name says no size, or no scale
_UNKNOWN = "-"


def find_model(model: Path | None, scale: int | None = None) -> Path:
    """The model folder to use: `model`, else `$KDSHARP_MODEL`, else the small one that ships.

    A name is that of a folder, or else of a model that ships, such as `large-x3`, or of a size
    alone: `nano` is `nano-x2`, or what `scale` says. With a folder or a whole name `scale` has to
    be that of the model. Whether it is a sound model is up to `kdsharp.card.read_card`. Raises
    `UserError` for a name that is neither, and for a scale that does not fit or does not ship.
    """
    named = str(model or os.environ.get(VARIABLE) or "")
    if Path(named).is_dir() and named:
        return _fitting(Path(named), named, scale)
    wanted, names = named or _SIZE, shipped_models()
    if wanted in names:
        return _fitting(_SHIPPED / wanted, wanted, scale)
    if (name := f"{wanted}-x{scale or _SCALE}") in names:
        return _SHIPPED / name
    known = ", ".join(names) or "none in this build"
    if _scales(wanted):
        raise UserError(f"{wanted}: no model of that size ships for scale {scale} ({known})")
    if not named:
        raise UserError(f"no model: name a model folder with --model PATH or ${VARIABLE}")
    raise UserError(f"{wanted}: no such model folder, and no model that ships ({known})")


def family_of(model: Path | None) -> Sequence[Path]:
    """The folders of all that ship of the size `model`, plain x2 first; None as in `find_model`.

    Raises `UserError` where `model` is one model and not a size, or no such size ships.
    """
    folder = find_model(model)
    size = named_size(model)
    if folder.parent == _SHIPPED and size:
        names = [name for name in shipped_models() if name.partition("-x")[0] == size]
        return [folder, *(_SHIPPED / name for name in names if name != folder.name)]
    wanted = model or os.environ.get(VARIABLE)
    raise UserError(
        f"{wanted}: undoes scale {read_card(folder).scale} alone: to choose by the picture, name a "
        f"size that ships, such as {_SIZE}"
    )


def named_size(model: Path | None) -> str | None:
    """The size that `model` says, as in `find_model`; None where it says one model."""
    named = str(model or os.environ.get(VARIABLE) or _SIZE)
    return named if not Path(named).is_dir() and _scales(named) else None


def _scales(size: str) -> list[str]:
    """What stands behind the size in the names of those that ship."""
    parts = [name.partition("-x") for name in shipped_models()]
    return [rest for name, _, rest in parts if name == size]


def _fitting(folder: Path, wanted: str, scale: int | None) -> Path:
    if scale is not None and (made_for := read_card(folder).scale) != scale:
        raise UserError(
            f"{wanted}: undoes scale {made_for}, not {scale}: leave the scale out, or name a size "
            f"that ships, such as {_SIZE}"
        )
    return folder


def shipped_models() -> Sequence[str]:
    """The names of the models that ship, sorted."""
    return sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CARD}"))


def model_table() -> list[str]:
    """A line of headings, and one for each model that ships: what it undoes, its cost, size, gain.

    The gain is in dB of Y-PSNR over the degraded photos that its training was validated on; "-" is
    what a card does not say. Raises `UserError` for a card that is none.
    """
    cards = [(name, read_card(_SHIPPED / name)) for name in shipped_models()]
    cards.sort(key=lambda named: (named[1].scale, named[1].macs_per_pixel))
    rows = [_row(name, card) for name, card in cards]
    return [_HEADINGS, *rows] if rows else ["no model ships in this build"]


_HEADINGS = (
    "name                 undoes      scale  parameters  MAC/pixel  GMAC at 720p  KB fp32  KB int8"
    "  gain fp32  gain int8"
)


def _row(name: str, card: Card) -> str:
    gain = _gain(card.metrics)
    loss = card.int8.loss_db if card.int8 else None
    int8_gain = gain - loss if gain is not None and loss is not None else None
    cells = [
        f"{name:19}",
        f" {card.degradation:10}",
        f"{card.scale:6}",
        f"{card.parameters:11,}",
        f"{card.macs_per_pixel:10.0f}",
        f"{card.macs_per_pixel * 1280 * 720 / 1e9:13.2f}",
        f"{_kilobytes(name, card.file):>8}",
        f"{_kilobytes(name, card.int8.file if card.int8 else None):>8}",
        f"{_decibels(gain):>10}",
        f"{_decibels(int8_gain):>10}",
    ]
    return " ".join(cells) + (" (default)" if name == DEFAULT else "")


def _kilobytes(name: str, file: str | None) -> str:
    return f"{(_SHIPPED / name / file).stat().st_size / 1000:.0f}" if file else _UNKNOWN


def _decibels(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:+.2f} dB"


def _gain(metrics: Mapping[str, Any]) -> float | None:
    """Of the fp32 file over doing nothing, if the card says so: its keys are up to the trainer."""
    try:
        val = metrics["val"]
        return float(val["student_onnx"]["psnr_y"]) - float(val["input"]["psnr_y"])
    except (KeyError, TypeError, ValueError):
        return None
