import csv

import pytest

from kdsharp.tables import aligned, markdown, write_csv


def test_text_begins_and_numbers_end_where_their_head_does():
    rows = [["small", "bicubic", "1,234"], ["x", "area-longest", "5"]]
    assert aligned(["name", "undoes", "n"], rows, left=2) == [
        "name   undoes            n",
        "small  bicubic       1,234",
        "x      area-longest      5",
    ]
    assert aligned(["", "n"], [["a", ""]]) == ["   n", "a"]
    assert aligned(["name", "n"], []) == ["name  n"]
    with pytest.raises(ValueError, match="zip"):
        aligned(["name"], [["a", "b"]])


def test_a_table_of_markdown():
    assert markdown(["", "dB"], [["a|b", "1"]]) == "|  | dB |\n| --- | --- |\n| a\\|b | 1 |"


def test_a_csv_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "new" / "table.csv"
    name = b"caf\xe9, 1".decode(errors="surrogateescape")
    write_csv(target, ["name", "n"], [[name, 1]])
    raw = target.read_bytes()
    assert raw == b'name,n\r\n"caf\xe9, 1",1\r\n'
    assert list(csv.reader(raw.decode("latin1").splitlines()))[1] == ["caf\xe9, 1", "1"]

    def rows():
        yield ["b", 2]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_csv(target, ["name", "n"], rows())
    assert target.read_bytes() == raw
    assert list(target.parent.iterdir()) == [target]
