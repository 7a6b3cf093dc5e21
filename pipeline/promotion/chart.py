"""The picture of a history: the quality of what was in production, change by change, as SVG."""

from collections.abc import Sequence

from pipeline.registry.history import Entry
from pipeline.report.html import text

__all__ = ["timeline"]

_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BELOW = 70, 30, 40, 48
_MOST = 30


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
