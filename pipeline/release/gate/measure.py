"""Candidate and incumbent, scored and timed afresh on the same crops by the code that ships.

Each of the files that ship is measured by itself: a student has one in fp32, and one in int8 for
those whose CPU multiplies int8 and who have OpenVINO.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma_studio
from kdsharp.errors import describe
from kdsharp.metrics import psnr, ssim
from kdsharp.runtime.hardware import best_engine, best_precision
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.params import PromotionParams
from pipeline.release.gate.crops import GateSet
from pipeline.release.gate.evidence import (
    Anchor,
    Comparison,
    GateFacts,
    Measured,
    Precision,
    Quality,
    Role,
    Serving,
)
from pipeline.release.gate.models import Model, open_model
from pipeline.release.gate.speed import frame, time_alone, time_beside

__all__ = ["measure"]

_Pixels = npt.NDArray[np.uint8]
_Done = Callable[[int], None]


@dataclass(frozen=True)
class _File:
    """One file of a model: what was measured, and the model if it works."""

    measured: Measured
    model: Model | None


_Files = dict[Precision, _File]
"""By what they compute in; `fp32` is always there."""


def measure(
    role: Role,
    candidate: Path,
    incumbent: Path | None,
    gate_set: GateSet,
    policy: PromotionParams,
    anchors: Mapping[tuple[Literal["best", "first"], int], Path] = MappingProxyType({}),
    done: _Done = lambda _: None,
) -> Comparison:
    """Measure the models in the folders `candidate` and `incumbent` (None if there is none).

    `anchors` are others, by their name and version; each is timed beside the candidate.

    A student's folder holds a model folder and student.safetensors, a teacher's
    teacher.safetensors. A model that does not load or answers with NaN is measured as such and
    raises nothing. `done(n)` is called, from several threads, when n more crops are scored.
    """

    def files(folder: Path, prove: bool) -> _Files:
        return _files(role, folder, gate_set, policy, done, prove)

    opened = files(candidate, prove=True)
    theirs = None
    if incumbent is None:
        ours = _alone(role, opened)
    else:
        ours, theirs = _beside(role, opened, files(incumbent, prove=False), policy.latency_ratio)
    held = tuple(
        Anchor(*key, _beside(role, opened, files(folder, prove=False), policy.latency_ratio)[1])
        for key, folder in anchors.items()
    )
    doing_nothing = _score(lambda low: low, gate_set, policy, done)
    return Comparison(role, ours, theirs, doing_nothing, _facts(gate_set), held)


def _files(
    role: Role, folder: Path, gate_set: GateSet, policy: PromotionParams, done: _Done, prove: bool
) -> _Files:
    """All of its files but for the speed; those in int8 only where that in fp32 works."""

    def file(precision: Precision) -> _File:
        try:
            model = open_model(role, folder, gate_set, prove=prove, precision=precision)
            frame(role, model)()
            quality = _score(Sharpener(engine=model.engine).array, gate_set, policy, done)
        except Exception as error:  # noqa: BLE001 - a model's failure is not the gate's
            # Where it was unpacked to means nothing to a reader of the decision.
            why = describe(error).replace(f"{folder}/", "").replace(str(folder), "its folder")
            return _File(Measured(None, Serving(False, why, precision=precision)), None)
        serving = Serving(
            loads=True,
            parity=model.parity,
            size_bytes=model.size_bytes,
            engine=model.engine.name,
            precision=precision,
        )
        return _File(Measured(quality, serving, model.parameters, model.macs_per_pixel), model)

    found: _Files = {"fp32": file("fp32")}
    whole = found["fp32"].model
    if whole is not None and whole.engine.card.int8 is not None:
        found["int8"] = file("int8")
    return found


def _alone(role: Role, files: _Files) -> Measured:
    """The model without another to compare its speed with."""
    found = {precision: _timed(role, file) for precision, file in files.items()}
    return dataclasses.replace(found["fp32"], int8=found.get("int8"))


def _timed(role: Role, file: _File) -> Measured:
    if file.model is None:
        return file.measured
    return _with(file.measured, time_alone(frame(role, file.model)))


def _beside(role: Role, ours: _Files, theirs: _Files, limit: float) -> tuple[Measured, Measured]:
    """Candidate and rival, timed beside each other.

    The rival's `int8` is what those get for whom int8 is made; where one of the two has no such
    file that works, they get fp32. Its speed is measured where this machine is one of theirs.
    """

    def pair(one: _File, other: _File, timed: bool = True) -> tuple[Measured, Measured]:
        if not timed or one.model is None:
            return one.measured, other.measured
        if other.model is None:
            return _timed(role, one), other.measured
        times = time_beside(frame(role, one.model), frame(role, other.model), limit)
        return (
            _with(one.measured, times.ours_ms),
            _with(other.measured, times.theirs_ms, times.ratio),
        )

    candidate, rival = pair(ours["fp32"], theirs["fp32"])
    if "int8" not in ours and "int8" not in theirs:
        return candidate, rival
    fast = theirs.get("int8", theirs["fp32"])
    fast = fast if fast.model else theirs["fp32"]
    one, other = pair(ours.get("int8", ours["fp32"]), fast, _pays(ours) or _pays(theirs))
    return (
        dataclasses.replace(candidate, int8=one if "int8" in ours else None),
        dataclasses.replace(rival, int8=other),
    )


def _pays(files: _Files) -> bool:
    """Whether those who use such a machine as this one get its int8 file."""
    model = files["int8"].model if "int8" in files else None
    return model is not None and best_precision(model.engine.card, best_engine()) == "int8"


def _score(
    sharpen: Callable[[_Pixels], _Pixels], gate_set: GateSet, policy: PromotionParams, done: _Done
) -> Quality:
    border = gate_set.scale
    inner = (slice(border, -border),) * 2

    def score(pair: tuple[_Pixels, _Pixels]) -> tuple[float, float]:
        output, truth = luma_studio(sharpen(pair[0]))[inner], luma_studio(pair[1])[inner]
        # A crop that is its own truth has a PSNR without bounds, which would rule the mean.
        found = min(psnr(output, truth), policy.ceiling_db), ssim(output, truth)
        done(1)
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = zip(gate_set.low_NHWC, gate_set.high_NHWC, strict=True)
        scores = np.array(list(pool.map(score, pairs)))
    return Quality(scores[:, 0], scores[:, 1], gate_set.photo)


def _with(measured: Measured, latency_ms: float, ratio: float | None = None) -> Measured:
    serving = dataclasses.replace(measured.serving, latency_ms=latency_ms, latency_ratio=ratio)
    return dataclasses.replace(measured, serving=serving)


def _facts(gate_set: GateSet) -> GateFacts:
    return GateFacts(
        sha256=gate_set.sha256,
        photos=len(gate_set.sources),
        crops=len(gate_set.photo),
        degradation=gate_set.degradation,
        scale=gate_set.scale,
        names=tuple(gate_set.names),
        source=gate_set.source,
    )
