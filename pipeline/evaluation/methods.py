"""What is compared: doing nothing, an unsharp mask, the teacher, the student and its exports."""

import hashlib
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.engine import torch_engine
from kdsharp.train.loop.distributed import pick_device
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.interface import AnyTeacher
from pipeline.evaluation.scoring import Method, Pixels
from pipeline.params import EvaluateParams, Params
from pipeline.paths import EXPORT

__all__ = ["load_methods"]

_BYTES_KEPT = 50_000_000


def load_methods(params: Params, teacher: AnyTeacher | None, student: Student) -> dict[str, Method]:
    """Every method by its name in the results, in the order of the tables.

    Without a teacher its row is left out.

    The exported student is read from models/export, with int8 if it is there; `UserError` if that
    is not a model folder.
    """
    device = pick_device(params.teacher.loop.device)
    # On the engine that is always installed: what is scored must not depend on another.
    exported = Sharpener(EXPORT, engine="onnxruntime", precision="fp32")
    methods: dict[str, Method] = {
        "input": lambda low: low,
        "unsharp": partial(_unsharp, params=params.evaluate),
    }
    if teacher is not None:
        # A hundred times the work of all others, and the photos that are shown need it again.
        methods["teacher"] = _remembered(Sharpener(engine=torch_engine(teacher, device)).array)
    # On the CPU whatever there is: it shows what the exported one may lose, and nothing else.
    methods["student"] = Sharpener(engine=torch_engine(student)).array
    methods["student_onnx"] = exported.array
    if exported.card.int8:
        int8 = Sharpener(EXPORT, engine="onnxruntime", precision="int8")
        methods["student_int8"] = int8.array
    return methods


def _unsharp(low: Pixels, params: EvaluateParams) -> Pixels:
    mask = ImageFilter.UnsharpMask(params.unsharp_radius, params.unsharp_percent, threshold=0)
    return np.asarray(Image.fromarray(low).filter(mask))


def _remembered(method: Method) -> Method:
    """`method` that keeps its outputs, as many as a few small photos need."""
    kept: dict[bytes, Pixels] = {}

    def call(low: Pixels) -> Pixels:
        key = hashlib.sha256(repr(low.shape).encode() + low.tobytes()).digest()
        if key not in kept:
            output = method(low)
            if sum(o.nbytes for o in kept.values()) + output.nbytes > _BYTES_KEPT:
                return output
            kept[key] = output
        return kept[key]

    return call
