"""What is compared: doing nothing, an unsharp mask, the teacher, the student and its exports."""

import hashlib
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageFilter

import kdsharp
from kdsharp.files import sha256_file
from kdsharp.runtime.card import read_card
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.engine import torch_engine
from kdsharp.train.loop.distributed import pick_device
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.interface import AnyTeacher
from pipeline.evaluation.scoring import Method, Pixels
from pipeline.params import EvaluateParams, Params
from pipeline.paths import EXPORT, STUDENT, TEACHER

__all__ = ["load_methods", "method_keys"]

_BYTES_KEPT = 50_000_000
_LIBRARY = Path(kdsharp.__file__).parent


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


def method_keys(params: Params) -> dict[str, str]:
    """By each method's name, all that decides its scores beside the photos: models, code, params.

    What several methods share, such as the degradation, is in each of them.
    """
    card = read_card(EXPORT)
    own = {
        "input": "",
        "unsharp": f"{params.evaluate.unsharp_radius} {params.evaluate.unsharp_percent}",
        "teacher": sha256_file(TEACHER),
        "student": sha256_file(STUDENT),
        "student_onnx": card.sha256,
    }
    if card.int8:
        own["student_int8"] = card.int8.sha256
    if card.mixture:  # what a picture gets is decided by all of its files
        whole = " ".join(part.sha256 for part in card.files)
        own |= {name: whole for name in own if name.startswith("student_")}
    shared = f"{params.degradation.model_dump_json()} {_code()}"
    return {name: f"{name} {key} {shared}" for name, key in own.items()}


def _code() -> str:
    """A hash of the library, of this package, and of the versions that pixels depend on."""
    whole = hashlib.sha256()
    for name in ("numpy", "onnxruntime", "pillow", "torch"):
        whole.update(f"{name} {version(name)}\n".encode())
    for path in sorted((*_LIBRARY.rglob("*.py"), *Path(__file__).parent.glob("*.py"))):
        whole.update(f"{path.name} {sha256_file(path)}\n".encode())
    return whole.hexdigest()


def _unsharp(low: Pixels, params: EvaluateParams) -> Pixels:
    mask = ImageFilter.UnsharpMask(params.unsharp_radius, params.unsharp_percent, threshold=0)
    return np.asarray(Image.fromarray(low).filter(mask))


def _remembered(method: Method) -> Method:
    """`method` that keeps its outputs, as many as a few small photos need."""
    kept: dict[bytes, Pixels] = {}
    lock = Lock()

    def call(low: Pixels) -> Pixels:
        key = hashlib.sha256(repr(low.shape).encode() + low.tobytes()).digest()
        if key in kept:
            return kept[key]
        output = method(low)
        with lock:
            if sum(o.nbytes for o in kept.values()) + output.nbytes <= _BYTES_KEPT:
                kept[key] = output
        return output

    return call
