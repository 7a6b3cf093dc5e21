"""What a model folder says about itself: `card.json` beside the model file.

Every key is described in docs/model-format.md.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kdsharp.errors import UserError
from kdsharp.files import sha256_file, write_json

__all__ = [
    "CARD",
    "FORMAT",
    "Card",
    "File",
    "Int8",
    "Mixture",
    "Tensor",
    "Upscaler",
    "read_card",
    "write_card",
]

CARD = "card.json"
"""The name of the card in a model folder."""

FORMAT = 5
"""The format that this version writes, and the newest it reads.

Format 1 had no `int8`, 2 no `gate`, 3 no `upscaler` and no `upscaler_int8`, 4 no `mixture`."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model: its name in the file and what it holds."""

    name: str
    channels: int
    layout: str = "NCHW"
    dtype: str = "float32"
    range: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Int8:
    """The same model in whole numbers: faster, and `loss_db` (dB of Y-PSNR) worse."""

    file: str
    sha256: str
    input: Tensor
    output: Tensor
    loss_db: float


@dataclass(frozen=True)
class Upscaler:
    """The model with bicubic enlarging before it, as one file: a small picture in, a large one out.

    It enlarges as many times as the card's `scale`. `receptive_radius` counts pixels of its input.
    """

    file: str
    sha256: str
    input: Tensor
    output: Tensor
    receptive_radius: int


@dataclass(frozen=True)
class File:
    """A file of the folder."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Mixture:
    """The model's kernels follow from the picture: `sets` of them are mixed.

    `mixer` tells the share of each from windows of the picture, and `kernels` sums them to the
    constants of the model's file, whose own are those of one picture.
    """

    sets: int
    mixer: File
    kernels: File


@dataclass(frozen=True)
class Card:
    """The descriptor of a model that sharpens in place: output and input have the same size.

    `receptive_radius` counts pixels at full size: an output pixel depends on inputs at most that
    far away. Tiles must start at multiples of `grid` pixels. `int8` and both of `upscaler` are None
    if there is no such file, `gate` if the model has not been judged for shipping, and `mixture` if
    every picture gets the same kernels.
    """

    format: int
    name: str
    file: str
    sha256: str
    degradation: str
    scale: int
    color: Literal["luma", "rgb"]
    matrix: str | None
    input: Tensor
    output: Tensor
    receptive_radius: int
    grid: int
    parameters: int
    macs_per_pixel: float
    lineage: Mapping[str, Any]
    metrics: Mapping[str, Any]
    int8: Int8 | None = None
    gate: Mapping[str, Any] | None = None
    upscaler: Upscaler | None = None
    upscaler_int8: Upscaler | None = None
    mixture: Mixture | None = None


def read_card(folder: Path, *, files: bool = True) -> Card:
    """The checked card of the model in `folder`; its files exist and have the recorded SHA-256.

    Without `files` these are not looked at: for reading many cards, to load one of the models.
    A card of an older format comes back as one of `FORMAT`. Raises `UserError`, one line with the
    file and the key, for anything else.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such model folder")
    path = folder / CARD
    if not path.is_file():
        raise UserError(f"{folder}: not a model folder: it has no {CARD}")
    card = _card(_Keys(path, _load(path)))
    mixed = (card.mixture.mixer, card.mixture.kernels) if card.mixture else ()
    for part in (card, card.int8, card.upscaler, card.upscaler_int8, *mixed):
        if part is not None and files:
            _check_file(folder / part.file, part.sha256)
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write `card` into `folder` atomically; the same card gives the same bytes."""
    write_json(Path(folder) / CARD, dataclasses.asdict(card))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _check_file(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: the model file that the card names is missing")
    if sha256_file(path) != sha256:
        raise UserError(f"{path}: is damaged, or not this card's model: its SHA-256 differs")


class _Keys:
    """The keys of one JSON object, each read and checked once."""

    def __init__(self, path: Path, value: Any, prefix: str = "") -> None:
        self.path, self.prefix = path, prefix
        if not isinstance(value, dict):
            raise UserError(f"{path}: {prefix.rstrip('.') or 'the card'} must be an object")
        self.left = dict(value)

    def get(self, key: str, expected: str, valid: Callable[[Any], bool]) -> Any:
        if key not in self.left:
            raise UserError(f"{self.path}: {self.prefix}{key} is missing")
        value = self.left.pop(key)
        if not valid(value):
            raise UserError(
                f"{self.path}: {self.prefix}{key} must be {expected}, not {value!r:.60}"
            )
        return value

    def text(self, key: str) -> str:
        return str(self.get(key, "a non-empty text", lambda v: isinstance(v, str) and v != ""))

    def one_of(self, key: str, *choices: Any) -> Any:
        expected = " or ".join("null" if choice is None else str(choice) for choice in choices)
        return self.get(key, expected, lambda v: not isinstance(v, bool) and v in choices)

    def whole(self, key: str, least: int) -> int:
        return int(self.get(key, f"a whole number >= {least}", lambda v: _int(v) and v >= least))

    def object(self, key: str) -> dict[str, Any]:
        return dict(self.get(key, "an object", lambda v: isinstance(v, dict)))

    def object_or_null(self, key: str) -> dict[str, Any] | None:
        found = self.get(key, "null or an object", lambda v: v is None or isinstance(v, dict))
        return None if found is None else dict(found)

    def number(self, key: str) -> float:
        return float(self.get(key, "a finite number", _finite))

    def done(self) -> None:
        if self.left:
            raise UserError(f"{self.path}: {self.prefix}{next(iter(self.left))} is an unknown key")


def _card(keys: _Keys) -> Card:
    version = keys.whole("format", 1)
    if version > FORMAT:
        raise UserError(f"{keys.path}: format {version} was made by a newer kdsharp: update it")
    color = keys.one_of("color", "luma", "rgb")
    channels = 1 if color == "luma" else 3
    card = Card(
        format=FORMAT,
        name=keys.text("name"),
        file=keys.get("file", "a plain file name", _plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", _digest),
        degradation=keys.text("degradation"),
        scale=keys.whole("scale", 1),
        color=color,
        matrix=keys.one_of("matrix", "bt601-full" if color == "luma" else None),
        input=_tensor(keys, "input", channels),
        output=_tensor(keys, "output", channels),
        receptive_radius=keys.whole("receptive_radius", 0),
        grid=keys.whole("grid", 1),
        parameters=keys.whole("parameters", 0),
        macs_per_pixel=float(keys.get("macs_per_pixel", "a number >= 0", _count)),
        lineage=keys.object("lineage"),
        metrics=keys.object("metrics"),
        int8=_int8(keys, channels) if version > 1 else None,
        gate=_gate(keys) if version > 2 else None,
        upscaler=_upscaler(keys, "upscaler", channels) if version > 3 else None,
        upscaler_int8=_upscaler(keys, "upscaler_int8", channels) if version > 3 else None,
        mixture=_mixture(keys) if version > 4 else None,
    )
    keys.done()
    return card


def _int8(outer: _Keys, channels: int) -> Int8 | None:
    found = outer.object_or_null("int8")
    if found is None:
        return None
    keys = _Keys(outer.path, found, "int8.")
    int8 = Int8(
        file=keys.get("file", "a plain file name", _plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", _digest),
        input=_tensor(keys, "input", channels, "uint8", 255),
        output=_tensor(keys, "output", channels, "uint8", 255),
        loss_db=keys.number("loss_db"),
    )
    keys.done()
    return int8


def _upscaler(outer: _Keys, key: str, channels: int) -> Upscaler | None:
    found = outer.object_or_null(key)
    if found is None:
        return None
    keys = _Keys(outer.path, found, f"{key}.")
    upscaler = Upscaler(
        file=keys.get("file", "a plain file name", _plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", _digest),
        input=_tensor(keys, "input", channels),
        output=_tensor(keys, "output", channels),
        receptive_radius=keys.whole("receptive_radius", 0),
    )
    keys.done()
    return upscaler


def _mixture(outer: _Keys) -> Mixture | None:
    found = outer.object_or_null("mixture")
    if found is None:
        return None
    keys = _Keys(outer.path, found, "mixture.")
    mixture = Mixture(keys.whole("sets", 1), _file(keys, "mixer"), _file(keys, "kernels"))
    keys.done()
    return mixture


def _file(outer: _Keys, key: str) -> File:
    keys = _Keys(outer.path, outer.object(key), f"{outer.prefix}{key}.")
    file = File(
        file=keys.get("file", "a plain file name", _plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", _digest),
    )
    keys.done()
    return file


def _gate(outer: _Keys) -> Mapping[str, Any] | None:
    """The section as it is, checked: it has a decision's id, or says why there is none."""
    found = outer.object_or_null("gate")
    if found is not None:
        keys = _Keys(outer.path, found, "gate.")
        judged = keys.get("judged", "true or false", lambda v: isinstance(v, bool))
        keys.text("decision" if judged else "why")
    return found


def _tensor(outer: _Keys, key: str, channels: int, dtype: str = "float32", most: int = 1) -> Tensor:
    keys = _Keys(outer.path, outer.object(key), f"{outer.prefix}{key}.")
    tensor = Tensor(
        name=keys.text("name"),
        channels=int(keys.one_of("channels", channels)),
        layout=keys.one_of("layout", "NCHW"),
        dtype=keys.one_of("dtype", dtype),
        range=_range(keys, most),
    )
    keys.done()
    return tensor


def _range(keys: _Keys, most: int) -> tuple[float, float]:
    low, high = keys.one_of("range", [0, most])
    return float(low), float(high)


def _int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return _int(value) or (isinstance(value, float) and math.isfinite(value))


def _count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _plain_name(value: Any) -> bool:
    """A name inside the folder: a card from elsewhere must not reach other files."""
    return (
        isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\\0:")
    )
