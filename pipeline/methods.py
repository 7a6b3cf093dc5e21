"""What is compared: doing nothing, an unsharp mask, the teacher, the student and its exports."""

import hashlib
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from kdsharp.sharpen import Sharpener
from kdsharp.train.engines import torch_engine
from kdsharp.train.student import Student
from kdsharp.train.teacher import Teacher
from kdsharp.train.workers import pick_device
from pipeline.params import EvaluateParams, Params
from pipeline.paths import EXPORT
from pipeline.scoring import Method, Pixels

__all__ = ["load_methods"]

_BYTES_KEPT = 50_000_000


def load_methods(params: Params, teacher: Teacher, student: Student) -> dict[str, Method]:
    """Every method by its name in the results, in the order of the tables.

    The exported student is read from models/export, with int8 if it is there; `UserError` when
    that is no model.
    """
    device = pick_device(params.teacher.loop.device)
    # On the engine that is always installed: what is scored must not depend on another.
    exported = Sharpener(EXPORT, engine="onnxruntime", precision="fp32")
    methods: dict[str, Method] = {
        "input": lambda low: low,
        "unsharp": partial(_unsharp, params=params.evaluate),
        # A hundred times the work of all others, and the photos that are shown need it again.
        "teacher": _remembered(Sharpener(engine=torch_engine(teacher, device)).array),
        # On the CPU whatever there is: it shows what the exported one may lose, and nothing else.
        "student": Sharpener(engine=torch_engine(student)).array,
        "student_onnx": exported.array,
    }
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
