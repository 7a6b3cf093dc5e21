"""Add the files that enlarge and sharpen in one step to a model folder, each proven there."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.errors import KdsharpError
from kdsharp.files import sha256_file
from kdsharp.runtime.card import Card, Tensor, Upscaler, read_card, write_card
from kdsharp.runtime.catalog import PLAIN, SCALES
from kdsharp.runtime.engine import Engine, load_engine, load_upscaler
from kdsharp.runtime.enlarge import bicubic
from kdsharp.train.export.fp32 import INPUT, ODD_SIZES, OUTPUT
from kdsharp.train.export.upscaler import write_upscaler

__all__ = ["add_upscalers", "can_upscale", "check_upscaler"]

_FILES = {"int8": "upscaler_int8.onnx", "fp32": "upscaler.onnx"}
_HALF, _TWO, _RARE = 0.51 / 255, 2 / 255, 5e-3


def can_upscale(card: Card) -> bool:
    """Whether the model undoes plain enlarging, by as many times as its grid is coarse."""
    plain = card.degradation == PLAIN and card.mixture is None
    return plain and card.scale == card.grid and card.scale in SCALES


def add_upscalers(
    folder: Path, engines: Sequence[str], tolerance: float, largest: int | None = None
) -> Card:
    """Write a file of both steps for each form of the model in `folder`, and name it in the card.

    Every one of `engines` has to give what it gives in two steps, to `tolerance` of a range of 1,
    and as `check_upscaler` says in int8. Where `largest` is given, a file is left out with which
    the folder would have as many bytes; int8 comes first. Returns the card. The folder is no model
    while this runs: work on a copy of one in use. Raises `KdsharpError` if a result differs, and
    `UserError` if the folder is not a student's.
    """
    card = dataclasses.replace(read_card(folder), upscaler=None, upscaler_int8=None)
    for name in _FILES.values():
        (folder / name).unlink(missing_ok=True)
    write_card(folder, card)
    for precision, name in _FILES.items() if can_upscale(card) else ():
        part = card.int8 if precision == "int8" else card
        if part is None:
            continue
        radius = write_upscaler(folder / part.file, folder / name, card.scale)
        port = Tensor(INPUT, card.input.channels)
        output = dataclasses.replace(port, name=OUTPUT)
        found = Upscaler(name, sha256_file(folder / name), port, output, radius)
        changes: dict[str, Any] = {name.removesuffix(".onnx"): found}
        made = dataclasses.replace(card, **changes)
        write_card(folder, made)
        if largest is not None and _bytes(folder) >= largest:
            (folder / name).unlink()
            write_card(folder, card)
            continue
        card = made
        for engine in engines:
            check_upscaler(load_engine(folder, engine, precision=precision), tolerance)
    return card


def check_upscaler(engine: Engine, tolerance: float) -> float:
    """The largest difference of one step from two over odd sizes, on a range of 1, clipped to it.

    In int8 two steps round what they add, to half a level, and a value that lies at a half may be
    rounded to the other side before each convolution: all but 1 in 200 have to agree to half a
    level (1 in 900 was seen of six convolutions), and all to two. Raises `KdsharpError` when a
    difference is above that, or above `tolerance` in fp32, and when there is no such file.
    """
    run, times = load_upscaler(engine), engine.card.scale
    if run is None:
        raise KdsharpError(f"{engine.folder}: has no file that enlarges in {engine.precision}")
    whole = engine.precision == "int8"
    common, most = (_HALF, _TWO) if whole else (tolerance, tolerance)
    random = np.random.default_rng(0)
    differences = []
    for height, width in ODD_SIZES:
        shape = (2, engine.card.input.channels, height, width)
        small_NCHW = random.random(shape, dtype=np.float32)
        large_NCHW = np.stack([bicubic(planes_CHW, times) for planes_CHW in small_NCHW])
        found, expected = (
            np.clip(sharp, 0, 1) for sharp in (run(small_NCHW), engine.run(large_NCHW))
        )
        differences.append(np.abs(found - expected).ravel())
        worst = float(differences[-1].max())
        # Written so that NaN fails as well.
        if not worst <= most:
            raise KdsharpError(
                f"enlarging in one step differs from two by {worst:.2g} at {height}x{width} in "
                f"{engine.name}, {engine.precision}: more than {most:.2g}"
            )
    together = np.concatenate(differences)
    if (share := float(np.mean(together > common))) > _RARE:
        raise KdsharpError(
            f"enlarging in one step differs from two by more than {common:.2g} in {share:.2%} of "
            f"the values in {engine.name}, {engine.precision}: more than {_RARE:.1%}"
        )
    return float(together.max())


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
