"""The default engine and precision, by what the CPU has; what an engine returns."""

import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsharp.runtime.card import Card

__all__ = [
    "Fill",
    "Infer",
    "Kernels",
    "Loaded",
    "best_engine",
    "best_precision",
    "cores",
    "cpu_flags",
    "cpu_name",
    "multiplies_bf16",
    "multiplies_int8",
]

Infer = Callable[[Any], Any]
"""Planes (N, C, H, W) in the file's own type to the same; any threads may call it at once."""

Kernels = Mapping[str, Any]
"""Arrays by the names that constants of a model file have."""

Fill = Callable[[Kernels], Infer]
"""A model file with these constants instead of its own."""

_CPUINFO = Path("/proc/cpuinfo")
# Multiply 8-bit numbers and add to 32 bits in one instruction.
_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8")
_BF16 = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Loaded:
    """A model file that is ready, and the `device` that it runs on: `CPU`, `CUDA` ..."""

    infer: Infer
    device: str = "CPU"


def best_engine() -> str:
    """OpenVINO where it is installed: the quickest on CPUs. Else ONNX Runtime."""
    return "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"


def best_precision(card: "Card", engine: str) -> str:
    """`int8` where it is worth it: the model has it, OpenVINO runs it, the CPU multiplies 8 bit.

    In ONNX Runtime it is not faster than fp32.
    """
    pays = card.int8 is not None and engine == "openvino" and multiplies_int8()
    return "int8" if pays else "fp32"


def multiplies_int8() -> bool:
    """Whether this CPU has VNNI or AMX; False where the system does not say (not Linux)."""
    return any(flag in cpu_flags() for flag in _INT8)


def multiplies_bf16() -> bool:
    """Whether this CPU multiplies bfloat16; False where the system does not say (not Linux)."""
    return any(flag in cpu_flags() for flag in _BF16)


def cpu_name() -> str:
    """The processor's own name."""
    name = platform.processor() or platform.machine()
    lines = _CPUINFO.read_text(encoding="utf-8").splitlines() if _CPUINFO.is_file() else []
    return next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), name)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_flags() -> frozenset[str]:
    """What Linux says that the first CPU can do, such as `avx2`; elsewhere nothing."""
    if not sys.platform.startswith("linux"):
        return frozenset()
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    # x86 says `flags`, ARM `Features`.
    found = (line for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(found, ":").partition(":")[2].split())
