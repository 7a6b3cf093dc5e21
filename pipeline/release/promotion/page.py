"""The page of a registered model: what is in production, how it came about, what was refused."""

from collections.abc import Sequence
from pathlib import Path

from kdsharp.files import write_text
from pipeline.evaluation.report.html import signed, table, text
from pipeline.paths import REPORTS
from pipeline.release.promotion.decision_record import OUTCOME, gate_verdict
from pipeline.release.promotion.status import Status, read_status
from pipeline.release.registry.history import Entry, known_scores
from pipeline.release.registry.versions import Version

__all__ = ["page", "timeline", "write_page"]

_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BELOW = 70, 30, 40, 48
_MOST, _ROWS = 30, 100

_STYLE = Path(__file__).parents[2] / "evaluation" / "report" / "style.css"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_WRAP = """
td:last-child { white-space: normal; min-width: 14rem; }
th:last-child, td:last-child { text-align: left; }
td, tbody th { vertical-align: top; }
"""


def timeline(entries: Sequence[Entry], scores: dict[int, float]) -> str:
    """A step for each of the last changes: the version in production since, and its Y-PSNR.

    `scores` has the Y-PSNR of versions on the gate set, in dB. A hollow mark: the gate was
    overruled; a triangle: taken back.
    """
    shown = [entry for entry in entries if entry.version in scores][-_MOST:]
    if not shown:
        return "<p>Nothing has been in production yet.</p>"
    heights = [scores[entry.version] for entry in shown if entry.version is not None]
    low, high = min(heights), max(heights)
    room = max((high - low) * 0.15, 0.02)
    low, high = low - room, high + room
    step = (_WIDTH - _LEFT - _RIGHT) / len(shown)

    def at(index: float, psnr: float) -> tuple[float, float]:
        down = (high - psnr) / (high - low)
        return _LEFT + index * step, _TOP + down * (_HEIGHT - _TOP - _BELOW)

    parts = ['<text class="title" x="0" y="16">Y-PSNR on the gate set (dB)</text>']
    for psnr in (low + room, high - room) if high - low > 2.2 * room else (low + room,):
        _, y = at(0, psnr)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" />')
        parts.append(f'<text class="axis end" x="{_LEFT - 8}" y="{y + 5:.1f}">{psnr:.3f}</text>')
    path = []
    for index, (entry, psnr) in enumerate(zip(shown, heights, strict=True)):
        (x, y), (end, _) = at(index, psnr), at(index + 1, psnr)
        path += [f"{x:.1f},{y:.1f}", f"{end:.1f},{y:.1f}"]
        parts.append(_mark(entry, x, y))
        below = _HEIGHT - _BELOW + 20
        parts.append(f'<text class="axis" x="{x:.1f}" y="{below}">{entry.when[5:10]}</text>')
        parts.append(
            f'<text class="student" x="{x + 10:.1f}" y="{y - 10:.1f}">v{entry.version}</text>'
        )
    parts.insert(1, f'<polyline class="line student" points="{" ".join(path)}" />')
    label = text("Y-PSNR of the version in production, change by change")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def _mark(entry: Entry, x: float, y: float) -> str:
    about = f"<title>{text(f'{entry.when} {entry.who}: {entry.why}')}</title>"
    if entry.action == "promote":
        style = ' style="fill: var(--card); stroke: var(--loss); stroke-width: 3"'
        hollow = style if entry.forced else ""
        return (
            f'<circle class="dot student" cx="{x:.1f}" cy="{y:.1f}" r="6"{hollow}>{about}</circle>'
        )
    points = f"{x - 8:.1f},{y - 5:.1f} {x + 8:.1f},{y - 5:.1f} {x:.1f},{y + 9:.1f}"
    return f'<polygon points="{points}" style="fill: var(--loss)">{about}</polygon>'


def write_page(name: str) -> Path:
    """Write reports/promotion/NAME.html and return its path."""
    target = REPORTS / "promotion" / f"{name}.html"
    write_text(target, page(read_status(name, last=_ROWS)))
    return target


def page(status: Status) -> str:
    """One HTML page that asks for nothing else."""
    scores = known_scores(status.entries)
    now = "nothing" if status.production is None else f"version {status.production}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta http-equiv="Content-Security-Policy" content="{_POLICY}" />
<title>{text(status.name)}: promotions</title>
<style>
{_STYLE.read_text(encoding="utf-8")}
{_WRAP}
</style>
</head>
<body>
<header>
<p class="kicker">{text(status.name)}</p>
<h1>In production: {now}</h1>
{timeline(status.entries, scores)}
<p class="legend">Filled: passed the gate. Hollow: promoted against it. Triangle: taken back.</p>
</header>
<main>
<section>
<h2>History</h2>
{_history(status.entries)}
</section>
<section>
<h2>Versions</h2>
{_versions(status)}
</section>
</main>
</body>
</html>
"""


def _history(entries: tuple[Entry, ...]) -> str:
    heads = ["when (UTC)", "who", "what", "versions", "Y-PSNR (dB)", "why"]
    rows = [
        [
            text(entry.when.replace("T", " ").removesuffix("Z")),
            text(entry.who),
            text(", ".join([entry.action, *(w for w in ("forced", "weak") if getattr(entry, w))])),
            f"{_number(entry.was)} → {_number(entry.version)}",
            _score(entry),
            text(entry.why),
        ]
        for entry in reversed(entries)
    ]
    return table(heads, rows)


def _versions(status: Status) -> str:
    heads = ["version", "parameters", "data", "commit", "gate", "what became of it"]
    rows = [_version_row(version) for version in reversed(status.versions)]
    shown = table(heads, rows)
    if len(rows) < _ROWS:
        return shown
    return f"{shown}<p>The last {_ROWS} and those in use; all of them: status --json.</p>"


def _version_row(version: Version) -> list[str]:
    tags = version.tags
    changed = " (changed)" if tags.get("kdsharp.dirty") != "false" else ""
    return [
        str(version.number),
        f"{int(tags.get('kdsharp.parameters', '0')):,}",
        text(tags.get("kdsharp.data_hash", "")[:8]),
        text(tags.get("kdsharp.git_commit", "")[:8] + changed),
        text(gate_verdict(tags)),
        text(tags.get(OUTCOME, "")),
    ]


def _number(version: int | None) -> str:
    return "nothing" if version is None else f"v{version}"


def _score(entry: Entry) -> str:
    now, was = entry.numbers.get("now"), entry.numbers.get("was")
    if now is None:
        return ""
    return f"{now:.3f}" + (f" {signed(now - was, 3)}" if was is not None else "")
