import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.metrics import METRICS
from kdsharp.train.teacher.network import save_no_teacher
from pipeline.evaluation.held_out import gain
from pipeline.evaluation.results import read_results
from pipeline.params import load_params
from pipeline.paths import TEACHER
from pipeline.stages import evaluate
from tests.pipeline.evaluation.evaluated import NASTY, make_checkout


class FakeRun:
    """What MLflow would have been told."""

    def __init__(self):
        self.told = {"metrics": {}, "params": {}, "files": [], "tags": {}, "models": []}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def metrics(self, values):
        self.told["metrics"] |= values

    def headline(self, values):
        self.told["headline"] = values

    def params(self, values):
        self.told["params"] |= values

    def file(self, path, folder=""):
        assert path.is_file()
        self.told["files"].append(f"{folder}/{path.name}".lstrip("/"))

    picture = file

    def model_onnx(self, path, name, example_NCHW):
        assert path.is_file()
        assert example_NCHW.shape[0] > 1
        self.told["models"] = [name]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """The checkout after `evaluate`, and the run."""
    root, run = make_checkout(tmp_path_factory.mktemp("checkout")), FakeRun()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(
            evaluate, "start", lambda *_, tags, **__: run.told["tags"].update(tags) or run
        )
        patch.setattr(evaluate, "find_run", lambda stage, tags: f"run-of-{stage}")
        evaluate.main(load_params())
    return root, run


def written(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / "reports").rglob("*"))
        if path.is_file()
    }


def test_every_promised_file_is_there_and_no_other(evaluated):
    assert list(written(evaluated[0])) == [
        "reports/comparison/test-a.png",
        "reports/comparison/test-b-i---x-.png",
        "reports/comparison/test-sub__ä-b.png",
        "reports/comparison/val-a.png",
        "reports/comparison/val-c.png",
        "reports/curves/student.csv",
        "reports/curves/teacher.csv",
        "reports/images.csv",
        "reports/metrics.json",
        "reports/report.html",
    ]


def test_metrics_are_the_means_of_the_images(evaluated):
    root, _ = evaluated
    results = json.loads((root / "reports/metrics.json").read_text())
    images = pd.read_csv(root / "reports/images.csv", keep_default_na=False)
    means = images.groupby(["split", "method"])[list(METRICS)].mean()
    assert set(results) == {"val", "test"}
    for split, methods in results.items():
        assert list(methods) == ["input", "unsharp", "teacher", "student", "student_onnx"]
        for method, metrics in methods.items():
            assert metrics == pytest.approx(means.loc[(split, method)].to_dict(), abs=1e-4)
            assert metrics == {key: round(value, 4) for key, value in metrics.items()}
    assert list(images.columns) == ["split", "name", "method", *METRICS, "gain_y"]
    assert len(images) == 5 * 5
    assert list(images["name"][:15:5]) == sorted(["a.png", NASTY, "sub/ä b.png"])


def test_page_is_whole_escaped_and_asks_for_nothing(evaluated):
    page = (evaluated[0] / "reports/report.html").read_text(encoding="utf-8")
    root = ET.fromstring(page)  # well-formed
    assert "http:" not in page
    assert "https:" not in page
    assert "<i>&" not in page
    links = [v for e in root.iter() for k, v in e.attrib.items() if k in ("src", "href")]
    assert len(links) == 5 * 5
    assert all(link.startswith("data:image/") for link in links)
    names = {e.find("b").text for e in root.iter("figcaption")}
    assert names == {"a.png", "c.png", NASTY, "sub/ä b.png"}
    assert len(page) < 8_000_000
    for link in links:
        kind, _, data = link.partition(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert kind == f"data:image/{picture.format.lower()}"
            assert "exif" not in picture.info


def test_page_says_what_was_measured(evaluated):
    root = ET.fromstring((evaluated[0] / "reports/report.html").read_text(encoding="utf-8"))
    text = " ".join("".join(root.itertext()).split())
    results = json.loads((evaluated[0] / "reports/metrics.json").read_text())
    for methods in results.values():
        for metrics in methods.values():
            assert f"{metrics['psnr_y']:.2f}" in text
            assert f"{metrics['ssim_rgb']:.4f}" in text
    for said in ("sample photos", "bicubic x2", "11,588 parameters", "from scratch", "22.86"):
        assert said in text
    assert "DIV2K" not in text
    assert str(evaluated[0]) not in text


def test_panels_are_pictures_of_four_columns(evaluated):
    panels = list((evaluated[0] / "reports/comparison").iterdir())
    assert len(panels) == 5
    for path in panels:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width == 1700


def test_same_bytes_twice(evaluated, monkeypatch):
    root, _ = evaluated
    before = written(root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(evaluate, "start", lambda *_, **__: FakeRun())
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    evaluate.main(load_params())
    assert written(root) == before


def test_held_out_photos_are_scored_beside_the_others(tmp_path, monkeypatch):
    make_checkout(tmp_path)
    for name in ("Set5/a.png", "loose.png"):
        path = tmp_path / "data/held_out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        waves = np.indices((48, 64)).sum(axis=0) % (5 + len(name))
        Image.fromarray((waves * 20).astype(np.uint8)).save(path)
    run = FakeRun()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "start", lambda *_, **__: run)
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    evaluate.main(load_params())
    results = read_results(tmp_path / "reports/metrics.json")
    assert list(results) == ["val", "test", "held_out/Set5", "held_out/held_out", "held_out"]
    told = run.told["metrics"]
    for method in ("input", "student"):
        sets = [results[f"held_out/{name}"][method]["psnr_y"] for name in ("Set5", "held_out")]
        assert told[f"held_out/psnr_y/{method}"] == pytest.approx(np.mean(sets), abs=1e-4)
    # Only what gains on the photos that were seen has a gap: here the teacher, not the student.
    assert gain(results, "test", "student") < 0
    assert "held_out/gap_percent/student" not in told
    seen, held_out = (gain(results, split, "teacher") for split in ("test", "held_out"))
    gap = told["held_out/gap_percent/teacher"]
    assert gap == pytest.approx(100 * (1 - held_out / seen), abs=0.01)
    images = pd.read_csv(tmp_path / "reports/images.csv", keep_default_na=False)
    assert set(images["split"]) == {"val", "test", "held_out/Set5", "held_out/held_out"}
    page = ET.fromstring((tmp_path / "reports/report.html").read_text(encoding="utf-8"))
    assert "Seen and held-out photos" in {heading.text for heading in page.iter("h2")}
    # Pictures are of the photos of the training's source.
    assert len(list((tmp_path / "reports/comparison").iterdir())) == 5


def test_a_sample_is_scored_and_named(tmp_path, monkeypatch):
    make_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "start", lambda *_, **__: FakeRun())
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    params = load_params()
    few = params.evaluate.model_copy(update={"photos": 2})
    evaluate.main(params.model_copy(update={"evaluate": few}))
    images = pd.read_csv("reports/images.csv", keep_default_na=False)
    assert images.groupby("split")["name"].nunique().to_dict() == {"test": 2, "val": 2}
    page = Path("reports/report.html").read_text(encoding="utf-8")
    assert re.search(r"2 of 3 photos, sample [0-9a-f]{8}", page)


def test_run_is_told_everything(evaluated):
    root, run = evaluated
    results = json.loads((root / "reports/metrics.json").read_text())
    assert run.told["metrics"]["test/psnr_y/student"] == results["test"]["student"]["psnr_y"]
    assert len(run.told["metrics"]) == 2 * 5 * 4
    assert list(run.told["headline"]) == ["student_gain_db", "student_psnr_y", "teacher_gain_db"]
    student, nothing = (results["test"][name]["psnr_y"] for name in ("student", "input"))
    assert run.told["headline"]["student_gain_db"] == pytest.approx(student - nothing, abs=1e-4)
    assert run.told["tags"] == {
        "kdsharp.teacher_sha256": sha256_file(root / "models/teacher.safetensors"),
        "kdsharp.student_sha256": sha256_file(root / "models/student.safetensors"),
        "kdsharp.student_run": "run-of-student",
    }
    assert run.told["params"]["degradation"] == {"name": "bicubic", "scale": 2, "recipes": {}}
    assert run.told["files"][:3] == ["metrics.json", "images.csv", "report.html"]
    assert "card.json" in run.told["files"]
    assert run.told["models"] == ["student_onnx"]
    assert len([name for name in run.told["files"] if name.startswith("comparison/")]) == 5
    # MLflow takes names of plain letters only in part; what it dislikes it would drop.
    assert all(re.fullmatch(r"[\w./-]+", name) for name in run.told["files"])


def test_a_student_that_had_no_teacher_is_evaluated_without_one(tmp_path, monkeypatch):
    make_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    save_no_teacher(TEACHER)
    Path("reports/curves/teacher.csv").write_text("epoch,loss,lr,val_psnr_y\n")
    run = FakeRun()
    monkeypatch.setattr(
        evaluate, "start", lambda *_, tags, **__: run.told["tags"].update(tags) or run
    )
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    evaluate.main(load_params())
    results = json.loads(Path("reports/metrics.json").read_text())
    assert list(results["test"]) == ["input", "unsharp", "student", "student_onnx"]
    assert run.told["tags"]["kdsharp.teacher_sha256"] == ""
    page = Path("reports/report.html").read_text(encoding="utf-8")
    ET.fromstring(page)
    assert "<dt>Teacher</dt><dd>none</dd>" in page
    # Three columns instead of four, and no bar, line or tile of a teacher.
    assert 'class="teacher"' not in page
    assert "over the input" in page
    assert "teacher over the input" not in page
    with Image.open("reports/comparison/test-a.png") as sheet:
        assert sheet.width == 3 * 420 + 20


def test_a_teacher_that_was_taken_as_it_is_has_no_curve(tmp_path, monkeypatch):
    make_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("reports/curves/teacher.csv").write_text("epoch,loss,lr,val_psnr_y\n")
    monkeypatch.setattr(evaluate, "start", lambda *_, **__: FakeRun())
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    evaluate.main(load_params())
    page = Path("reports/report.html").read_text(encoding="utf-8")
    ET.fromstring(page)
    assert "teacher over the input" in page


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("data/raw/manifest.csv", "dvc repro acquire"),
        ("models/teacher.safetensors", "teacher.safetensors does not exist"),
        ("models/export/card.json", "not a model folder"),
        ("reports/curves/student.csv", "dvc repro student"),
        ("data/raw/test/a.png", "no such file"),
    ],
)
def test_what_is_missing_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, missing, said):
    make_checkout(tmp_path)
    Path(tmp_path, missing).unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "start", lambda *_, **__: FakeRun())
    monkeypatch.setattr(evaluate, "find_run", lambda *_: None)
    before = set(written(tmp_path))
    with pytest.raises(UserError, match=said):
        evaluate.main(load_params())
    assert set(written(tmp_path)) == before
