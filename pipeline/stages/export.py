"""Stage `export`: the student as ONNX, in float and in int8, with its card, each file proven.

And, where it undoes plain enlarging, both forms with the enlarging before them.
"""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma
from kdsharp.files import atomic_dir, sha256_file
from kdsharp.metrics import METRICS
from kdsharp.runtime.card import FORMAT, Card, File, Int8, Mixture, Tensor, write_card
from kdsharp.runtime.engine import ENGINES, load_engine
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.export.add_upscalers import add_upscalers
from kdsharp.train.export.fp32 import INPUT, OUTPUT, check_parity, write_onnx
from kdsharp.train.export.int8 import check_int8, write_int8
from kdsharp.train.export.mixture import write_kernels, write_mixer
from kdsharp.train.export.quantize import quantize
from kdsharp.train.loop.distributed import pin_threads
from kdsharp.train.loop.weights import read_about, role_of
from kdsharp.train.student.mixture import MixedStudent
from kdsharp.train.student.network import Student, load_student
from pipeline.data.patches import find_patches
from pipeline.environment import read_environment
from pipeline.evaluation.report.model_card import write_model_card
from pipeline.evaluation.scoring import Method, list_photos, sampled, score
from pipeline.manifest import read_manifest
from pipeline.params import Params
from pipeline.paths import EXPORT, STUDENT, TEACHER
from pipeline.stages.run import run_stage
from pipeline.tracking.lineage import data_hash

__all__ = ["main"]

_log = logging.getLogger(__name__)

_FILE, _FILE_INT8 = "student.onnx", "student_int8.onnx"
_MIXER, _KERNELS = "mixer.onnx", "kernels.onnx"


def main(params: Params) -> None:
    """Write models/export/: the model files and card.json; the folder appears when it is proven."""
    student = load_student(STUDENT)
    pin_threads(student.config.loop.threads)
    engines = [name for name in ENGINES if find_spec(name)]
    with atomic_dir(EXPORT) as folder:
        write_onnx(student, folder / _FILE)
        card = _with_mixture(student, _card(student, params, folder / _FILE), folder)
        write_card(folder, card)
        for name in engines:
            worst = check_parity(student, load_engine(folder, name).run, params.export.tolerance)
            _log.info("%s agrees with the trained student to %.1e on odd sizes", name, worst)
        if params.export.int8 and card.mixture is None:
            card = _add_int8(student, card, folder, engines, params)
        card = add_upscalers(folder, engines, params.export.tolerance)
        card = _with_metrics(card, folder, params)
        write_card(folder, card)
        settings = {
            "degradation": params.degradation.model_dump(),
            "patches": asdict(params.patches),
        }
        write_model_card(folder, card, read_manifest().to_dict("records"), settings)
    _log.info("%s: %d parameters, %s", EXPORT, card.parameters, f"{card.macs_per_pixel:.0f} MAC/px")


def _with_mixture(student: Student, card: Card, folder: Path) -> Card:
    """Write what mixes the kernels, if it has several sets; the card with it."""
    if not isinstance(student, MixedStudent):
        return card
    write_mixer(student.mixer, folder / _MIXER)
    write_kernels(student, folder / _KERNELS)
    mixer, kernels = (File(name, sha256_file(folder / name)) for name in (_MIXER, _KERNELS))
    return dataclasses.replace(card, mixture=Mixture(student.config.mixture, mixer, kernels))


def _add_int8(
    student: Student, card: Card, folder: Path, engines: Sequence[str], params: Params
) -> Card:
    """Write the int8 file and prove it; the card with it, its loss still unknown."""
    quantized = quantize(student, _calibration(student, params.export.calibration))
    write_int8(quantized, folder / _FILE_INT8)
    port = Tensor(INPUT, student.planes, dtype="uint8", range=(0.0, 255.0))
    output = dataclasses.replace(port, name=OUTPUT)
    int8 = Int8(_FILE_INT8, sha256_file(folder / _FILE_INT8), port, output, loss_db=0.0)
    card = dataclasses.replace(card, int8=int8)
    write_card(folder, card)
    for name in engines:
        share = check_int8(quantized, load_engine(folder, name, precision="int8").run8)
        _log.info("%s agrees with the int8 student in all but %.2g of the values", name, share)
    return card


def _calibration(student: Student, count: int) -> npt.NDArray[np.uint8]:
    """Training patches as the student sees them, (N, C, H, W), taken evenly from all."""
    low_NHWC = load_patches(find_patches(), "train").lr_NHWC
    chosen = np.linspace(0, len(low_NHWC) - 1, min(count, len(low_NHWC))).astype(int)
    rgb_NHWC = np.asarray(low_NHWC[chosen])
    if student.config.color == "rgb":
        return rgb_NHWC.transpose(0, 3, 1, 2)
    return np.rint(luma(rgb_NHWC)).astype(np.uint8)[:, None]


def _with_metrics(card: Card, folder: Path, params: Params) -> Card:
    metrics = _metrics(card, folder, params)
    if card.int8 is None:
        return dataclasses.replace(card, metrics={"val": metrics})
    loss = round(metrics["student_onnx"]["psnr_y"] - metrics["student_int8"]["psnr_y"], 4)
    _log.info("int8 costs %.3f dB on the validation photos", loss)
    if loss > params.export.int8_loss_db:
        _log.warning(
            "int8 costs more than export.int8_loss_db %g: raise export.calibration, or do without "
            "it (export.int8: false)",
            params.export.int8_loss_db,
        )
    int8 = dataclasses.replace(card.int8, loss_db=loss)
    return dataclasses.replace(card, int8=int8, metrics={"val": metrics})


def _metrics(card: Card, folder: Path, params: Params) -> dict[str, dict[str, float]]:
    """Means over the validation photos; the test photos are for `evaluate` alone."""
    methods: dict[str, Method] = {
        "input": lambda low: low,
        "student_onnx": Sharpener(folder, engine="onnxruntime", precision="fp32").array,
    }
    if card.int8:
        int8 = Sharpener(folder, engine="onnxruntime", precision="int8")
        methods["student_int8"] = int8.array
    photos = [photo for photo in list_photos() if photo.split == "val"]
    photos = sampled(photos, params.evaluate)
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
        file=_FILE,
        sha256=sha256_file(path),
        degradation=params.degradation.name,
        scale=params.degradation.scale,
        color=student.config.color,
        matrix="bt601-full" if luma else None,
        input=Tensor(INPUT, student.planes),
        output=Tensor(OUTPUT, student.planes),
        receptive_radius=student.receptive_radius,
        grid=student.config.unshuffle_factor,
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        lineage=_lineage(),
        metrics={},
    )


def _lineage() -> dict[str, object]:
    """What the model was made from, by content: true on any machine, whatever git says there."""
    return {
        "data_hash": data_hash(),
        "environment": read_environment("student"),
        "student": {"sha256": sha256_file(STUDENT), **read_about(STUDENT)},
        "teacher": _teacher(),
    }


def _teacher() -> dict[str, object] | None:
    """The teacher that the student learned from; None where it was none."""
    if role_of(TEACHER) != "teacher":
        return None
    return {"sha256": sha256_file(TEACHER), **read_about(TEACHER)}


if __name__ == "__main__":
    run_stage(main)
