"""What is gained on seen and on held-out photos: a picture, and a section of the page."""

import base64
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.data.datasets import how_many
from pipeline.evaluation.held_out import (
    GAP,
    HELD_OUT,
    SEEN,
    Measured,
    Metrics,
    gain,
    headline,
    measured,
)
from pipeline.evaluation.report.html import signed, table, text
from pipeline.evaluation.results import ROWS
from pipeline.paths import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "gap_text", "section"]

# The colours of reports/report.html.
_PAPER, _INK, _FAINT, _LINE = "#fafafa", "#18181b", "#5f5f69", "#e4e4e7"
_COLORS = {"student": "#0d9488", "teacher": "#a78bfa", "unsharp": "#b4b4bb"}
_WIDE, _DPI = 11.0, 120
_BAR = 0.26
_LONGEST = 24


def draw(results: Metrics, scores: pd.DataFrame, degradation: str) -> bytes:
    """A PNG: what student, teacher and unsharp mask gain on each set, in Y-PSNR and SSIM.

    `scores` is the table of `scoring.score`, for the student's single photos, which are
    dots. The dashed line is its gain on the seen ones.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets = measured(results, scores)
    high = 1.9 + 0.62 * len(sets)
    figure = Figure(figsize=(_WIDE, high), dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    place = {"top": 1 - 1.02 / high, "bottom": 0.5 / high, "left": 0.16, "right": 0.97}
    left, right = figure.subplots(1, 2, gridspec_kw={**place, "wspace": 0.08})
    style: dict[str, Any] = {"va": "top", "parse_math": False}
    figure.text(0.025, 1 - 0.16 / high, _title(results), size=15, color=_INK, **style)
    about = f"gain over the degraded input, {degradation}; dots: single photos; dashed: seen"
    figure.text(0.025, 1 - 0.52 / high, about, size=9, color=_FAINT, **style)
    for axes, metric, title in ((left, "psnr_y", "Y-PSNR, dB"), (right, "ssim_y", "SSIM on Y")):
        _bars(axes, results, sets, metric)
        _dots(axes, scores, sets, metric)
        _plain(axes, title)
        axes.set_ylim(len(sets) - 0.45, -0.55)
        axes.set_yticks(range(len(sets)), [_name(s) for s in sets] if axes is left else [])
    left.legend(
        loc="lower right", bbox_to_anchor=(0.985, 1 - 0.75 / high), ncols=len(_COLORS),
        bbox_transform=figure.transFigure, frameon=False, fontsize=9, labelcolor=_INK,
    )  # fmt: skip
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def section(results: Metrics, scores: pd.DataFrame, picture: bytes) -> str:
    """The section of the page: the gains as a table, and the picture."""
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    methods = [method for method in ROWS if method != "input" and method in results[HELD_OUT]]
    heads = ["", "photos", "input, dB", *(text(ROWS[method]) for method in methods), "gap"]
    cells = [
        [
            text(found.title),
            how_many(found.title, found.photos),
            f"{results[found.split]['input']['psnr_y']:.2f}",
            *(signed(gain(results, found.split, method)) for method in methods),
            gap_text(results, found.split),
        ]
        for found in measured(results, scores)
    ]
    return f"""<section>
<h2>Seen and held-out photos</h2>
<p>{text(headline(results))}. Seen is the test split. The gap is the share of the student's gain in
Y-PSNR that is lost.</p>
{table(heads, cells)}
<p><img class="wide" src="{uri}" alt="gains on seen and held-out photos" /></p>
</section>"""


def gap_text(results: Metrics, split: str) -> str:
    """The student's gap, in percent; empty if it has none."""
    gap = results[split]["student"].get(GAP)
    return "" if gap is None else f"{gap:.1f} %"


def _title(results: Metrics) -> str:
    gap = results[HELD_OUT]["student"].get(GAP)
    if gap is None:
        return "The student gains nothing on seen photos"
    kept = f"keeps {100 - gap:.0f} % of its gain" if gap > 0 else "gains no less than on seen ones"
    return f"On held-out photos the student {kept}"


def _bars(axes: "Axes", results: Metrics, sets: Sequence[Measured], metric: str) -> None:
    for number, (method, color) in enumerate(_COLORS.items()):
        y = [place + (number - 1) * _BAR for place in range(len(sets))]
        gains = [gain(results, found.split, method, metric) for found in sets]
        axes.barh(y, gains, height=_BAR * 0.88, color=color, label=ROWS[method])
    seen = gain(results, SEEN, "student", metric)
    axes.axvline(seen, color=_COLORS["student"], linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(0, color=_FAINT, linewidth=0.8)


def _dots(axes: "Axes", scores: pd.DataFrame, sets: Sequence[Measured], metric: str) -> None:
    for place, found in enumerate(sets):
        rows = scores[scores["split"] == found.split]
        wide = rows.pivot(index="name", columns="method", values=metric)
        if not wide.empty:
            gains = wide["student"] - wide["input"]
            y = [place - _BAR] * len(gains)
            axes.scatter(gains, y, s=9, color=_INK, alpha=0.3, linewidths=0, zorder=3)


def _plain(axes: "Axes", title: str) -> None:
    axes.set_facecolor(_PAPER)
    axes.set_title(title, loc="left", size=10, color=_INK)
    axes.tick_params(colors=_FAINT, labelsize=8.5, length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(_LINE)
    axes.xaxis.grid(visible=True, color=_LINE, linewidth=0.7)
    axes.set_axisbelow(True)


def _name(found: Measured) -> str:
    shown = printable(found.title)
    short = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
    return f"{short} ({how_many(found.title, found.photos)})"
