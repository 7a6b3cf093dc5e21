"""OpenVINO on the CPU."""

import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kdsharp.runtime.card import Tensor
from kdsharp.runtime.hardware import Fill, Infer, Kernels, Loaded

__all__ = ["fillable", "import_openvino", "load"]

_CONVOLUTION = re.compile("[wb][0-9]")


def load(path: Path, source: Tensor, target: Tensor, threads: int | None, streams: int) -> Loaded:
    """The ONNX file at `path`, compiled; `threads` None leaves the number to OpenVINO.

    `streams` calls share the threads and run at the same time. Raises `ImportError` where OpenVINO
    is not installed, and its own errors for a bad file.
    """
    compiled = _compiled(_read(path), threads, streams)
    return Loaded(lambda planes_NCHW: _run(compiled, {source.name: planes_NCHW}, target.name))


def fillable(path: Path, source: Tensor, target: Tensor, threads: int | None, streams: int) -> Fill:
    """As `load`, for a file whose constants, `w0`, `b0` and so on, follow from the picture.

    They become inputs, so that the model is compiled once: that takes 35 ms, and the convolutions
    then a sixth longer. In whole numbers they cannot: those that are mixed are files of their own.
    """
    compiled = _compiled(_with_inputs(_read(path)), threads, streams)

    def fill(kernels: Kernels) -> Infer:
        return lambda x_NCHW: _run(compiled, {source.name: x_NCHW, **kernels}, target.name)

    return fill


def _read(path: Path) -> Any:
    # Named, because guessing the format tries readers that print what they think of the file.
    reader = import_openvino().frontend.FrontEndManager().load_by_framework("onnx")
    return reader.convert(reader.load(str(path)))


def _compiled(model: Any, threads: int | None, streams: int) -> Any:
    # On CPUs with bfloat16 units OpenVINO would round to it: 8 bits of mantissa are not enough.
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    if streams > 1:
        options["NUM_STREAMS"] = streams
    # In a thread of its own, because OpenVINO gives the compiling thread another stack for signals
    # and takes it back when the model goes: of two models, the one that goes last puts back the
    # stack of the other, which is no longer there, and the next Ctrl-C would be a crash.
    core = import_openvino().Core()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(core.compile_model, model, "CPU", options).result()


def _run(compiled: Any, feed: Mapping[str, Any], target: str) -> Any:
    # A request is not thread-safe, and making one takes microseconds.
    return compiled.create_infer_request().infer(feed)[target]


def _with_inputs(model: Any) -> Any:
    """`model` with inputs instead of the constants of its convolutions."""
    opset = import_openvino().opset13
    inputs = []
    for constant in _constants(model):
        port = opset.parameter(list(constant.shape), constant.get_element_type())
        port.output(0).set_names({constant.get_friendly_name()})
        _replace(constant, port)
        inputs.append(port)
    model.add_parameters(inputs)
    return model


def _constants(model: Any) -> list[Any]:
    """Those of the convolutions: a letter and a number."""
    found = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    return [op for op in found if _CONVOLUTION.fullmatch(op.get_friendly_name())]


def _replace(constant: Any, other: Any) -> None:
    for reader in list(constant.output(0).get_target_inputs()):
        reader.replace_source_output(other.output(0))


def import_openvino() -> Any:
    """OpenVINO without its telemetry, which reports home on import unless it is not there."""
    if loaded := sys.modules.get("openvino"):
        return loaded
    hidden: Any = None
    before = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = hidden
    try:
        import openvino
    finally:
        del sys.modules["openvino_telemetry"]
        if before is not None:
            sys.modules["openvino_telemetry"] = before
    return openvino
