"""OpenVINO on the CPU."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kdsharp.runtime.card import Tensor
from kdsharp.runtime.hardware import Loaded

__all__ = ["import_openvino", "load"]


def load(path: Path, source: Tensor, target: Tensor, threads: int | None, streams: int) -> Loaded:
    """The ONNX file at `path`, compiled; `threads` None leaves the number to OpenVINO.

    `streams` calls share the threads and run at the same time. Raises `ImportError` where OpenVINO
    is not installed, and its own errors for a bad file.
    """
    openvino = import_openvino()
    # On CPUs with bfloat16 units OpenVINO would round to it: 8 bits of mantissa are not enough.
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    if streams > 1:
        options["NUM_STREAMS"] = streams
    # Named, because guessing the format tries readers that print what they think of the file.
    reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
    model = reader.convert(reader.load(str(path)))
    # In a thread of its own, because OpenVINO gives the compiling thread another stack for signals
    # and takes it back when the model goes: of two models, the one that goes last puts back the
    # stack of the other, which is no longer there, and the next Ctrl-C would be a crash.
    with ThreadPoolExecutor(1) as pool:
        compiled = pool.submit(openvino.Core().compile_model, model, "CPU", options).result()

    def infer(planes_NCHW: Any) -> Any:
        # A request is not thread-safe, and making one takes microseconds.
        return compiled.create_infer_request().infer({source.name: planes_NCHW})[target.name]

    return Loaded(infer)


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
