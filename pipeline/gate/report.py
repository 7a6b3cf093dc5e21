"""A decision as people read it, in MLflow's and Prefect's pages alike: Markdown and a picture."""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.gate.decision import Decision
from pipeline.gate.picture import picture
from pipeline.gate.quality import OTHER
from pipeline.names import printable

__all__ = ["headline", "markdown", "picture"]

_VERDICT = {True: "Passed", False: "Refused"}
# Words: not every font has check marks.
_MARK = {True: "yes", False: "**no**"}
_MODELS = ("candidate", "incumbent", "input")
# Rows of the table: title, where the number is, how it is written.
_ROWS: tuple[tuple[str, Sequence[str], Callable[[float], str]], ...] = (
    ("Y-PSNR (dB)", ("psnr_y", "{model}"), "{:.3f}".format),
    ("SSIM on Y", ("ssim_y", "{model}"), "{:.5f}".format),
    ("time (ms)", ("{model}", "latency_ms"), "{:.1f}".format),
    ("size (bytes)", ("{model}", "size_bytes"), "{:,.0f}".format),
    ("parameters", ("{model}", "parameters"), "{:,.0f}".format),
    ("multiply-accumulates a pixel", ("{model}", "macs_per_pixel"), "{:,.0f}".format),
)


def headline(decision: Decision) -> str:
    """One line: passed or refused, and why."""
    return f"{_VERDICT[decision.passed]}: {printable(decision.reason)}"


def markdown(decision: Decision, title: str) -> str:
    """The verdict, the checks and the numbers under the heading `title`."""
    numbers, gate = decision.numbers, decision.numbers["gate"]
    checks = [[check.name, _MARK[check.passed], check.text] for check in decision.checks]
    models = [name for name in _MODELS if name == "input" or name in numbers]
    rows = [
        [row, *(_number(numbers, path, model, form) for model in models)]
        for row, path, form in _ROWS
    ]
    set_of = (
        f"Measured on {gate['crops']} crops (photos: {gate['photos']}), {gate['degradation']} "
        f"x{gate['scale']}, gate set `{decision.gate_sha256[:12]}`. In the means every photo "
        "weighs the same."
    )
    blocks = [
        [f"## {_cell(title)}"],
        [f"**{_VERDICT[decision.passed]}**: {_cell(decision.reason)}"],
        _table(["check", "passed", "found"], checks),
        _table(["", *models], rows),
        _differences(numbers, OTHER[decision.against]),
        [set_of],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _differences(numbers: dict[str, Any], other: str) -> list[str]:
    """The comparison as a table of its own; nothing where there was none."""
    if "worst_decile" not in numbers:
        return []
    rows = [
        [title, *(f"{numbers[key][part]:+.{digits}f}" for part in ("mean", "low", "high"))]
        for title, key, digits in (("Y-PSNR (dB)", "psnr_y", 3), ("SSIM on Y", "ssim_y", 5))
    ]
    worst = numbers["worst_decile"]
    rows.append([f"Y-PSNR on the worst {worst['crops']} crops", f"{worst['mean']:+.3f}", "", ""])
    return _table([f"candidate minus {other}", "mean", "interval from", "to"], rows)


def _number(
    numbers: dict[str, Any], path: Sequence[str], model: str, form: Callable[[float], str]
) -> str:
    found: Any = numbers
    for key in path:
        found = found.get(key.format(model=model)) if isinstance(found, dict) else None
    return "" if found is None else form(found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    """`text` on one line, its pipes and tags made harmless."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
