import sys

import pytest

from benchmarks import sharpen


def test_every_way_is_in_the_tables(tmp_path, photo, luma_model, monkeypatch, capsys):
    table = tmp_path / "speed.md"
    options = ["--photos", photo.parent, "--model", luma_model, "--markdown", table]
    sizes = ["--megapixels", "0.02", "--folder", "2", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["sharpen.py", *map(str, options), *sizes])
    sharpen.main()
    text = table.read_text()
    assert text.count("| all together | ") == text.count("| network alone | ") == 2
    assert "## A folder of 2 JPEGs" in text
    assert text.endswith(capsys.readouterr().out.rstrip("\n") + "\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "speed.md"]


def test_a_folder_without_photos(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sharpen.py", "--photos", str(tmp_path)])
    with pytest.raises(SystemExit):
        sharpen.main()
    assert "holds no photos" in capsys.readouterr().err
