"""A registered model as a folder of files, opened the way that its users run it."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kdsharp.errors import UserError
from kdsharp.runtime.engine import ENGINES, Engine, Planes, load_engine
from pipeline.release.gate.crops import GateSet
from pipeline.release.gate.evidence import Precision, Role

__all__ = ["Model", "open_model"]


@dataclass(frozen=True)
class Model:
    """A loaded file. `parity` is that of `Serving`; None for teachers and where not asked for."""

    engine: Engine
    size_bytes: int
    parameters: int
    macs_per_pixel: float
    parity: float | None = None


def open_model(
    role: Role, folder: Path, gate_set: GateSet, prove: bool, precision: Precision = "fp32"
) -> Model:
    """The model in `folder`; its engine raises `UserError` rather than answer with NaN.

    A student runs on the engine `auto`, OpenVINO where that is installed, as it does for its users.
    `prove` compares it with student.safetensors on every engine that is installed, and its int8
    file on each with that on the first. A teacher is not exported: its weights run in torch.
    Raises `UserError` if it is not such a model, or is made for another degradation.
    """
    if role == "teacher":
        return _teacher(folder / "teacher.safetensors")
    engine = load_engine(folder, precision=precision)
    card = engine.card
    if (card.degradation, card.scale) != (gate_set.degradation, gate_set.scale):
        raise UserError(
            f"it is made for {card.degradation} x{card.scale}, the gate set for "
            f"{gate_set.degradation} x{gate_set.scale}: retrain with the degradation of params.yaml"
        )
    if precision == "int8" and card.int8 is not None:  # 8 bit hold no NaN
        parity = _parity_int8(folder, engine) if prove else None
        file = card.int8.file
    else:
        engine = _finite(engine)
        parity = _parity(folder, engine) if prove else None
        file = card.file
    size = (folder / file).stat().st_size
    return Model(engine, size, card.parameters, card.macs_per_pixel, parity)


def _teacher(path: Path) -> Model:
    from kdsharp.train.engine import torch_engine
    from kdsharp.train.loop.distributed import pick_device
    from kdsharp.train.teacher.network import load_teacher

    engine = _finite(torch_engine(load_teacher(path), pick_device("auto")))
    card = engine.card
    return Model(engine, path.stat().st_size, card.parameters, card.macs_per_pixel)


def _parity(folder: Path, engine: Engine) -> float:
    from kdsharp.train.export.fp32 import check_parity
    from kdsharp.train.student.network import load_student

    student = load_student(folder / "student.safetensors")
    engines = [engine, *(_finite(load_engine(folder, name)) for name in _others(engine))]
    return max(check_parity(student, one.run, math.inf) for one in engines)


def _parity_int8(folder: Path, engine: Engine) -> float | None:
    """None where only one engine is installed. Of a mixture each code is compared."""
    from kdsharp.train.export.fp32 import ODD_SIZES

    random, channels = np.random.default_rng(0), engine.card.input.channels
    sizes = [(2, channels, *size) for size in ODD_SIZES]
    planes = [random.integers(0, 256, size, dtype=np.uint8) for size in sizes]
    mixture = engine.card.mixture
    codes = [code.shares for code in mixture.codes] if mixture else [()]
    found = [
        np.abs(other.mixed(code).run8(x_NCHW).astype(int) - one.run8(x_NCHW)).max() / 255
        for other in (load_engine(folder, name, precision="int8") for name in _others(engine))
        for code, one in ((code, engine.mixed(code)) for code in codes)
        for x_NCHW in planes
    ]
    return float(max(found)) if found else None


def _others(engine: Engine) -> list[str]:
    return [name for name in ENGINES if find_spec(name) and name != engine.name]


def _finite(engine: Engine) -> Engine:
    """8-bit pictures would show NaN as black, and nobody would know."""

    def infer(planes_NCHW: Planes, run: Callable[[Planes], Planes] = engine.infer) -> Planes:
        output = run(planes_NCHW)
        if not np.isfinite(output).all():
            raise UserError("it returns numbers that are not finite: train it again")
        return output

    return dataclasses.replace(engine, infer=infer)
