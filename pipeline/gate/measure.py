"""Candidate and incumbent, scored afresh on the same crops by the code that ships."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma_studio
from kdsharp.errors import describe
from kdsharp.metrics import psnr, ssim
from kdsharp.sharpen import Sharpener
from pipeline.gate.crops import GateSet
from pipeline.gate.evidence import Comparison, GateFacts, Kind, Measured, Quality, Serving
from pipeline.gate.latency import time_alone, time_beside
from pipeline.gate.models import Model, open_model
from pipeline.params import PromotionParams

__all__ = ["Comparison", "GateFacts", "Measured", "Quality", "Serving", "measure"]

Pixels = npt.NDArray[np.uint8]
Done = Callable[[int], None]

# Height and width of what is timed: a frame of video; a teacher would take seconds for it.
_FRAME: dict[Kind, tuple[int, int]] = {"student": (720, 1280), "teacher": (256, 256)}


def measure(
    kind: Kind,
    candidate: Path,
    incumbent: Path | None,
    gate_set: GateSet,
    policy: PromotionParams,
    done: Done = lambda _: None,
) -> Comparison:
    """Measure the models in the folders `candidate` and `incumbent` (None: there is none).

    A student's folder holds student.onnx, card.json and student.safetensors, a teacher's
    teacher.safetensors. A model that does not load or answers with NaN is measured as such and
    raises nothing. `done(n)` is called, from several threads, when n more crops are scored.
    """
    ours, our_model = _measured(kind, candidate, gate_set, policy, done, prove=True)
    theirs, their_model = None, None
    if incumbent is not None:
        theirs, their_model = _measured(kind, incumbent, gate_set, policy, done, prove=False)
    if our_model and theirs and their_model:
        runs = _frame(kind, our_model), _frame(kind, their_model)
        times = time_beside(*runs, policy.latency_ratio)
        ours = _with(ours, times.ours_ms, times.ratio)
        theirs = _with(theirs, times.theirs_ms)
    elif our_model:
        ours = _with(ours, time_alone(_frame(kind, our_model)))
    doing_nothing = _score(lambda low: low, gate_set, policy, done)
    return Comparison(kind, ours, theirs, doing_nothing, _facts(gate_set))


def _measured(
    kind: Kind,
    folder: Path,
    gate_set: GateSet,
    policy: PromotionParams,
    done: Done,
    *,
    prove: bool,
) -> tuple[Measured, Model | None]:
    """All but the speed, and the model if it works."""
    try:
        model = open_model(kind, folder, gate_set, prove=prove)
        _frame(kind, model)()
        quality = _score(Sharpener(engine=model.engine).array, gate_set, policy, done)
    except Exception as error:  # noqa: BLE001 - whatever a model does, it is no fault of the gate
        # Where it was unpacked to means nothing to a reader of the decision.
        why = describe(error).replace(f"{folder}/", "").replace(str(folder), "its folder")
        return Measured(None, Serving(loads=False, error=why)), None
    serving = Serving(
        loads=True, parity=model.parity, size_bytes=model.size_bytes, engine=model.engine.name
    )
    return Measured(quality, serving, model.parameters, model.macs_per_pixel), model


def _score(
    sharpen: Callable[[Pixels], Pixels], gate_set: GateSet, policy: PromotionParams, done: Done
) -> Quality:
    border = gate_set.scale
    inner = (slice(border, -border),) * 2

    def score(pair: tuple[Pixels, Pixels]) -> tuple[float, float]:
        output, truth = luma_studio(sharpen(pair[0]))[inner], luma_studio(pair[1])[inner]
        # A crop that is its own truth has a PSNR without bounds, which would rule the mean.
        found = min(psnr(output, truth), policy.ceiling_db), ssim(output, truth)
        done(1)
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = zip(gate_set.low_NHWC, gate_set.high_NHWC, strict=True)
        scores = np.array(list(pool.map(score, pairs)))
    return Quality(scores[:, 0], scores[:, 1], gate_set.photo)


def _frame(kind: Kind, model: Model) -> Callable[[], object]:
    """What is timed: the model alone, on one frame."""
    height, width = _FRAME[kind]
    shape = (1, model.engine.card.input.channels, height, width)
    frame_NCHW = np.random.default_rng(0).random(shape, dtype=np.float32)
    return partial(model.engine.run, frame_NCHW)


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
    )
