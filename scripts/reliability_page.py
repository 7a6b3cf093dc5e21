"""Copy what the campaign found into docs/reliability.md: python scripts/reliability_page.py

Reads what `pytest -m campaign --campaign SIZE` has left in reports/campaign/SIZE, a file for each
part, and replaces the table between the page's two marks. `--size day` is the default. A part that
was not run or did not pass has a row that says so.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from kdsharp.tables import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"
HEADS = ["what is done", "here", "full size", "found", "CPU"]


def parts() -> Iterator[tuple[str, int]]:
    """What each part does, and its full size, as the markers of the tests say it."""
    for path in sorted((ROOT / "tests" / "campaign").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.campaign":
                named = {word.arg: word.value for word in node.keywords}
                yield ast.literal_eval(node.args[0]), ast.literal_eval(named["full"])


def read_rows(folder: Path) -> list[dict]:
    """What the parts have found; `UserError` where nothing is."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not rows:
        raise UserError(f"{folder}: holds no findings: make campaign")
    return rows


def table(rows: list[dict]) -> str:
    """A line for each part, with the commits and seeds below them."""
    found = {row["what"]: row for row in rows}
    lines = [_line(what, full, found.get(what)) for what, full in parts()]
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    seeds = ", ".join(sorted({str(row["seed"]) for row in rows}))
    return f"{markdown(HEADS, lines)}\n\nCode {commits}, seed {seeds}."


def _line(what: str, full: int, row: dict | None) -> list[str]:
    if row is None:
        return [what, "not run", f"{full:,}", "", ""]
    said = "; ".join(row["found"]) if row["passed"] else "**did not pass**"
    done = f"{row['rounds']:,} {row['unit']}"
    return [what, done, f"{row['full']:,}", said, f"{row['cpu_s']:,.0f} s"]


def replaced(page: str, text: str) -> str:
    """`page` with `text` between the marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{PAGE.relative_to(ROOT)}: lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    """Write the page and say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--size", default="day", choices=["slice", "day", "full"])
    size = parser.parse_args().size
    rows = read_rows(ROOT / "reports" / "campaign" / size)
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), table(rows)))
    print(f"{PAGE.relative_to(ROOT)}: {len(rows)} parts of the size {size}")


_AsWritten = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    sys.exit(run(main, program="reliability_page"))
