"""The monitor's page: a verdict, its evidence as plots and tables, and pictures of the worst."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdsharp.errors import KdsharpError
from kdsharp.imageio.decode import read_rgb
from kdsharp.observe.expect import Expects
from kdsharp.observe.statistics import FEATURES
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.evaluation.report.html import jpeg, paragraphs, signed, table, text
from pipeline.monitoring.charts import histograms, weeks
from pipeline.monitoring.sources import Seen
from pipeline.monitoring.two_samples import Change, Difference
from pipeline.monitoring.verdict import Verdict, columns, gains

__all__ = ["page", "rows"]

_STYLE = Path(__file__).parents[1] / "evaluation" / "report" / "style.css"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_MORE = """
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: .9rem; }
.plots svg { width: 100%; background: var(--card); border: 1px solid var(--line); }
.plots svg { border-radius: .7rem; }
.word-falling, .word-drifted { color: var(--loss); } .word-fine { color: var(--gain); }
.drift th:last-child, .drift td:last-child { text-align: left; white-space: normal; }
.worst { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.worst img { width: 100%; border-radius: .3rem; }
"""
_WORST, _SHOWN, _PLOTS = 6, 480, 9


def page(
    verdict: Verdict, now: Seen, before: Seen, expects: Expects | None, sharpener: Sharpener
) -> str:
    """One HTML page that asks for nothing else."""
    found, word = verdict.evidence, verdict.verdict
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta http-equiv="Content-Security-Policy" content="{_POLICY}" />
<title>kdsharp: production is {word}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}
{_MORE}
</style>
</head>
<body>
<header>
<p class="kicker">kdsharp, what production shows: {text(_period(now))}</p>
<h1>Production: <span class="word-{word}">{word}</span></h1>
<div class="tiles">
{_tiles(verdict)}
</div>
</header>
<main>
<section>
<h2>Why</h2>
<ul>
{paragraphs(verdict.reasons, "li")}
</ul>
</section>
<section>
<h2>Gain</h2>
{table(["", "before (dB)", "now (dB)", "change", "99 % interval"], rows(verdict))}
{_gain_plots(now, before)}
<p class="legend">{text(_trust(expects))}</p>
</section>
<section>
<h2>Drift against {text(found.against)}</h2>
{_drift(found.drift) or "<p>There is nothing to compare with.</p>"}
{_plots(found.drift or found.training, now, before, expects)}
</section>
<section>
<h2>Beside the pictures that the gain was fitted on</h2>
{_drift(found.training) or "<p>Too few pictures, or no fit.</p>"}
</section>
{_lost(verdict)}
{_models(now, before)}
{_pictures(now, sharpener)}
</main>
</body>
</html>
"""


def rows(verdict: Verdict) -> list[list[str]]:
    """A row for each way to know the gain, the most trusted first, as cells of HTML."""
    found = verdict.evidence
    made = [
        _change("expected, from statistics", found.gain, found.mean_gain),
        _change(
            f"measured on pseudo-truth ({len(found.pseudo_now)} pictures)",
            found.pseudo,
            sum(found.pseudo_now) / len(found.pseudo_now) if found.pseudo_now else None,
        ),
    ]
    if found.disagreement is not None:
        made.append(["PSNR between teacher and student", "", f"{found.disagreement:.2f}", "", ""])
    return made


def _change(name: str, change: Change | None, now: float | None) -> list[str]:
    if change is None:
        return [text(name), "", f"{now:.2f}" if now is not None else "unknown", "", ""]
    interval = f"{change.low:+.2f} to {change.high:+.2f}".replace("-", "−")
    return [text(name), f"{change.before:.2f}", f"{change.now:.2f}", signed(change.by), interval]


def _tiles(verdict: Verdict) -> str:
    found, about = verdict.evidence, verdict.about
    gain = "unknown" if found.mean_gain is None else f"{found.mean_gain:+.2f} dB"
    released = about.get("gain_at_release")
    tiles = [
        (gain, "expected gain a picture"),
        ("unknown" if released is None else f"{released:+.2f} dB", "when it was fitted"),
        (f"{found.count:,}", f"pictures, and {found.before:,} before"),
        (f"{found.outside:.0%}" if found.outside is not None else "unknown", "beyond the fit"),
    ]
    return "\n".join(f"<div><b>{text(b)}</b><span>{text(s)}</span></div>" for b, s in tiles)


def _period(seen: Seen) -> str:
    times = [one.time for one in seen.observations]
    if not times:
        return str(seen.folder)
    days = [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d") for t in (min(times), max(times))]
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _trust(expects: Expects | None) -> str:
    if expects is None:
        return "Nothing predicts the gain: python -m pipeline monitor --fit"
    other, new = expects.about.get("other_photos"), expects.about.get("other_recipes")
    said = "The interval of each picture is one of 90 %."
    if other:
        said += f" On photos that were not fitted on it held {other['held']:.0%} of the gains"
        said += f", and {new['held']:.0%} after degradations that were not either." if new else "."
    return said


def _gain_plots(now: Seen, before: Seen) -> str:
    series = {"before": gains(before.observations), "now": gains(now.observations)}
    drawn = [histograms("expected gain (dB)", series)] if series["now"] else []
    seen = [*before.observations, *now.observations]
    points = [(one.time, one.expected.gain) for one in seen if one.expected]
    drawn.append(weeks(points))
    return f'<div class="plots">{"".join(drawn)}</div>'


def _plots(drift: Sequence[Difference], now: Seen, before: Seen, expects: Expects | None) -> str:
    ours, theirs = columns(now.observations), columns(before.observations)
    reference = expects.reference if expects and not before.observations else theirs
    drawn = [
        histograms(
            one.feature, {"before": list(reference[one.feature]), "now": list(ours[one.feature])}
        )
        for one in drift[:_PLOTS]
    ]
    return f'<div class="plots">{"".join(drawn)}</div>'


def _drift(found: Sequence[Difference]) -> str:
    if not found:
        return ""
    heads = ["feature", "before", "now", "shift", "distance D", "p (Holm)", "what it is"]
    cells = [
        [
            text(one.feature),
            f"{one.before:.3g}",
            f"{one.now:.3g}",
            f"{one.shift:+.2f}".replace("-", "−"),
            f"{one.distance:.2f}",
            "below 0.0001" if one.p < 1e-4 else f"{one.p:.4f}",
            text(FEATURES.get(one.feature, "")),
        ]
        for one in found
    ]
    return table(heads, cells, "drift")


def _lost(verdict: Verdict) -> str:
    """What the pictures have lost as routing says, and what a retraining would see of it."""
    about = verdict.about
    if not about.get("lost"):
        return ""
    learns: dict[str, Any] = about.get("learns", {}) if verdict.alarms else {}
    own = learns.get("recipes", {}).get(learns.get("name"), {})
    shares: dict[str, float] = own or learns.get("mixed_in", {})
    heads = ["recipe", "before", "now", "of a retraining's patches"]
    cells = [
        [text(name), f"{before:.0%}", f"{now:.0%}", f"{shares[name]:.0%}" if name in shares else ""]
        for name, (before, now) in about["lost"].items()
    ]
    said = "Shares of the pictures, as routing tells what was done to them"
    if own:
        said += "; a retraining makes a model of its own for what has risen"
    elif shares:
        said += f"; a retraining's other patches are {about['degradation']}"
    return (
        f"<section>\n<h2>What the pictures have lost</h2>\n{table(heads, cells)}\n"
        f'<p class="legend">{text(said)}.</p>\n</section>'
    )


def _models(now: Seen, before: Seen) -> str:
    """Which models the pictures got, the most frequent first."""
    counts = [Counter(one.model for one in seen.observations) for seen in (before, now)]
    every = sorted({*counts[0], *counts[1]}, key=lambda name: (-counts[1][name], name or ""))
    cells = [
        [text(name or "none: left as it is"), *(_share(c[name], c.total()) for c in counts)]
        for name in every
    ]
    found = table(["model", "before", "now"], cells)
    return f"<section>\n<h2>Which models they got</h2>\n{found}\n</section>"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _pictures(now: Seen, sharpener: Sharpener) -> str:
    """Those that are expected to gain least, before and after; empty where none was kept."""
    kept = [one for one in now.observations if one.picture and one.model]
    kept.sort(key=lambda one: one.expected.gain if one.expected else 0.0)
    figures = []
    for one in kept[:_WORST]:
        assert one.picture is not None
        try:
            before = read_rgb(now.folder / one.picture)
        except KdsharpError:
            continue
        left, top = (max(side - _SHOWN, 0) // 2 for side in before.size)
        part = before.crop((left, top, left + _SHOWN, top + _SHOWN)) if left or top else before
        part = part.crop((0, 0, min(part.width, _SHOWN), min(part.height, _SHOWN)))
        pair = "".join(f'<img src="{jpeg(p)}" alt="" />' for p in (part, sharpener.image(part)))
        said = f"{one.expected.gain:+.2f} dB expected" if one.expected else "gain unknown"
        figures.append(
            f'<figure class="card"><figcaption>{text(one.model)}, {text(said)}</figcaption>'
            f'<div class="worst">{pair}</div></figure>'
        )
    if not figures:
        return ""
    return f"<section>\n<h2>The worst, before and after</h2>\n{''.join(figures)}\n</section>"
