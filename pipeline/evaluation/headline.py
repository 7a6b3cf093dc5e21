"""metrics.json: the few numbers that commits and experiments are compared by."""

from typing import Any

from kdsharp.runtime.card import Card
from pipeline.evaluation.results import Results

__all__ = ["headline_numbers"]

_METHODS = ("input", "teacher", "student", "student_int8")


def headline_numbers(results: Results, card: Card) -> dict[str, Any]:
    """Y-PSNR in dB and the student's SSIM, its gain, and what it costs; few and rounded.

    Small enough for git, where `dvc metrics diff` and `dvc exp show` find it in any clone. Rounded
    to what anybody would call a difference: the last digits are the machine's.
    """
    test, val = results["test"], results["val"]
    scores = {name: {"psnr_y": _db(test[name])} for name in _METHODS if name in test}
    scores["student"]["ssim_y"] = round(test["student"]["ssim_y"], 4)
    scores["student"]["gain_db"] = round(_db(test["student"]) - _db(test["input"]), 3)
    return {
        "test": scores,
        "val": {"student": {"psnr_y": _db(val["student"])}},
        "model": {"parameters": card.parameters, "macs_per_pixel": card.macs_per_pixel},
    }


def _db(row: Any) -> float:
    return round(float(row["psnr_y"]), 3)
