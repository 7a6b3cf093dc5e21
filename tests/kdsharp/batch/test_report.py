import csv
import os
from pathlib import Path

from kdsharp.batch.plan import Job
from kdsharp.batch.report import COLUMNS, summary, write_csv
from kdsharp.batch.run import Done, Outcome

OUTCOMES = [
    Outcome(Job(Path("a,b.jpg"), Path("o/a,b.jpg")), Done("written", (1000, 500), "scale 3"), 0.25),
    Outcome(Job(Path("new\nline"), Path('o/"')), Done("failed", message="new line: gone"), 0.1, 2),
    Outcome(Job(Path(os.fsdecode(b"\xff.jpg")), Path("o/c.jpg")), Done("there already")),
]


def test_rows_come_back_as_they_were(tmp_path):
    target = tmp_path / "table.csv"
    write_csv(target, OUTCOMES)
    with target.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        head, *rows = list(csv.reader(opened))
    assert tuple(head) == COLUMNS
    assert rows[0] == ["a,b.jpg", "o/a,b.jpg", "1000x500", "0.250", "written", "scale 3"]
    assert rows[1] == ["new\nline", 'o/"', "", "0.100", "failed", "new line: gone"]
    assert os.fsencode(rows[2][0]) == b"\xff.jpg"


def test_the_summary_counts_each_status():
    lines = [line.split() for line in summary(OUTCOMES, 4.0)]
    assert lines == [
        ["files", "megapixels"],
        ["written", "1", "0.5"],
        ["there", "already", "1", "0.0"],
        ["failed", "1", "0.0"],
        ["in", "4.0", "s,", "0.5", "files", "per", "second"],
    ]
