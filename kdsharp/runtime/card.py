"""What a model folder says about itself: `card.json` beside the model file.

Every key is described in docs/model-format.md.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kdsharp.errors import UserError
from kdsharp.files import sha256_file, write_json
from kdsharp.runtime.keys import Keys, is_count, is_digest, is_plain_name

__all__ = [
    "CARD",
    "FORMAT",
    "Card",
    "Code",
    "File",
    "Int8",
    "Mixture",
    "Tensor",
    "Upscaler",
    "check_file",
    "read_card",
    "write_card",
]

CARD = "card.json"
"""The name of the card in a model folder."""

FORMAT = 6
"""The format that this version writes, and the newest it reads.

Format 1 had no `int8`, 2 no `gate`, 3 no `upscaler` and no `upscaler_int8`, 4 no `mixture`, and 5
no `codes` in it."""

_UNEVEN = 1e-6  # by so much the shares of a code may miss 1


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
class Code:
    """A point of the code book: the mixture by these `shares` of the sets, in whole numbers."""

    file: str
    sha256: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Mixture:
    """The model's kernels follow from the picture: `sets` of them are mixed.

    `mixer` tells the share of each from windows of the picture, and `kernels` sums them to the
    constants of the model's file, whose own are those of one picture. In whole numbers a picture
    gets the one of the `codes` whose shares are nearest; the first of them is the card's `int8`.
    """

    sets: int
    mixer: File
    kernels: File
    codes: tuple[Code, ...] = ()


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

    @property
    def files(self) -> tuple[File, ...]:
        """All files of the folder that the card names, each once."""
        found: list[Any] = [self, self.int8, self.upscaler, self.upscaler_int8]
        if self.mixture:
            found += [self.mixture.mixer, self.mixture.kernels, *self.mixture.codes]
        return tuple(dict.fromkeys(File(part.file, part.sha256) for part in found if part))


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
    card = _card(Keys(path, _load(path)))
    for part in card.files if files else ():
        check_file(folder / part.file, part.sha256)
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


def check_file(path: Path, sha256: str) -> None:
    """Raises `UserError` unless there is a file at `path` with this SHA-256."""
    if not path.is_file():
        raise UserError(f"{path}: the model file that the card names is missing")
    if sha256_file(path) != sha256:
        raise UserError(f"{path}: is damaged, or not this card's model: its SHA-256 differs")


def _card(keys: Keys) -> Card:
    version = keys.whole("format", 1)
    if version > FORMAT:
        raise UserError(f"{keys.path}: format {version} was made by a newer kdsharp: update it")
    color = keys.one_of("color", "luma", "rgb")
    channels = 1 if color == "luma" else 3
    card = Card(
        format=FORMAT,
        name=keys.text("name"),
        file=keys.get("file", "a plain file name", is_plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", is_digest),
        degradation=keys.text("degradation"),
        scale=keys.whole("scale", 1),
        color=color,
        matrix=keys.one_of("matrix", "bt601-full" if color == "luma" else None),
        input=_tensor(keys, "input", channels),
        output=_tensor(keys, "output", channels),
        receptive_radius=keys.whole("receptive_radius", 0),
        grid=keys.whole("grid", 1),
        parameters=keys.whole("parameters", 0),
        macs_per_pixel=float(keys.get("macs_per_pixel", "a number >= 0", is_count)),
        lineage=keys.object("lineage"),
        metrics=keys.object("metrics"),
        int8=_int8(keys, channels) if version > 1 else None,
        gate=_gate(keys) if version > 2 else None,
        upscaler=_upscaler(keys, "upscaler", channels) if version > 3 else None,
        upscaler_int8=_upscaler(keys, "upscaler_int8", channels) if version > 3 else None,
        mixture=_mixture(keys, version) if version > 4 else None,
    )
    keys.done()
    _check_codes(keys, card)
    return card


def _int8(outer: Keys, channels: int) -> Int8 | None:
    found = outer.object_or_null("int8")
    if found is None:
        return None
    keys = Keys(outer.path, found, "int8.")
    int8 = Int8(
        file=keys.get("file", "a plain file name", is_plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", is_digest),
        input=_tensor(keys, "input", channels, "uint8", 255),
        output=_tensor(keys, "output", channels, "uint8", 255),
        loss_db=keys.number("loss_db"),
    )
    keys.done()
    return int8


def _upscaler(outer: Keys, key: str, channels: int) -> Upscaler | None:
    found = outer.object_or_null(key)
    if found is None:
        return None
    keys = Keys(outer.path, found, f"{key}.")
    upscaler = Upscaler(
        file=keys.get("file", "a plain file name", is_plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", is_digest),
        input=_tensor(keys, "input", channels),
        output=_tensor(keys, "output", channels),
        receptive_radius=keys.whole("receptive_radius", 0),
    )
    keys.done()
    return upscaler


def _mixture(outer: Keys, version: int) -> Mixture | None:
    found = outer.object_or_null("mixture")
    if found is None:
        return None
    keys = Keys(outer.path, found, "mixture.")
    sets, mixer, kernels = keys.whole("sets", 1), _file(keys, "mixer"), _file(keys, "kernels")
    codes = keys.list("codes") if version > 5 else []
    keys.done()
    read = (_code(outer.path, code, number, sets) for number, code in enumerate(codes))
    return Mixture(sets, mixer, kernels, tuple(read))


def _code(path: Path, found: Any, number: int, sets: int) -> Code:
    keys = Keys(path, found, f"mixture.codes[{number}].")
    file = keys.get("file", "a plain file name", is_plain_name)
    sha256 = keys.get("sha256", "64 hexadecimal digits", is_digest)
    expected = f"{sets} numbers from 0 to 1, whose sum is 1"
    shares = keys.get("shares", expected, lambda value: _is_mixture(value, sets))
    keys.done()
    return Code(file, sha256, tuple(map(float, shares)))


def _is_mixture(value: Any, sets: int) -> bool:
    if not isinstance(value, list) or len(value) != sets:
        return False
    # Written so that NaN, which a card cannot hold, would fail as well.
    return all(is_count(v) and v <= 1 for v in value) and abs(sum(value) - 1) <= _UNEVEN


def _check_codes(keys: Keys, card: Card) -> None:
    """The code book and `int8` stand or fall together, and no two codes are the same."""
    if card.mixture is None:
        return
    codes, int8 = card.mixture.codes, card.int8
    first = (codes[0].file, codes[0].sha256) if codes else None
    if first != ((int8.file, int8.sha256) if int8 else None):
        raise UserError(f"{keys.path}: mixture.codes must begin with the file of int8")
    _check_apart(keys, "shares", [code.shares for code in codes])
    _check_apart(keys, "file", [code.file for code in codes])


def _check_apart(keys: Keys, key: str, values: Sequence[Any]) -> None:
    for number, value in enumerate(values):
        if value in values[:number]:
            place = f"mixture.codes[{number}].{key}"
            raise UserError(f"{keys.path}: {place} is that of another code: {value!r:.60}")


def _file(outer: Keys, key: str) -> File:
    keys = Keys(outer.path, outer.object(key), f"{outer.prefix}{key}.")
    file = File(
        file=keys.get("file", "a plain file name", is_plain_name),
        sha256=keys.get("sha256", "64 hexadecimal digits", is_digest),
    )
    keys.done()
    return file


def _gate(outer: Keys) -> Mapping[str, Any] | None:
    """The section as it is, checked: it has a decision's id, or says why there is none."""
    found = outer.object_or_null("gate")
    if found is not None:
        keys = Keys(outer.path, found, "gate.")
        judged = keys.get("judged", "true or false", lambda v: isinstance(v, bool))
        keys.text("decision" if judged else "why")
    return found


def _tensor(outer: Keys, key: str, channels: int, dtype: str = "float32", most: int = 1) -> Tensor:
    keys = Keys(outer.path, outer.object(key), f"{outer.prefix}{key}.")
    tensor = Tensor(
        name=keys.text("name"),
        channels=int(keys.one_of("channels", channels)),
        layout=keys.one_of("layout", "NCHW"),
        dtype=keys.one_of("dtype", dtype),
        range=_range(keys, most),
    )
    keys.done()
    return tensor


def _range(keys: Keys, most: int) -> tuple[float, float]:
    low, high = keys.one_of("range", [0, most])
    return float(low), float(high)
