"""A student with random weights in a model folder, with the files that enlarge in one step."""

import dataclasses
import importlib.util
from pathlib import Path

from kdsharp.runtime.card import Card, write_card
from kdsharp.runtime.engine import ENGINES
from kdsharp.train.export.add_upscalers import add_upscalers
from kdsharp.train.export.fp32 import write_onnx
from kdsharp.train.export.int8 import write_int8
from kdsharp.train.export.quantize import quantize
from kdsharp.train.student.network import Student
from tests.kdsharp.train.networks import TINY, blurred, student
from tests.models import make_card, make_int8

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]


def make_student(scale: int, color: str = "luma", convs: int = 3) -> Student:
    return student(
        dataclasses.replace(TINY, unshuffle_factor=scale, color=color, convs=convs), trained=True
    )


def make_folder(folder: Path, network: Student, degradation: str = "bicubic") -> Card:
    """`network` as student.onnx and student_int8.onnx with their card, for as many times as its
    grid is coarse."""
    folder.mkdir(parents=True, exist_ok=True)
    write_onnx(network, folder / "student.onnx")
    pixels = blurred(planes=network.planes).inputs.array_NHWC.transpose(0, 3, 1, 2).copy()
    write_int8(quantize(network, pixels), folder / "student_int8.onnx")
    grid = network.config.unshuffle_factor
    card = dataclasses.replace(
        make_card(folder / "student.onnx", network.config.color),
        degradation=degradation,
        scale=grid,
        grid=grid,
        receptive_radius=network.receptive_radius,
        int8=make_int8(folder / "student_int8.onnx", network.planes),
    )
    write_card(folder, card)
    return card


def make_upscaler(folder: Path, scale: int, color: str = "luma", convs: int = 3) -> Path:
    """The same with upscaler.onnx and upscaler_int8.onnx."""
    make_folder(folder, make_student(scale, color, convs))
    add_upscalers(folder, INSTALLED, 1e-4)
    return folder
