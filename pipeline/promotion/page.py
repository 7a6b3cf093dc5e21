"""The page of a registered model: what is in production, how it came about, what was refused."""

from pathlib import Path

from kdsharp.files import write_text
from pipeline.paths import REPORTS
from pipeline.promotion.chart import timeline
from pipeline.promotion.status import Status, read_status
from pipeline.registry.history import Entry, known_scores
from pipeline.registry.versions import Version
from pipeline.report.html import signed, table, text

__all__ = ["page", "write_page"]

_STYLE = Path(__file__).parents[1] / "report" / "style.css"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_WRAP = """
td:last-child { white-space: normal; min-width: 14rem; }
th:last-child, td:last-child { text-align: left; }
td, tbody th { vertical-align: top; }
"""


def write_page(name: str) -> Path:
    """Write reports/promotion/NAME.html and return its path."""
    target = REPORTS / "promotion" / f"{name}.html"
    write_text(target, page(read_status(name)))
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
    return table(heads, rows)


def _version_row(version: Version) -> list[str]:
    tags = version.tags
    changed = " (changed)" if tags.get("kdsharp.dirty") != "false" else ""
    return [
        str(version.number),
        f"{int(tags.get('kdsharp.parameters', '0')):,}",
        text(tags.get("kdsharp.data_hash", "")[:8]),
        text(tags.get("kdsharp.git_commit", "")[:8] + changed),
        text(tags.get("kdsharp.gate", "not judged")),
        text(tags.get("kdsharp.promotion", "")),
    ]


def _number(version: int | None) -> str:
    return "nothing" if version is None else f"v{version}"


def _score(entry: Entry) -> str:
    now, was = entry.numbers.get("now"), entry.numbers.get("was")
    if now is None:
        return ""
    return f"{now:.3f}" + (f" {signed(now - was, 3)}" if was is not None else "")
