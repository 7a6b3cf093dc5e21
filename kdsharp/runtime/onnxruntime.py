"""ONNX Runtime: on a graphics card or Apple's Neural Engine where it can, else on the CPU."""

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.runtime.card import Tensor
from kdsharp.runtime.hardware import Fill, Infer, Kernels, Loaded, cores

__all__ = ["PROVIDERS", "accelerators", "fillable", "load"]

PROVIDERS: Mapping[str, Mapping[str, str]] = {
    # TensorFloat-32 keeps 10 bits of mantissa, and the search times every size of tile anew.
    "CUDAExecutionProvider": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    "CoreMLExecutionProvider": {},
    "DmlExecutionProvider": {},
}
"""The accelerators that are tried, best first, and their options."""

_CPU = "CPUExecutionProvider"
_SUFFIX = "ExecutionProvider"


def accelerators() -> list[str]:
    """Those of `PROVIDERS` that this build of ONNX Runtime has.

    Raises `ImportError` where it is not installed.
    """
    import onnxruntime

    here = onnxruntime.get_available_providers()
    return [name for name in PROVIDERS if name in here]


def load(path: Path, source: Tensor, target: Tensor, threads: int | None, streams: int) -> Loaded:
    """The ONNX file at `path`; `threads` None leaves the number to ONNX Runtime.

    `streams` calls share the threads and run at the same time. An accelerator that this build has,
    but that the machine or the file does not suit, is passed over. Raises `ImportError` where ONNX
    Runtime is not installed, and its own errors for a file that does not run on the CPU either.
    """
    if streams > 1:
        # Each call works in a pool that all share, and in the thread that makes it.
        threads = -(-(threads or cores()) // streams)
    for provider in accelerators():
        # Whatever a driver objects to, the CPU can do.
        with contextlib.suppress(Exception):
            infer, used = _session(path, source, target, threads, provider)
            infer(np.zeros((1, source.channels, 3, 5), source.dtype))
            if used == provider:
                return Loaded(infer, provider.removesuffix(_SUFFIX))
    return Loaded(_session(path, source, target, threads, _CPU)[0])


def fillable(path: Path, source: Tensor, target: Tensor, threads: int | None, streams: int) -> Fill:
    """As `load`, on the CPU alone, for a file whose constants follow from the picture.

    To fill it takes about a millisecond.
    """
    if streams > 1:
        threads = -(-(threads or cores()) // streams)
    return lambda kernels: _session(path, source, target, threads, _CPU, kernels)[0]


def _session(
    path: Path,
    source: Tensor,
    target: Tensor,
    threads: int | None,
    provider: str,
    kernels: Kernels | None = None,
) -> tuple[Infer, str]:
    """A function that runs the file, and the provider that ONNX Runtime took in the end."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; the rest is noise to a person
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    wanted: list[Any] = [(provider, dict(PROVIDERS.get(provider, {})))]
    if provider != _CPU:
        wanted.append(_CPU)
    # DirectML plans no memory ahead and lets one thread in at a time.
    alone = provider == "DmlExecutionProvider"
    options.enable_mem_pattern = not alone
    values = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
        for name, array in (kernels or {}).items()
    }
    if values:
        # The highest level lays the file's kernels out anew before ours take their places.
        extended = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.graph_optimization_level = extended
    for name, value in values.items():
        options.add_initializer(name, value)
    session = onnxruntime.InferenceSession(path, options, providers=wanted)
    turn: Any = threading.Lock() if alone else contextlib.nullcontext()

    held = (session, values)  # it reads them where they are, as long as it lives

    def infer(planes_NCHW: Any) -> Any:
        with turn:
            return held[0].run([target.name], {source.name: planes_NCHW})[0]

    return infer, session.get_providers()[0]
