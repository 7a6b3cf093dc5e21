"""reports/report.html: one page that holds everything it shows and asks for nothing else."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kdsharp.train.student.network import Student
from kdsharp.train.teacher.interface import AnyTeacher
from pipeline.data.pick import sample_name
from pipeline.evaluation.report.charts import curves, gains
from pipeline.evaluation.report.facts import (
    ORIGINAL,
    about,
    headline,
    notes,
    on_original,
    source_words,
)
from pipeline.evaluation.report.html import jpeg, paragraphs, png, signed, table, text
from pipeline.evaluation.report.panels import Shown, mark, shrink
from pipeline.evaluation.results import COLUMNS, ROWS
from pipeline.evaluation.scoring import Results
from pipeline.params import Params

__all__ = ["MOST_CARDS", "Evaluation", "card", "page"]

MOST_CARDS = 12
"""More photos than these would make the page heavy; all of them have a panel."""

_FOLDER = Path(__file__).parent
_SPLITS = {"test": "Test", "val": "Validation"}

_WHOLE = 720


@dataclass(frozen=True)
class Evaluation:
    """Everything that the page reports; `curves` has the histories of teacher and student."""

    params: Params
    manifest: pd.DataFrame
    teacher: AnyTeacher | None
    student: Student
    table: pd.DataFrame
    results: Results
    curves: Mapping[str, pd.DataFrame]


def page(evaluation: Evaluation, cards: Sequence[str], held_out: str = "") -> str:
    """The page as HTML; `cards` are figures of `pipeline.evaluation.report.page`.

    `held_out` is the section of `pipeline.evaluation.report.held_out`, or empty.

    The same evaluation gives the same bytes.
    """
    template = string.Template((_FOLDER / "page.html").read_text(encoding="utf-8"))
    found, results = evaluation, evaluation.results
    terms = about(found.params, found.manifest, found.teacher, found.student)
    return template.substitute(
        style=(_FOLDER / "style.css").read_text(encoding="utf-8"),
        source=text(source_words(found.manifest)),
        headline=text(headline(results)),
        tiles=_tiles(found),
        results="\n".join(_results(found, split) for split in _SPLITS),
        held_out=held_out,
        notes=paragraphs(notes(found.table, found.manifest), "li"),
        pictures=_pictures(cards),
        legend=_legend(found),
        gains="\n".join(_gains(found, split) for split in _SPLITS),
        curves=_curves(found.curves),
        about="\n".join(f"<dt>{text(term)}</dt><dd>{text(said)}</dd>" for term, said in terms),
        original=_original(results),
        on_original=text(on_original(results)),
    )


def _tiles(found: Evaluation) -> str:
    """The numbers that matter most."""
    test = found.results["test"]
    gain = {name: row["psnr_y"] - test["input"]["psnr_y"] for name, row in test.items()}
    tiles = [
        (f"{signed(gain['student'])} dB", "student over the input"),
        (f"{signed(gain['student'] - gain['unsharp'])} dB", "student over an unsharp mask"),
    ]
    if found.teacher:
        times = found.teacher.macs_per_pixel / found.student.macs_per_pixel
        tiles.append((f"{signed(gain['teacher'])} dB", "teacher over the input"))
        tiles.append((f"{times:,.0f}×", "fewer multiply-accumulates than the teacher"))
    return "\n".join(f"<div><b>{number}</b><span>{label}</span></div>" for number, label in tiles)


def _results(found: Evaluation, split: str) -> str:
    rows = found.results[split]
    scored = found.table[found.table["split"] == split]["name"].unique()
    count, total = len(scored), int((found.manifest["split"] == split).sum())
    cells = [
        [text(title), *(_cell(rows, name, key) for key in COLUMNS)]
        for name, title in ROWS.items()
        if name in rows
    ]
    photos = "1 photo" if count == 1 else f"{count} photos"
    if count < total:
        photos = f"{count} of {total:,} photos, sample {sample_name(scored)}"
    head = [f"{_SPLITS[split]} <span>{photos}</span>", *(text(name) for name in COLUMNS.values())]
    return table(head, cells, "results")


def _cell(rows: Mapping[str, Mapping[str, float]], name: str, key: str) -> str:
    digits = 2 if key.startswith("psnr") else 4
    value = f"{rows[name][key]:.{digits}f}"
    if name == "input":
        return f"{value} <span></span>"
    return f"{value} {signed(rows[name][key] - rows['input'][key], digits)}"


def _pictures(cards: Sequence[str]) -> str:
    shown = "\n".join(cards[:MOST_CARDS])
    if len(cards) > MOST_CARDS:
        shown += f"\n<p>{len(cards) - MOST_CARDS} more are in reports/comparison.</p>"
    return shown or "<p>None: evaluate.panels is 0.</p>"


def _legend(found: Evaluation) -> str:
    shown = ["student"] + ["teacher"] * (found.teacher is not None)
    return " ".join(f'<i class="{name}"></i> {name}' for name in shown)


def _gains(found: Evaluation, split: str) -> str:
    return f"<h3>{_SPLITS[split]}</h3>\n{gains(found.table, split)}"


def _curves(histories: Mapping[str, pd.DataFrame]) -> str:
    return "\n".join(
        (
            curves(histories, "val_psnr_y", "Y-PSNR on the validation patches (dB)", log=False),
            curves(histories, "loss", "Training loss, each on its own target", log=True),
        )
    )


def _original(results: Results) -> str:
    """The published row beside ours."""
    heads = ["", "Validation PSNR", "Validation SSIM", "Test PSNR", "Test SSIM"]
    published = [
        cell
        for split in ("val", "test")
        for cell in (f"{ORIGINAL[split]['psnr']:.2f}", f"{ORIGINAL[split]['ssim']:.4f}")
    ]
    rows = [["original project, its own protocol", *published]]
    for name in ("input", "student"):
        ours = [
            cell
            for split in ("val", "test")
            for cell in (
                f"{results[split][name]['psnr_y']:.2f}",
                f"{results[split][name]['ssim_y']:.4f}",
            )
        ]
        rows.append([f"{ROWS[name]}, here, on Y", *ours])
    return table(heads, rows)


def card(shown: Shown) -> str:
    """A figure: the student's whole picture with the detail marked, and the detail of all."""
    name = text(shown.photo.name)
    width, height = shown.pictures["truth"].size
    whole = mark(shrink(shown.pictures["student"], _WHOLE), (width, height), shown.box)
    remark = f' <b class="remark">{text(shown.remark)}</b>' if shown.remark else ""
    about = f"{text(shown.photo.split)}, {width}x{height}"
    details = "\n".join(_detail(shown, key, title) for key, title in shown.titles.items())
    return f"""<figure class="card">
<figcaption><b>{name}</b> <span>{about}</span>{remark}</figcaption>
<div class="pictures">
<div class="whole"><img src="{jpeg(whole)}" alt="{name}, sharpened by the student" /></div>
<div class="details">
{details}
</div></div></figure>"""


def _detail(shown: Shown, key: str, title: str) -> str:
    left, top, width, height = shown.box
    cut = shown.pictures[key].crop((left, top, left + width, top + height))
    alt = f"detail of {shown.photo.name}, {title}"
    scores = shown.scores.get(key)
    numbers = "PSNR / SSIM on Y"
    if scores:
        numbers = f"{scores['psnr_y']:.2f} / {scores['ssim_y']:.4f}"
        if key != "input":
            numbers += f" {signed(scores['gain_y'])}"
    return (
        f'<div class="detail"><img src="{png(cut)}" alt="{text(alt)}" />'
        f"<p><b>{text(title)}</b> <span>{numbers}</span></p></div>"
    )
