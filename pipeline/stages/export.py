"""Stage `export`: the student as ONNX with its card, checked against the trained one."""

import dataclasses
import logging
from importlib.util import find_spec
from pathlib import Path

from kdsharp.card import FORMAT, Card, Tensor, write_card
from kdsharp.engine import ENGINES, load_engine
from kdsharp.files import atomic_dir, sha256_file
from kdsharp.metrics import METRICS
from kdsharp.sharpen import Sharpener
from kdsharp.train.export import INPUT, OUTPUT, check_parity, write_onnx
from kdsharp.train.student import Student, load_student
from kdsharp.train.weights import read_about
from pipeline.lineage import data_hash
from pipeline.params import Params
from pipeline.paths import EXPORT, STUDENT, TEACHER
from pipeline.scoring import Method, list_photos, score
from pipeline.stages.run import run_stage

__all__ = ["main"]

log = logging.getLogger(__name__)

FILE = "student.onnx"


def main(params: Params) -> None:
    """Write models/export/: student.onnx and card.json; the folder appears when it is proven."""
    student = load_student(STUDENT)
    with atomic_dir(EXPORT) as folder:
        write_onnx(student, folder / FILE)
        card = _card(student, params, folder / FILE)
        write_card(folder, card)
        for name in ENGINES:
            if find_spec(name):
                _prove(student, folder, name, params.export.tolerance)
        write_card(folder, dataclasses.replace(card, metrics={"val": _metrics(folder, params)}))
    log.info("%s: %d parameters, %s", EXPORT, card.parameters, f"{card.macs_per_pixel:.0f} MAC/px")


def _prove(student: Student, folder: Path, engine: str, tolerance: float) -> None:
    worst = check_parity(student, load_engine(folder, engine).run, tolerance)
    log.info("%s agrees with the trained student to %.1e on odd sizes", engine, worst)


def _metrics(folder: Path, params: Params) -> dict[str, dict[str, float]]:
    """Means over the validation photos; the test photos are for `evaluate` alone."""
    methods: dict[str, Method] = {
        "input": lambda low: low,
        "student_onnx": Sharpener(folder, engine="onnxruntime").array,
    }
    photos = [photo for photo in list_photos() if photo.split == "val"]
    table = score(photos, methods, params.degradation)
    means = {name: table.loc[table["method"] == name, list(METRICS)].mean() for name in methods}
    return {
        name: {key: round(float(row[key]), 4) for key in METRICS} for name, row in means.items()
    }


def _card(student: Student, params: Params, path: Path) -> Card:
    luma = student.config.color == "luma"
    return Card(
        format=FORMAT,
        name=params.export.name,
        file=FILE,
        sha256=sha256_file(path),
        degradation=params.degradation.name,
        scale=params.degradation.scale,
        color=student.config.color,
        matrix="bt601-full" if luma else None,
        input=Tensor(INPUT, student.planes),
        output=Tensor(OUTPUT, student.planes),
        receptive_radius=student.receptive_radius,
        grid=student.config.grid,
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        lineage=_lineage(),
        metrics={},
    )


def _lineage() -> dict[str, object]:
    """What the model was made from, by content: true on any machine, whatever git says there."""
    return {
        "data_hash": data_hash(),
        "student": {"sha256": sha256_file(STUDENT), **read_about(STUDENT)},
        "teacher": {"sha256": sha256_file(TEACHER), **read_about(TEACHER)},
    }


if __name__ == "__main__":
    run_stage(main)
