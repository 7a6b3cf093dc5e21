"""What the report says in words: what was trained on what, and what the numbers mean."""

from pathlib import Path

import pandas as pd

from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.loop.weights import read_about
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.interface import AnyTeacher
from pipeline.evaluation.scoring import Results
from pipeline.params import EvaluateParams, Params
from pipeline.paths import STUDENT, TEACHER

__all__ = ["ORIGINAL", "about", "headline", "notes", "on_original", "source_words"]

ORIGINAL = {
    "val": {"psnr": 22.86, "ssim": 0.9154},
    "test": {"psnr": 23.14, "ssim": 0.8962},
}
"""What the original project published, measured by its own protocol."""

_SOURCES = {
    "sample": "the sample photos inside scikit-image",
    "folder": "a folder of photos",
    "div2k": "DIV2K",
}
_FRAME = 1280 * 720
_FEW = 20
_READING = (
    """Input is the degraded photo with nothing done to it. How far above it a method ends is the
    method's gain; one that ends below it does harm.""",
    """PSNR is in dB and SSIM at most 1; higher is better for both. Y is luma as in the literature,
    without the pixels at the border; RGB is the whole frame. Every output is rounded to 8 bit
    first, and the numbers are means over whole photos.""",
    """The row “student, ONNX” is the exported file that ships, run by ONNX Runtime.""",
    """Smooth photos lose little when they are degraded, so there is little to win back; photos full
    of detail gain most.""",
)


def source_words(manifest: pd.DataFrame) -> str:
    """Where the photos come from, by the manifest and not by what params.yaml asks for now."""
    sources = manifest["source"].unique()
    return ", ".join(_SOURCES.get(source, str(source)) for source in sources)


def headline(results: Results) -> str:
    """The outcome on the test photos in one or two sentences."""
    test = results["test"]
    gain = {name: row["psnr_y"] - test["input"]["psnr_y"] for name, row in test.items()}
    if gain["student"] <= 0:
        return (
            f"On the test photos the student is {-gain['student']:.2f} dB (PSNR on Y) below doing "
            "nothing: do not ship it."
        )
    share = gain["student"] / gain["teacher"] if gain.get("teacher", 0) > 0 else 0
    beside = f", {share:.0%} of what its teacher gains" if share > 0 else ""
    versus = gain["student"] - gain["unsharp"]
    return (
        f"On the test photos the student gains {gain['student']:.2f} dB (PSNR on Y) over the "
        f"degraded input{beside}. It is {abs(versus):.2f} dB {'above' if versus > 0 else 'below'} "
        "an unsharp mask."
    )


def about(
    params: Params, manifest: pd.DataFrame, teacher: AnyTeacher | None, student: Student
) -> list[tuple[str, str]]:
    """What was trained on what, as pairs of a term and its description, plain text."""
    counts = manifest["split"].value_counts()
    photos = ", ".join(f"{counts.get(s, 0)} {s}" for s in ("train", "val", "test"))
    patches, degradation = params.patches, params.degradation
    size = f"{patches.size}x{patches.size}"
    return [
        ("Photos", f"{source_words(manifest)}: {photos}"),
        ("Degradation", f"{degradation.name} x{degradation.scale}: down, 8 bit, up again"),
        ("Patches", f"{patches.train:,} to train on and {patches.val:,} to validate on, {size}"),
        ("Teacher", f"{_teacher(teacher)}; {_size(teacher)}" if teacher else "none"),
        ("Student", f"{_student(student)}; {_size(student)}"),
        ("Learns from", _learns_from(student.config)),
        ("Unsharp mask", _unsharp(params.evaluate)),
    ]


def notes(table: pd.DataFrame, manifest: pd.DataFrame) -> list[str]:
    """How to read the numbers, in plain words."""
    test = table[(table["split"] == "test") & (table["method"] == "student")]
    worse, count = int((test["gain_y"] < 0).sum()), len(test)
    photos = "photo" if count == 1 else "photos"
    harmed = f"By PSNR on Y the student makes {worse or 'none'} of the {count} test {photos} worse."
    said = [*(" ".join(note.split()) for note in _READING), harmed]
    if count < _FEW:
        said.append(
            f"{count} test {photos} can show that everything works, but not which of two close "
            "models is better."
        )
    if "sample" in set(manifest["source"]):
        said.append("These are results on sample photos. They stand for no other data set.")
    return said


def on_original(results: Results) -> str:
    """Why the original project's numbers and these cannot be compared."""
    below = all(ORIGINAL[split]["psnr"] < results[split]["input"]["psnr_y"] for split in ORIGINAL)
    reason = "Its protocol is another one: other data, and photos resized to 128x128."
    if below:
        reason += " Its PSNR lies below what doing nothing gets here."
    return f"{reason} So the rows cannot be compared; they stand here for the record."


def _teacher(teacher: AnyTeacher) -> str:
    if teacher.foreign:
        return teacher.about
    return f"{teacher.about}; {_best(TEACHER, teacher.config.loop)}"


def _student(student: Student) -> str:
    kernels = ", ".join(f"{kernel}x{kernel}" for kernel in student.config.sides)
    return (
        f"{student.config.convs} convolutions ({kernels}) with {student.config.channels} channels "
        f"on the half-size grid, {student.config.color}; {_best(STUDENT, student.config.loop)}"
    )


def _unsharp(params: EvaluateParams) -> str:
    return f"radius {params.unsharp_radius:g} px, {params.unsharp_percent} %, threshold 0"


def _best(path: Path, loop: LoopConfig) -> str:
    return f"best epoch {read_about(path).get('best_epoch', 'unknown')} of {loop.epochs}"


def _size(network: AnyTeacher | Student) -> str:
    macs = network.macs_per_pixel
    return (
        f"{network.parameter_count:,} parameters, {macs:,.0f} multiply-accumulates a pixel "
        f"({macs * _FRAME / 1e9:.1f} G for 1280x720)"
    )


def _learns_from(config: StudentConfig) -> str:
    if config.truth_weight == 0:
        return "the teacher's output"
    if config.teacher_weight == 0:
        return "the ground truth, without the teacher"
    return (
        f"the teacher's output (weight {config.teacher_weight:g}) and the ground truth "
        f"({config.truth_weight:g})"
    )
