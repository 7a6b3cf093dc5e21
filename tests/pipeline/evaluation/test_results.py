import json
import sys
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.evaluation.results import next_steps, print_results, read_results, result_rows

LOW = {"psnr_y": 30.0, "ssim_y": 0.9, "psnr_rgb": 28.0, "ssim_rgb": 0.88}
HIGH = {"psnr_y": 32.25, "ssim_y": 0.95, "psnr_rgb": 27.5, "ssim_rgb": 0.9}


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    models = {"input": LOW, "unsharp": LOW, "teacher": HIGH, "student": HIGH, "student_onnx": HIGH}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "reports/metrics.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"val": models, "test": models}))
    return path


def test_rows_and_gains(metrics):
    rows = result_rows(read_results(), "test")
    titles = ["input", "unsharp mask", "teacher", "student", "student, ONNX"]
    assert [row["model"] for row in rows] == titles
    assert rows[0]["PSNR Y"] == "30.00"
    assert rows[2]["PSNR Y"] == "32.25 +2.25"
    assert rows[2]["SSIM Y"] == "0.9500 +0.0500"
    assert rows[2]["PSNR RGB"] == "27.50 -0.50"


def test_int8_is_a_row_once_there_is_one(metrics):
    results = json.loads(metrics.read_text())
    results["test"]["student_int8"] = HIGH
    assert result_rows(results, "test")[-1]["model"] == "student, int8"


def test_printed_table_fits_80_columns(metrics, capsys):
    print_results()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    assert text.count("student, ONNX") == 2
    for words in ("reports/report.html", "make ui"):
        assert words in text
    assert "kdsharp sharpen PHOTO -o out.png --model models/export" in text
    assert next_steps().splitlines()[-1] in text


def test_the_hints_work_as_printed(metrics, monkeypatch):
    """`make run` finds the commands in .venv; the terminal that it ran in does not."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    first = next_steps().splitlines()[0]
    environment = first.removeprefix("Once per terminal    . ").removesuffix("/bin/activate")
    assert Path(environment).resolve() == Path(sys.prefix).resolve()
    monkeypatch.setattr(sys, "prefix", str(Path(".venv").absolute()))
    assert next_steps().startswith("Once per terminal    . .venv/bin/activate\n")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert next_steps().startswith("Pictures and curves ")


def test_missing_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"reports/metrics\.json is missing: make run"):
        read_results()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"val": {}}', '{"val": {"input": {}}, "test": {}}', "{", "null"]
)
def test_broken_results(metrics, text):
    metrics.write_text(text)
    with pytest.raises(UserError, match="is not a table of results"):
        read_results()
