"""docs/reliability.md has the table that the campaign makes, and a row for each of its parts."""

import ast
import json
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from scripts import reliability_page as page

ROOT = Path(__file__).parents[1]
ROW = {
    "what": "kills of `x | y`",
    "unit": "kills",
    "rounds": 1500,
    "full": 3000,
    "seed": 7,
    "passed": True,
    "found": ["one thing", "another"],
    "seconds": 12.0,
    "cpu_s": 8.4,
    "commit": "abc",
}


def parts():
    """The first argument of each marker `campaign`."""
    for path in sorted((ROOT / "tests/campaign").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.campaign":
                yield ast.literal_eval(node.args[0])


def test_every_part_has_its_row():
    found = list(parts())
    assert len(found) == len(set(found)) > 8
    text = page.PAGE.read_text(encoding="utf-8")
    shown = text.partition(page.BEGIN)[2].partition(page.END)[0]
    assert [what for what in found if f"| {what} |" not in shown] == []


def test_the_table_is_made_of_what_was_found(tmp_path):
    (tmp_path / "kills.json").write_text(json.dumps(ROW))
    text = page.table(page.read_rows(tmp_path))
    row = "| kills of `x \\| y` | 1,500 kills | 3,000 | one thing; another | 8 s |"
    assert row in text
    assert text.endswith("Code abc, seed 7.")
    whole = page.replaced(f"a\n{page.BEGIN}\nold\n{page.END}\nb\n", text)
    assert whole == f"a\n{page.BEGIN}\n{text}\n{page.END}\nb\n"


@pytest.mark.parametrize(
    ("row", "words"), [(None, "holds no findings"), (ROW | {"passed": False}, "did not pass")]
)
def test_what_is_no_finding_is_refused(tmp_path, row, words):
    if row:
        (tmp_path / "kills.json").write_text(json.dumps(row))
    with pytest.raises(UserError, match=words):
        page.read_rows(tmp_path)
    with pytest.raises(UserError, match="lacks"):
        page.replaced("a page without marks", "table")
