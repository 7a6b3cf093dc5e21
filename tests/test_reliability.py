"""docs/reliability.md has the table that the campaign makes, and a row for each of its parts."""

import json

import pytest

from kdsharp.errors import UserError
from scripts import reliability_page as page

WHAT, FULL = next(page.parts())
ROW = {
    "what": WHAT,
    "unit": "retrainings",
    "rounds": 1500,
    "full": FULL,
    "seed": 7,
    "passed": True,
    "found": ["one thing", "an|other"],
    "seconds": 12.0,
    "cpu_s": 8.4,
    "commit": "abc",
}


def test_every_part_has_its_row():
    found = [what for what, _ in page.parts()]
    assert len(found) == len(set(found)) > 8
    text = page.PAGE.read_text(encoding="utf-8")
    shown = text.partition(page.BEGIN)[2].partition(page.END)[0]
    assert [what for what in found if f"| {what} |" not in shown] == []


def test_the_table_is_made_of_what_was_found(tmp_path):
    (tmp_path / "first.json").write_text(json.dumps(ROW))
    text = page.table(page.read_rows(tmp_path))
    row = f"| {WHAT} | 1,500 retrainings | {FULL:,} | one thing; an\\|other | 8 s |"
    assert row in text
    assert text.count("| not run |") == len(list(page.parts())) - 1
    assert text.endswith("Code abc, seed 7.")
    whole = page.replaced(f"a\n{page.BEGIN}\nold\n{page.END}\nb\n", text)
    assert whole == f"a\n{page.BEGIN}\n{text}\n{page.END}\nb\n"


def test_a_part_that_failed_has_found_nothing(tmp_path):
    assert "**did not pass**" in page.table([ROW | {"passed": False}])
    assert "one thing" not in page.table([ROW | {"passed": False}])
    with pytest.raises(UserError, match="holds no findings"):
        page.read_rows(tmp_path)
    with pytest.raises(UserError, match="lacks"):
        page.replaced("a page without marks", "table")
