"""Students of sizes that do not ship yet, with random weights: their time can be known before."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np

from kdsharp.files import sha256_file
from kdsharp.runtime.card import FORMAT, Card, Int8, Tensor, write_card
from kdsharp.runtime.catalog import DEPTHS, PLAIN, WIDTHS, size_of

__all__ = ["missing_sizes", "untrained_student"]

_FP32, _INT8 = "student.onnx", "student_int8.onnx"
_SIDE, _PATCHES = 48, 4


def missing_sizes(scale: int, cards: Iterable[Card]) -> list[str]:
    """The sizes of the family at `scale` that none of `cards` has."""
    there = {size_of(card) for card in cards if card.scale == scale and card.degradation == PLAIN}
    return [size for size, widths in WIDTHS.items() if scale in widths and size not in there]


def untrained_student(size: str, scale: int, scratch: Path) -> Path:
    """A model folder in `scratch` of a student of that size, in both precisions.

    It computes nothing of use, in as much time as a trained one.
    """
    import torch

    from kdsharp.train.config import StudentConfig
    from kdsharp.train.export.fp32 import write_onnx
    from kdsharp.train.export.int8 import write_int8
    from kdsharp.train.export.quantize import quantize
    from kdsharp.train.student.network import Student

    folder = Path(tempfile.mkdtemp(dir=scratch)) / f"{size}-x{scale}"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = StudentConfig(
            channels=WIDTHS[size][scale],
            convs=DEPTHS[size],
            unshuffle_factor=cast(Literal[2, 3, 4], scale),
        )
        student = Student(config).eval()
        # Starts at zero, which an engine might make use of.
        torch.nn.init.normal_(student.convs[-1].weight, std=0.01)
    shape = (_PATCHES, 1, _SIDE, _SIDE)
    noise_NCHW = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    write_onnx(student, folder / _FP32)
    write_int8(quantize(student, noise_NCHW), folder / _INT8)
    ports = Tensor("input", 1), Tensor("output", 1)
    source, target = (replace(port, dtype="uint8", range=(0.0, 255.0)) for port in ports)
    card = Card(
        format=FORMAT,
        name=folder.name,
        file=_FP32,
        sha256=sha256_file(folder / _FP32),
        degradation=PLAIN,
        scale=scale,
        color="luma",
        matrix="bt601-full",
        input=ports[0],
        output=ports[1],
        receptive_radius=student.receptive_radius,
        grid=scale,
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        lineage={
            "student": {
                "channels": config.channels, "convs": config.convs, "kernels": config.kernels
            }
        },
        metrics={},
        int8=Int8(_INT8, sha256_file(folder / _INT8), source, target, 0.0),
    )  # fmt: skip
    write_card(folder, card)
    return folder
