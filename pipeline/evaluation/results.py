"""reports/metrics.json as a table, for the terminal and for pages."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kdsharp.errors import UserError
from pipeline.paths import EXPORT, METRICS, REPORTS

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "COLUMNS",
    "ROWS",
    "Results",
    "next_steps",
    "print_results",
    "read_results",
    "result_rows",
    "result_table",
]

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Split -> model -> metric."""

ROWS = {
    "input": "input",
    "unsharp": "unsharp mask",
    "teacher": "teacher",
    "student": "student",
    "student_onnx": "student, ONNX",
    "student_int8": "student, int8",
}
"""What is measured, in this order; a row without numbers is left out."""

COLUMNS = {
    "psnr_y": "PSNR Y",
    "ssim_y": "SSIM Y",
    "psnr_rgb": "PSNR RGB",
    "ssim_rgb": "SSIM RGB",
}
"""PSNR is in dB."""


def read_results(path: Path = METRICS) -> Results:
    """The numbers of the last evaluation; `UserError` if there are none."""
    try:
        results: Results = json.loads(path.read_text(encoding="utf-8"))
        for split in ("val", "test"):
            for model in results[split].values():
                {name: float(model[name]) for name in COLUMNS}
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make run (or dvc repro) writes it") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(f"{path} is not a table of results: {error}") from None
    return results


def result_rows(results: Results, split: str) -> list[dict[str, str]]:
    """One row a model: its numbers, each with its gain over the input."""
    models = results[split]
    return [
        {"model": title, **{COLUMNS[key]: _cell(models, name, key) for key in COLUMNS}}
        for name, title in ROWS.items()
        if name in models
    ]


def result_table(results: Results, split: str, title: str) -> "Table":
    """The rows of `split` for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for heading in ("model", *COLUMNS.values()):
        table.add_column(heading, no_wrap=True)
    for row in result_rows(results, split):
        table.add_row(*row.values())
    return table


def print_results() -> None:
    """Print the tables of validation and test, and where to look next."""
    from rich.console import Console

    from pipeline.evaluation.held_out import HELD_OUT, headline

    results = read_results()
    console = Console(highlight=False)
    for split, title in (("val", "Validation"), ("test", "Test")):
        console.print(result_table(results, split, f"{title} (PSNR in dB, gains over the input)"))
    if HELD_OUT in results:
        console.print(f"{headline(results)}.\n", markup=False, soft_wrap=True)
    console.print(next_steps())


def next_steps() -> str:
    """Where to look, and how to use the student: lines that work as they stand."""
    return (
        f"{_activate()}"
        f"Pictures and curves  {REPORTS / 'report.html'}\n"
        "Runs in a browser    make ui\n"
        f"Sharpen a photo      kdsharp sharpen PHOTO -o out.png --model {EXPORT}\n"
        "Into production      python -m pipeline register && python -m pipeline promote"
    )


def _activate() -> str:
    """`make` finds the commands by itself; a terminal whose environment is not active does not."""
    active = os.environ.get("VIRTUAL_ENV")
    if active and Path(active).resolve() == Path(sys.prefix).resolve():
        return ""
    try:
        environment = Path(sys.prefix).relative_to(Path.cwd())
    except ValueError:
        environment = Path(sys.prefix)
    return f"Once per terminal    . {environment}/bin/activate\n"


def _cell(models: Mapping[str, Mapping[str, float]], name: str, key: str) -> str:
    digits = 2 if key.startswith("psnr") else 4
    value = f"{models[name][key]:.{digits}f}"
    if name == "input" or "input" not in models:
        return value
    return f"{value} {models[name][key] - models['input'][key]:+.{digits}f}"
