"""Every benchmark at its smallest size, by the command that people type."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from skimage import data

from kdsharp.degrade.builtin import ABOUT
from pipeline.choice.parts import DEGRADATIONS
from tests.integration.checkout import Checkout
from tests.integration.players import placebo
from tests.kdsharp.video.clips import make_clip
from tests.mixed import make_mixed_model

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    path.parent.name if path.stem == "__main__" else path.stem: path
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
}


@pytest.fixture(scope="module")
def checkout(trained, tmp_path_factory):
    """A tiny project after `dvc repro`, with a set of two small photos, and a clip of five frames.

    Benchmarks write into it.
    """
    root = tmp_path_factory.mktemp("benchmarks") / "checkout"
    shutil.copytree(trained.root, root, symlinks=True)
    (root / "sets/mine").mkdir(parents=True)
    for name, picture in (("a", data.chelsea()), ("b", data.astronaut())):
        Image.fromarray(picture[40:184, 100:292]).save(root / f"sets/mine/{name}.png")
    make_clip(root / "clip.mp4", times=[24 * i for i in range(5)])
    return Checkout(root)


@pytest.fixture
def run(checkout):
    """Run a benchmark in the checkout; what it prints."""

    def call(name, *words):
        # The environment has no $KDSHARP_SHARED_DATA: nothing but what is named is read.
        done = checkout.run(sys.executable, "-m", f"benchmarks.{name}", *map(str, words))
        assert "Traceback" not in done.stderr
        return done.stdout

    return call


def rows(text):
    """The cells of each line of the tables in `text`, their heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [index for index, row in enumerate(cells) if set("".join(row)) <= set("-")]
    heads = {index - 1 for index in rules}
    return [row for index, row in enumerate(cells) if index not in {*rules, *heads}]


def number(cell):
    """The first number of a cell, without its unit; it must be finite."""
    found = float(re.search(r"[-+]?[\d,]*\.?\d+", cell)[0].replace(",", ""))
    assert math.isfinite(found)
    return found


def test_every_script_is_run():
    assert [name for name in SCRIPTS if f"test_{name}" not in globals()] == []


def test_each_has_help_and_runs_as_a_module():
    def helped(name):
        command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    with ThreadPoolExecutor(2) as pool:
        for name, done in zip(SCRIPTS, pool.map(helped, SCRIPTS), strict=True):
            assert done.returncode == 0, done.stderr
            about = SCRIPTS[name].read_text().split('"""')[1]
            assert done.stdout.startswith(f"usage: python -m benchmarks.{name}")
            assert about.strip() in done.stdout


def test_degradations(run, checkout):
    said = run("degradations", "--sheet", "sheet.png", "--speed", "--patches", 1)
    with Image.open(checkout.root / "sheet.png") as sheet:
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 1000
    speeds = {row[0]: number(row[1]) for row in rows(said) if not row[1].endswith("%")}
    assert set(speeds) == set(ABOUT) - {"sharp"}
    assert min(speeds.values()) > 0
    assert sum(number(row[1]) for row in rows(said) if row[1].endswith("%")) >= 95


def test_everyday(run):
    chosen = ("sharp", "JPEG 38-42", "x1.5", "screenshot, sharp")
    said = run("everyday", "--photos", "sets/mine", "--rows", *chosen)
    assert [row[0] for row in rows(said) if row[0] in chosen] == list(chosen)
    assert "regret: 0.10 dB at most" in said
    assert "of 8 pictures" in said.lower()


def test_sheet(run, checkout):
    head = "file,from,author,licence,how,shrink,x,y,title"
    lines = (head, "a.png,here,Ann,CC0,jpeg60,,10,2,stored", "b.png,here,,CC0,,160,0,0,as it is")
    (checkout.root / "list.csv").write_text("\n".join(lines) + "\n")
    said = run("sheet", "--photos", "sets/mine", "--list", "list.csv", "-o", "sheet.jpg")
    assert "a.png (Ann, here, CC0)" in said
    with Image.open(checkout.root / "sheet.jpg") as sheet:
        assert sheet.width > 1000
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 1000


def test_presets(run):
    said = run("presets", "clip.mp4", "--frames", 5, "--choices", "ultrafast:30", "veryfast:20")
    alone, quick, slow = rows(said)
    assert number(alone[1]) > 0
    assert number(quick[2]) < number(slow[2])
    assert number(quick[3]) < number(slow[3])


def test_flicker(run, checkout):
    folder = checkout.root / "large"
    folder.mkdir()
    for name, picture in (("a", data.chelsea()), ("b", data.astronaut())):
        Image.fromarray(picture).resize((660, 400)).save(folder / f"{name}.png")
    few = ("--pairs", 1, "--seconds", 0.5)
    said = run("flicker", "--photos", "large", "--rows", "h264-300k", *few)
    (row,) = rows(said)
    assert row[0] == "h264-300k"
    assert 20 < number(row[1]) < 50


def test_front(run, checkout):
    outputs = ("--markdown", "front.md", "--plot", "front.png", "--csv", "front.csv")
    sizes = ("--scale", 4, "--sizes", "720p", "--rounds", 1, "--threads", 1)
    run("front", "--photos", "sets", *sizes, *outputs)
    with (checkout.root / "front.csv").open(newline="") as opened:
        found = [row for row in csv.DictReader(opened) if row["method"] == "small-x4"]
    assert {row["precision"] for row in found} == {"fp32", "int8"}
    for row in found:
        assert 20 < float(row["psnr mine"]) < 50
        assert float(row["median_ms"]) > 0
    assert "## x4: quality" in (checkout.root / "front.md").read_text()
    with Image.open(checkout.root / "front.png") as plot:
        assert plot.width > 500


def test_interval(run):
    table = rows(run("interval", "--comparisons", 50, "--photos", 3, 50))
    found = {int(row[0]): [number(cell) for cell in row[1:]] for row in table}
    # Of few photos the bootstrap alone holds the truth less often than it says, 95 %.
    assert set(found) == {3, 50}
    assert 40 < found[3][0] < found[50][0] <= 100
    assert found[3][1] > 85


def test_monitor(run, checkout):
    folder = checkout.root / "sharp"
    folder.mkdir()
    for place in range(4):
        part = data.astronaut()[60 * place :][:200, 40 * place :][:, :200]
        Image.fromarray(part).save(folder / f"{place}.png")
    table = rows(run("monitor", "--photos", "sharp", "--trials", 3, "--draws", 16))
    found = {row[0]: [number(cell) for cell in row[1:4]] for row in table}
    assert len(found) == 8
    assert found["stronger compression"][0] >= found["the same source"][0]


def test_near(run):
    ((photos, found, *_),) = rows(run("near", "--photos", 1000))
    assert (photos, int(found)) == ("1,000", 20)


def test_scale(run):
    sizes = ("--photos", 12, 20, "--side", 192, "--scored", 2)
    said = run("scale", *sizes, "--predict", 30, "--measure")
    table = {row[0]: row[1:] for row in rows(said)}
    assert list(table) == ["acquire", "patches", "gate", "export", "evaluate"]
    assert all(len(cells) == 6 and cells[4].endswith(" %") for cells in table.values())
    assert "30 photos and one more: " in said


def test_cluster(run, checkout):
    numbers = checkout.root / "cluster.json"
    found = rows(run("cluster", "--photos", 40, 60, "--side", 144, "--json", numbers))
    assert [row[:2] for row in found] == [
        [stage, of]
        for stage in ("acquire", "patches")
        for of in ("40 photos", "60 photos", "each more")
    ]
    assert all(number(cell) >= 0 for row in found for cell in row[2:])
    said = rows(run("paper", numbers, "--photos", 1000))
    assert [row[0] for row in said[:2]] == ["acquire", "patches"]


def test_paper(run):
    said = run("paper", "--photos", 1_000_000, "--gpus", 64)
    found = {row[0]: row[1:] for row in rows(said)}
    assert number(found["near duplicates"][0]) > 0
    assert found["DVC: MD5 of patches"][3].endswith(" GB")
    assert {"teacher, on 8 GPUs", "student, on 8 GPUs"} <= set(found)
    assert "longest: " in said


def test_year(run, tmp_path):
    short = ("--weeks", 7, "--pictures", 30, "--steps", 4, "--plot", tmp_path / "year.png")
    regime, year, *asked = rows(run("year", *short))
    assert (regime[:2], year[0]) == (["usual", "0 to 6"], "the year")
    # The false alarm: both lines with the loop train, and nothing comes of it.
    assert [(row[0], row[2]) for row in asked] == [("5", "false alarm")] * 2
    with Image.open(tmp_path / "year.png") as plot:
        assert plot.width > 1000


def test_creep(run):
    table = rows(run("creep", "--years", 1))
    assert len(table) == 12
    assert all(number(row[6]) > -0.05 for row in table)


def test_crisp(run):
    found = rows(run("crisp", "--photos", "sets/mine", "--count", 1, "--draws", 5))
    assert len(found) == 2 * 7
    drawn = {row[0]: [number(cell) for cell in row[1:]] for row in found[:7]}
    assert drawn["crisp 0.5"][1] < 2 < drawn["UnsharpMask(1, 80)"][1]
    assert drawn["crisp 0.5"][2] <= 1.1


def test_phase(run):
    found = rows(run("phase", "--photos", "sets/mine", "--count", 1, "--gains"))
    told = [row for row in found if row[0] in "234"]
    assert [(row[0], int(row[2])) for row in told] == [(f, int(f) ** 2) for f in "222333444"]
    assert all(sum(map(number, row[3:])) == pytest.approx(100, abs=0.2) for row in told)
    assert len(found) - len(told) == 3 + 5 * 4


def test_upscale(run):
    size = ("--models", "nano-x2", "--threads", 1, "--rounds", 1)
    found = rows(run("upscale", "--photos", "sets", *size))
    ways = [row[1:3] for row in found if row[0] == "nano-x2"]
    assert ways == [
        [precision, way]
        for precision in ("fp32", "int8")
        for way in ("two steps, rounded", "two steps", "one file")
    ]
    assert all(number(cell) > 0 for row in found if row[0] == "nano-x2" for cell in row[3:])


def test_serve(run):
    size = ("--clients", 2, "--alone", 2, "--seconds", 0.5, "--rounds", 1, "--requests", 20)
    found = rows(run("serve", "--model", "nano-x2", "--megapixels", 0.1, *size))
    assert found[0][:1] == ["alone, median"]
    assert [row[0] for row in found][1] == "2 clients, pictures per second"
    assert all(number(row[1]) > 0 for row in found[:3])


def test_shaders(run):
    placebo(np.zeros((3, 8, 8), np.uint8))  # skips where it cannot be had
    size = ("--models", "nano-x2", "--size", "64x48", "--frames", 3)
    (row,) = rows(run("shaders", *size))
    assert row[:2] == ["nano-x2", "11"]


def test_classifier(run, checkout):
    weights = checkout.root / "kdsharp/weights"
    *table, last = rows(run("classifier", "--photos", "sets/mine", "--parts", 6, "--workers", 1))
    assert sum(int(row[1]) for row in table) == int(last[1]) == 6
    assert all(-20 < number(cell) < 20 for row in [*table, last] for cell in row[3:5])
    before, gains = (
        (weights / "degradation_classifier.onnx").read_bytes(),
        json.loads((weights / "degradation_classifier.json").read_text()),
    )
    run(
        "classifier",
        "--photos",
        "sets/mine",
        "--train",
        "--parts",
        40,
        "--steps",
        2,
        "--workers",
        1,
    )
    assert (weights / "degradation_classifier.onnx").read_bytes() != before
    session = onnxruntime.InferenceSession(weights / "degradation_classifier.onnx")
    port = session.get_inputs()[0]
    (shares,) = session.run(None, {port.name: np.zeros(port.shape, np.float32)})
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert json.loads((weights / "degradation_classifier.json").read_text()) == gains | {
        "degradations": list(DEGRADATIONS)
    }


def test_pipeline(run):
    lines = run("pipeline", "--rounds", 1, "--steps", 2).splitlines()
    found = {line[:32].strip(): number(line[32:]) for line in lines if "goal" in line}
    assert set(found) == {
        "kdsharp --help",
        "dvc repro, nothing to do",
        "patches",
        "teacher: loop / bare step",
        "student: loop / bare step",
    }
    assert min(found.values()) > 0


def test_everyday_beside_a_mixture(run, checkout):
    make_mixed_model(checkout.root / "mixed")
    what = ("--model", "mixed", "--photos", "sets/mine", "--count", 1, "--rows", "sharp", "x2")
    said = run("everyday", *what, "--json", "everyday.json")
    assert [row[0] for row in rows(said)][-2:] == ["sharp", "x2"]
    assert "mixed: a look at 12 megapixels takes" in said
    found = json.loads((checkout.root / "everyday.json").read_text())["mine"]
    for gains in (found["sharp"][0], found["x2"][0]):
        assert gains["best"] >= max(gains["installed"], gains["mixed"], 0)
    assert found["x2"][0]["installed"] > 0.5


def test_robust(run, checkout):
    what = ("--sets", "sets", "--on", "mine", "--rows", "pil-bicubic", "jpeg60", "sharp")
    columns = ("--model", "nano-x2", "--auto", "small-x2", "small-x3", "--workers", 1)
    teacher = ("--teacher", "models/teacher.safetensors")
    outputs = ("--markdown", "robust.md", "--plot", "robust.png", "--json", "robust.json")
    run("robust", *what, *columns, *teacher, *outputs)
    found = json.loads((checkout.root / "robust.json").read_text())
    assert {"input", "nano-x2", "teacher"} <= {name.split(" (")[0] for name in found["groups"]}
    for photo in ("a.png", "b.png"):
        scores = found["scores"]["mine"][photo]
        assert set(scores) == {"pil-bicubic", "jpeg60", "sharp"}
        assert scores["pil-bicubic"]["nano-x2"][0] > scores["pil-bicubic"]["input"][0]
    assert "## mine: PSNR" in (checkout.root / "robust.md").read_text()
    with Image.open(checkout.root / "robust.png") as plot:
        assert plot.height > 100
    # The same page from the numbers alone.
    run("robust", "--from", "robust.json", "--plot", "robust.png", "--markdown", "again.md")
    assert (checkout.root / "again.md").read_text() == (checkout.root / "robust.md").read_text()


def test_sharpen(run, checkout):
    sizes = ("--megapixels", 0.02, "--folder", 2, "--frames", 2, "--rounds", 1)
    what = ("--photos", "sets/mine", "--clip", "clip.mp4", "--model", "nano-x2")
    said = run("sharpen", *what, *sizes, "--markdown", "speed.md")
    page = (checkout.root / "speed.md").read_text()
    assert page.endswith(said.rstrip("\n") + "\n")
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert [title.split()[0] for title in titles] == ["A", "A", "Video", "Video"]
    found = rows(said)
    assert [row[0] for row in found].count("all together") == 4
    assert all(number(cell) > 0 for row in found for cell in row[1:3])


def test_video(run):
    said = run("video", "clip.mp4", "--sizes", "96x64", "--frames", 4, "--rounds", 1)
    found = {row[0]: number(row[2]) for row in rows(said)}
    assert {"all together", "decoding alone", "network alone", "encoding alone"} <= set(found)
    assert min(found.values()) > 0
    said = run("video", "--range", "sets/mine", "--model", "nano-x2")
    low, direct, scaled = (number(row[1]) for row in rows(said))
    assert low < direct < 60
    assert low < scaled < 60


def test_teacher(run):
    said = run("teacher", "--steps", 2, "--only", "default", "--ensemble", "--photos", "sets")
    alone, ensemble = rows(said)
    assert (alone[0], ensemble[0]) == ("default", "default, self-ensemble")
    assert [number(row[3]) for row in (alone, ensemble)] == [2, 2]
    assert all(20 < number(row[4]) < 50 for row in (alone, ensemble))


def test_student(run):
    found = rows(run("student", "--seconds", 1, "--only", "soap", "adam", "--photos", "sets"))
    assert [row[0] for row in found] == ["soap", "adam"]
    assert all(number(row[2]) > 0 and 20 < number(row[3]) < 50 for row in found)


def test_reach(run):
    found = rows(run("reach", "--photos", "sets/mine", "--size", 64))
    differences = [number(row[1]) for row in found]
    assert [int(row[0]) for row in found][:3] == [0, 2, 4]
    # The further inside, the more alike; far inside, the same.
    assert differences[0] > differences[-1]
    assert differences[-1] < 0.05


def test_distill(run, checkout):
    ways = ("truth alone", "truth and response")
    what = ("--steps", 10, "--seeds", 1, "--threads", 1, "--photos", "sets", "--only", *ways)
    first, second = rows(run("distill", *what))
    assert (first[0], second[0]) == ways
    assert all(20 < number(cell) < 50 for row in (first, second) for cell in row[1:3])
    assert first[3] == ""
    assert abs(number(second[3])) < 5
    # What was trained is there: the same once more, without training.
    kept = {
        path: path.stat().st_mtime_ns
        for path in (checkout.root / ".checkpoints/distill").glob("*.pt")
    }
    assert len(kept) == 2
    assert rows(run("distill", *what)) == [first, second]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_quantise(run):
    said = run("quantise", "--model", "nano-x2", "--photos", "sets", "--patches", 4, "--rounds", 1)
    found = {(row[0], row[1]): row[2:] for row in rows(said)}
    for engine in ("openvino", "onnxruntime"):
        size, psnr, time = map(number, found["fp32", engine])
        assert 20 < psnr < 50
        assert time > 0
        smaller, loss, _ = map(number, found["ours", engine])
        assert smaller < size
        assert -0.3 < loss < 0.1
        assert ("ONNX Runtime, entropy", engine) in found
