"""Which engine and which precision, when nobody says, and what the CPU has for it."""

import importlib.util
import os
import sys
from pathlib import Path

from kdsharp.card import Card

__all__ = ["best_engine", "best_precision", "cores", "cpu_flags", "multiplies_int8"]

_CPUINFO = Path("/proc/cpuinfo")
# Multiply 8-bit numbers and add to 32 bits in one instruction.
_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8")


def best_engine() -> str:
    """OpenVINO where it is installed: the quickest on CPUs. Else ONNX Runtime."""
    return "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"


def best_precision(card: Card, engine: str) -> str:
    """`int8` where that pays: the model has it, OpenVINO runs it, the CPU multiplies 8 bit.

    In ONNX Runtime it is no quicker than fp32.
    """
    pays = card.int8 is not None and engine == "openvino" and multiplies_int8()
    return "int8" if pays else "fp32"


def multiplies_int8() -> bool:
    """Whether this CPU has VNNI or AMX; False where the system does not say (not Linux)."""
    return any(flag in cpu_flags() for flag in _INT8)


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
