"""A registered model as a folder of files, opened the way that its users run it."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kdsharp.engine import ENGINES, Engine, Planes, load_engine
from kdsharp.errors import UserError
from pipeline.gate.crops import GateSet
from pipeline.gate.evidence import Kind

__all__ = ["Model", "open_model"]


@dataclass(frozen=True)
class Model:
    """A loaded model. `parity` is that of `Serving`; None for teachers and where not asked for."""

    engine: Engine
    size_bytes: int
    parameters: int
    macs_per_pixel: float
    parity: float | None = None


def open_model(kind: Kind, folder: Path, gate_set: GateSet, prove: bool) -> Model:
    """The model in `folder`; its engine raises `UserError` rather than answer with NaN.

    A student runs on the engine `auto`, OpenVINO where that is installed, as it does for its users;
    `prove` compares it with student.safetensors on every engine that is installed. A teacher is no
    exported model: its weights run in torch. Raises `UserError` for what is no such model, or one
    made for another degradation.
    """
    if kind == "teacher":
        return _teacher(folder / "teacher.safetensors")
    engine = _finite(load_engine(folder))
    card = engine.card
    if (card.degradation, card.scale) != (gate_set.degradation, gate_set.scale):
        raise UserError(
            f"it is made for {card.degradation} x{card.scale}, the gate set for "
            f"{gate_set.degradation} x{gate_set.scale}: retrain with the degradation of params.yaml"
        )
    parity = _parity(folder, engine) if prove else None
    size = (folder / card.file).stat().st_size
    return Model(engine, size, card.parameters, card.macs_per_pixel, parity)


def _teacher(path: Path) -> Model:
    from kdsharp.train.engines import torch_engine
    from kdsharp.train.teacher import load_teacher
    from kdsharp.train.workers import pick_device

    engine = _finite(torch_engine(load_teacher(path), pick_device("auto")))
    card = engine.card
    return Model(engine, path.stat().st_size, card.parameters, card.macs_per_pixel)


def _parity(folder: Path, engine: Engine) -> float:
    from kdsharp.train.export import check_parity
    from kdsharp.train.student import load_student

    student = load_student(folder / "student.safetensors")
    others = [name for name in ENGINES if find_spec(name) and name != engine.name]
    engines = [engine, *(_finite(load_engine(folder, name)) for name in others)]
    return max(check_parity(student, one.run, math.inf) for one in engines)


def _finite(engine: Engine) -> Engine:
    """8-bit pictures would show NaN as black, and nobody would know."""

    def infer(planes_NCHW: Planes, run: Callable[[Planes], Planes] = engine.infer) -> Planes:
        output = run(planes_NCHW)
        if not np.isfinite(output).all():
            raise UserError("it answers with numbers that are not finite: train it anew")
        return output

    return dataclasses.replace(engine, infer=infer)
