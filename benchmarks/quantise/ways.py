"""The quantisers: each turns the same student, by the same patches, into whole numbers."""

import importlib.util
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper

from kdsharp.color import luma
from kdsharp.degrade import known_recipe
from kdsharp.errors import UserError
from kdsharp.runtime.card import Card
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.openvino import import_openvino
from kdsharp.train.config import PatchesConfig, StudentConfig
from kdsharp.train.dataset.cut import cut_patches
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.export.fp32 import INPUT, check_parity
from kdsharp.train.export.int8 import write_int8
from kdsharp.train.export.quantize import quantize
from kdsharp.train.student.network import Student

__all__ = ["NNCF", "OURS", "Given", "Pixels", "Way", "calibration", "student_of", "ways"]

_TOLERANCE = 1e-4  # of a range of 1, as export.tolerance

OURS, NNCF = "ours", "NNCF"
_RESIDUAL = "residual"
_METHODS = {"MinMax": "min and max", "Entropy": "entropy", "Percentile": "percentile"}
Pixels = npt.NDArray[np.uint8]


def student_of(folder: Path, card: Card) -> Student:
    """The student in the model folder, from the weights in its fp32 file.

    Raises `UserError` for a file that is not three convolutions, and `KdsharpError` if the result
    computes something other than the file does.
    """
    graph = onnx.load(folder / card.file).graph
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    if "w2" not in constants or "w3" in constants:
        raise UserError(f"{folder}: not a student of three convolutions")
    weights = [constants[f"w{index}"] for index in range(3)]
    config = StudentConfig(
        channels=weights[0].shape[0],
        kernels=(weights[0].shape[-1], weights[1].shape[-1], weights[2].shape[-1]),
        unshuffle_factor=cast(Literal[1, 2, 3, 4], card.grid),
        color=card.color,
    )
    student = Student(config).eval()
    # The file has the channels of the first filters as (block, channel).
    outputs, inputs, *kernel = weights[0].shape
    split = weights[0].reshape(outputs, inputs // student.planes, student.planes, *kernel)
    weights[0] = split.swapaxes(1, 2).reshape(weights[0].shape)
    with torch.no_grad():
        for index, conv in enumerate(student.convs):
            conv.weight.copy_(torch.tensor(weights[index]))
            assert conv.bias is not None
            conv.bias.copy_(torch.tensor(constants[f"b{index}"]))
    check_parity(student, load_engine(folder, "onnxruntime").run, _TOLERANCE)
    return student


def calibration(photos: Sequence[Path], card: Card, count: int) -> npt.NDArray[np.uint8]:
    """`count` patches of the photos after the degradation of `card`, (N, C, 128, 128)."""
    with tempfile.TemporaryDirectory() as made:
        folder, recipe = Path(made), known_recipe(card.degradation)
        cut_patches(photos, count, folder, "train", PatchesConfig(), recipe, card.scale)
        rgb_NHWC = np.array(load_patches(folder, "train").lr_NHWC)
    if card.color == "rgb":
        return np.ascontiguousarray(rgb_NHWC.transpose(0, 3, 1, 2))
    return np.rint(luma(rgb_NHWC)).astype(np.uint8)[:, None]


@dataclass(frozen=True)
class Given:
    """A student, its fp32 file, and degraded patches (N, C, H, W) as it reads them."""

    student: Student
    path: Path
    planes_NCHW: Pixels

    def inputs(self) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        """Each patch as the fp32 file takes it."""
        for plane_CHW in self.planes_NCHW:
            yield {INPUT: plane_CHW[None].astype(np.float32) / np.float32(255)}


@dataclass(frozen=True)
class Way:
    """A quantiser: `make(given, folder)` writes its file and returns the path.

    `pixels`: the file takes and gives 8 bit, and not floats as the fp32 file. `only`: the one
    engine that reads it, where not all do.
    """

    make: Callable[[Given, Path], Path]
    pixels: bool = False
    only: str | None = None


def ways() -> tuple[Mapping[str, Way], list[str]]:
    """The quantisers by name, and a line on each that is not installed."""
    found = {OURS: Way(_ours, pixels=True)}
    for method, words in _METHODS.items():
        found[f"ONNX Runtime, {words}"] = Way(_onnxruntime(method))
    found["ONNX Runtime, min and max, 7-bit weights"] = Way(_onnxruntime("MinMax", narrow=True))
    if importlib.util.find_spec("nncf") is None:
        return found, [f"{NNCF}: is not installed: pip install nncf"]
    found[NNCF] = Way(_nncf(), only="openvino")
    found[f"{NNCF}, min and max"] = Way(_nncf(whole=True), only="openvino")
    wide = _nncf(whole=True, wide=True)
    found[f"{NNCF}, min and max, 8-bit weights everywhere"] = Way(wide, only="openvino")
    return found, []


def _ours(given: Given, folder: Path) -> Path:
    path = folder / "ours.onnx"
    write_int8(quantize(given.student, given.planes_NCHW), path)
    return path


def _onnxruntime(method: str, *, narrow: bool = False) -> Callable[[Given, Path], Path]:
    """`quantize_static`; `narrow` keeps weights to 7 bit, for CPUs that add products in 16 bit."""

    def make(given: Given, folder: Path) -> Path:
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self._inputs = given.inputs()

            def get_next(self) -> Mapping[str, npt.NDArray[np.float32]] | None:
                return next(self._inputs, None)

        path = folder / "onnxruntime.onnx"
        # It advises to infer shapes first, which are free here.
        logging.disable(logging.WARNING)
        try:
            q.quantize_static(
                given.path,
                path,
                Reader(),
                quant_format=q.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=[_RESIDUAL],
                per_channel=True,
                reduce_range=narrow,
                activation_type=q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
                calibrate_method=q.CalibrationMethod[method],
                extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
            )
        finally:
            logging.disable(logging.NOTSET)
        return path

    return make


def _nncf(*, whole: bool = False, wide: bool = False) -> Callable[[Given, Path], Path]:
    """NNCF's quantisation after training, of the model as OpenVINO reads it.

    By itself it ends ranges at the mean of the patches' largest values, which cuts off bright
    pixels; `whole` takes the largest of all. It keeps the weights of the first layer to 7 bit, for
    CPUs that add products in 16 bit; `wide` does not.
    """

    def make(given: Given, folder: Path) -> Path:
        openvino = import_openvino()
        import nncf
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        more: dict[str, Any] = {}
        if whole:
            more["activations_range_estimator_params"] = RangeEstimatorParametersSet.MINMAX
        if wide:
            more["overflow_fix"] = nncf.OverflowFix.DISABLE
        nncf.set_log_level(logging.ERROR)
        model = openvino.Core().read_model(given.path)
        # Not by its type: the biases of the convolutions are additions as well.
        last = model.get_results()[0].input_value(0).get_node().get_friendly_name()
        made = nncf.quantize(
            model,
            nncf.Dataset(list(given.inputs())),
            subset_size=len(given.planes_NCHW),
            ignored_scope=nncf.IgnoredScope(names=[last]),
            advanced_parameters=nncf.AdvancedQuantizationParameters(**more),
        )
        path = folder / "nncf.xml"
        openvino.save_model(made, path, compress_to_fp16=False)
        return path

    return make
