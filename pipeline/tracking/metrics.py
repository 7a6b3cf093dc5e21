"""Names of metrics in MLflow: what is before the last slash is the section of its charts."""

from collections.abc import Mapping

__all__ = ["HEADLINE", "headline", "of_epoch", "sectioned"]

_PACE = ("lr", "patches_per_second")

HEADLINE = (
    "student_gain_db",
    "student_psnr_y",
    "teacher_gain_db",
    "int8_loss_db",
    "held_out_gap_percent",
)
"""The few numbers that a run is known by, as columns; the first three are of the test photos."""


def of_epoch(name: str) -> str:
    """What is recorded every epoch, `val_psnr_y`, as MLflow has it: `curve/val_psnr_y`."""
    return f"{'pace' if name in _PACE else 'curve'}/{name}"


def sectioned(name: str) -> str:
    """`test.student.psnr_y` as MLflow has it: `test/psnr_y/student`."""
    split, method, metric = name.rsplit(".", 2)
    return f"{split}/{metric}/{method}"


def headline(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """The `HEADLINE` of these results, by split, method and metric, as far as they have it."""
    test, held_out = results["test"], results.get("held_out", {})
    psnr = {method: metrics["psnr_y"] for method, metrics in test.items()}
    found = {
        "student_gain_db": psnr["student"] - psnr["input"],
        "student_psnr_y": psnr["student"],
    }
    if "gap_percent" in held_out.get("student", {}):
        found["held_out_gap_percent"] = held_out["student"]["gap_percent"]
    if "teacher" in psnr:
        found["teacher_gain_db"] = psnr["teacher"] - psnr["input"]
    if "student_int8" in psnr:
        found["int8_loss_db"] = psnr["student_onnx"] - psnr["student_int8"]
    return {name: round(found[name], 4) for name in HEADLINE if name in found}
