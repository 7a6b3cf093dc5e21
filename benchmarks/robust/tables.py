"""The page that a run writes: goals, then the rows of each set."""

import numpy as np

from benchmarks.robust.columns import INPUT
from benchmarks.robust.goals import BEST, check_goals
from benchmarks.robust.results import MOST, Found
from benchmarks.robust.rows import SHARP
from kdsharp.tables import markdown

__all__ = ["page", "short"]

_GOALS = """\
Of each goal the worst row counts, and is named, and how far it is from the goal. The others are all
that run in real time and are not ours; the teacher does not."""
_BEST = """\
`{best}` takes in each row the column that is best there: what an automatic choice could reach at
most."""
_READING = """\
- **Rows.** Recipes of `kdsharp degrade`; [robustness.md](robustness.md) says what each does.
  `cropped-YX` is `pil-bicubic` without its first Y rows and X columns, `cropped-jpeg90` and
  `cropped-jpeg60` without the first of both: the grid of the enlarging begins elsewhere.
- **PSNR** in dB and **SSIM** on Y (BT.601, 16 to 235), **GMSD** on full-range Y, {scale} pixels at
  each border left out, means over the photos, output rounded to 8 bit. GMSD (gradient magnitude
  similarity deviation, Xue et al. 2014) is a perceptual distance: 0 is the same, less is better.
- **Sharp.** Nothing is done, and the output is measured against the photo itself. An unchanged
  photo has no finite PSNR, so instead of a mean it is the PSNR that {most:.0%} of the photos reach.
- **Bold** is the best of those that run in real time.
- **Empty** is what a column is not made for: FSRCNN and ESPCN take the small picture and enlarge
  it, so they have nothing to do where nothing was shrunk.
- **Made worse.** Photos that lose 0.05 dB or more against the input, and the gain of the one that
  gains least.
"""
_CITED = """\
- **M**: its own weights, measured under this protocol on these photos on another occasion.
"""


def page(found: Found, image: str | None) -> str:
    """The whole page; `image` is the plot's path as seen from it."""
    parts = ["# The robustness table", "\n".join(f"- {line}" for line in found.about)]
    if image:
        parts.append(f"![Gain over the input in each row]({image})")
    goals = _GOALS + ("\n" + _BEST.format(best=BEST) if len(found.own) > 1 else "")
    parts += ["## Goals", goals, _goals(found)]
    for title in found.sets:
        count = len(found.scores[title])
        parts += [f"## {title}: PSNR", f"{count} photos.", _psnr(found, title)]
        parts += [f"## {title}: SSIM / GMSD", _others(found, title)]
        parts += [f"## {title}: photos made worse", _worse(found, title)]
    reading = _READING.format(scale=found.scale, most=MOST) + (_CITED if found.cited else "")
    parts += ["## How to read it", reading.rstrip()]
    if found.notes:
        parts += ["## Left out", "\n".join(f"- {note}" for note in found.notes)]
    return "\n\n".join(parts) + "\n"


def short(found: Found, name: str) -> str:
    """A column's heading."""
    return name.removesuffix(" (OpenCV's file)") + (" (M)" if name in found.cited else "")


def _goals(found: Found) -> str:
    answers = {True: "yes", False: "**no**", None: "not known"}
    verdicts = check_goals(found)
    columns = list(dict.fromkeys(verdict.column for verdict in verdicts))
    rows = []
    for goal in dict.fromkeys(verdict.goal for verdict in verdicts):
        said = [verdict for verdict in verdicts if verdict.goal == goal]
        by = [f", by {v.by}" if v.by else "" for v in said]
        cells = [f"{answers[v.reached]}{b}: {v.found}" for v, b in zip(said, by, strict=True)]
        rows.append([goal, *cells])
    return markdown(["", *columns], rows)


def _psnr(found: Found, title: str) -> str:
    cited = [name for name, cells in found.cited.items() if any(s == title for s, _ in cells)]
    names = [*found.groups, *cited]
    rows = []
    for row in found.rows:
        values = {name: found.psnr(title, row, name) for name in names}
        quick = [v for name, v in values.items() if v and found.groups.get(name) != "teacher"]
        best = None if row == SHARP else f"{max(quick):.2f}"
        cells = ["" if value is None else f"{value:.2f}" for value in values.values()]
        if row == SHARP:
            cells = [
                "the same" if value == 100 else cell
                for value, cell in zip(values.values(), cells, strict=True)
            ]
        rows.append([row, *[f"**{cell}**" if cell == best else cell for cell in cells]])
    return markdown(["", *[short(found, name) for name in names]], rows)


def _others(found: Found, title: str) -> str:
    rows = []
    for row in found.rows:
        pairs = [
            [found.mean(title, row, name, measure) for measure in ("ssim", "gmsd")]
            for name in found.groups
        ]
        cells = ["" if None in pair else f"{pair[0]:.4f} / {pair[1]:.4f}" for pair in pairs]
        rows.append([row, *cells])
    return markdown(["", *[short(found, name) for name in found.groups]], rows)


def _worse(found: Found, title: str) -> str:
    names = [name for name in found.groups if name != INPUT]
    rows = []
    for row in found.rows:
        if row != SHARP:
            gains = [found.gains(title, row, name) for name in names]
            cells = [
                "" if g is None else f"{np.mean(g <= -0.05):.0%} ({g.min():+.2f})" for g in gains
            ]
            rows.append([row, *cells])
    return markdown(["", *[short(found, name) for name in names]], rows)
