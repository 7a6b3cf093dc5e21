"""What this machine can sharpen with, and how fast."""

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import features

from kdsharp import __version__
from kdsharp.errors import UserError
from kdsharp.imageio.photo import SUFFIXES
from kdsharp.runtime import onnxruntime
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import find_model, shipped_models
from kdsharp.runtime.engine import ENGINES, PRECISIONS, Engine, load_engine
from kdsharp.runtime.hardware import best_engine, best_precision, cores, cpu_flags

__all__ = ["FRAME", "Timing", "examine", "format_report", "measure"]

FRAME = (720, 1280)
"""Height and width of the frame that is timed."""

_SECONDS = 2.0
# ONNX Runtime goes by other names where it is built for graphics cards.
_CORE = ("numpy", "pillow", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
_EXTRAS = {
    "openvino": "openvino",
    "av": "video",
    "pyvirtualcam": "camera",
    "pillow-heif": "heic",
    "onnx": "export",
    "fastapi": "serve",
    "opentelemetry-sdk": "otel",
    "torch": "train",
    "spandrel": "spandrel",
    "distributed": "dask",
    "s3fs": "bucket",
}
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
_CODECS = ("webp", "avif", "jpg", "zlib", "libtiff")


@dataclass(frozen=True)
class Timing:
    """One engine in one precision: the median for a frame, or why it has no timing."""

    engine: str
    precision: str
    device: str = ""
    milliseconds: float | None = None
    problem: str = ""


def examine(model: Path | str | None = None) -> dict[str, Any]:
    """Versions, CPU, extras, models, what would be chosen, and timings of `model`.

    Takes about two seconds. The result can be written as JSON.
    """
    packages = {name: _version(name) for name in (*_CORE, *_EXTRAS)}
    extras = {
        extra: f'pip install "kdsharp[{extra}]"'
        for name, extra in _EXTRAS.items()
        if packages[name] is None
    }
    found: dict[str, Any] = {
        "kdsharp": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "cpu": [flag for flag in _FLAGS if flag in cpu_flags()],
        "packages": packages,
        "missing": extras,
        "accelerators": _accelerators(),
        "formats": sorted(SUFFIXES),
        "codecs": {name: bool(features.check(name)) for name in _CODECS},
        "models": list(shipped_models()),
    }
    try:
        folder = find_model(model)
        card = read_card(folder)
    except UserError as error:
        return {**found, "model": None, "problem": str(error), "timings": []}
    engine = best_engine()
    chosen = {"engine": engine, "precision": best_precision(card, engine)}
    timings = [asdict(timing) for timing in measure(folder)]
    return {**found, "model": folder.name, "chosen": chosen, "timings": timings}


def measure(folder: Path, seconds: float = _SECONDS) -> list[Timing]:
    """The model in `folder` on a frame, in each precision on each engine, `seconds` in all."""
    card = read_card(folder)
    precisions = PRECISIONS if card.int8 else PRECISIONS[:1]
    ways = [(engine, precision) for engine in ENGINES for precision in precisions]
    return [_timed(folder, *way, seconds / len(ways)) for way in ways]


def format_report(found: Mapping[str, Any]) -> list[str]:
    """What `examine` found, in lines for a person."""
    packages = [f"{name} {version}" for name, version in found["packages"].items() if version]
    codecs = [name for name, there in found["codecs"].items() if there]
    lines = [
        f"kdsharp {found['kdsharp']}, Python {found['python']}, {found['system']}",
        f"CPU          {found['cores']} cores, {_list(found['cpu'])}",
        f"packages     {_list(packages)}",
        f"accelerators {_list(found['accelerators'])}",
        f"formats      {_list(found['formats'])}; codecs {_list(codecs)}",
        f"models       {_list(found['models'])}",
    ]
    lines += [f"missing      {extra}: {command}" for extra, command in found["missing"].items()]
    if not found["model"]:
        return [*lines, f"no benchmark {found['problem']}"]
    height, width = FRAME
    chosen = (found["chosen"]["engine"], found["chosen"]["precision"])
    lines += ["", f"{found['model']} on a frame of {width}x{height}, the network alone:"]
    for row in found["timings"]:
        name = f"{row['engine']:12} {row['precision']:5} {row['device']:6}"
        mark = "  <- auto" if (row["engine"], row["precision"]) == chosen else ""
        ms = row["milliseconds"]
        lines.append(
            f"  {name} {ms:7.1f} ms  {1000 / ms:6.1f} per second{mark}"
            if ms
            else f"  {name} {row['problem']}"
        )
    return lines


def _timed(folder: Path, name: str, precision: str, seconds: float) -> Timing:
    try:
        engine = load_engine(folder, name, precision=precision)
    except UserError as error:
        return Timing(name, precision, problem=str(error))
    return Timing(name, precision, engine.device, _median(engine, seconds) * 1000)


def _median(engine: Engine, seconds: float) -> float:
    shape = (1, engine.card.input.channels, *FRAME)
    frame_NCHW = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    engine.run8(frame_NCHW)  # the first of a size makes ready for it
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        engine.run8(frame_NCHW)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _accelerators() -> list[str]:
    try:
        return [name.removesuffix("ExecutionProvider") for name in onnxruntime.accelerators()]
    except ImportError:
        return []


def _list(values: list[str]) -> str:
    return ", ".join(values) or "none"
