import csv
import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener, __version__
from kdsharp.imageio import write as writing

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = {
    "sharpen": "batches.md",
    "compare": "batches.md",
    "doctor": "batches.md",
    "export": "players.md",
    "models": "models.md",
    "serve": "serve.md",
}


def test_one_photo(kdsharp, photo, picture, luma_model):
    code, out, err = kdsharp("sharpen", photo.name, "-o", "out.png", "--engine", "onnxruntime")
    assert (code, err) == (0, "kdsharp: model: onnxruntime on CPU in fp32\n")
    assert out.startswith("out.png: written, ")
    expected = Sharpener(luma_model, engine="onnxruntime").array(picture)
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), expected)


def test_quiet_says_nothing(kdsharp, photo):
    assert kdsharp("sharpen", photo.name, "-o", "out.png", "-q") == (0, "", "")
    assert kdsharp("compare", photo.name, "-o", "both.png", "--quiet") == (0, "", "")
    assert {path.name for path in Path().iterdir()} == {"photo.png", "out.png", "both.png"}


def test_options_reach_the_library(kdsharp, photo, picture, rgb_model):
    options = ["--strength", "0", "--engine", "onnxruntime", "--threads", "1", "--model", rgb_model]
    assert kdsharp("sharpen", photo.name, "-o", "out.png", *options)[0] == 0
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), picture)
    kdsharp("sharpen", photo.name, "-o", "fine.jpg", "--quality", "95")
    kdsharp("sharpen", photo.name, "-o", "coarse.jpg", "--quality", "10")
    assert Path("coarse.jpg").stat().st_size < Path("fine.jpg").stat().st_size


def test_precision_reaches_the_library(kdsharp, photo, picture, int8_model):
    options = ["--model", int8_model, "--precision", "int8"]
    assert kdsharp("sharpen", photo.name, "-o", "out.png", *options)[0] == 0
    expected = Sharpener(int8_model, precision="int8").array(picture)
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), expected)
    assert kdsharp("compare", photo.name, "-o", "both.png", *options)[0] == 0
    code, _, err = kdsharp("compare", photo.name, "-o", "other.png", "--precision", "int8")
    assert code == 2
    assert "has no int8 model: choose precision fp32" in err
    assert not Path("other.png").exists()


def test_a_tree_with_a_bad_photo(kdsharp, photo):
    tree = Path("my photos/ü")
    tree.mkdir(parents=True)
    for name in ("a.png", "b\n.png"):
        (tree / name).write_bytes(photo.read_bytes())
    (tree / "bad.png").write_bytes(photo.read_bytes()[:100])
    code, out, err = kdsharp("sharpen", "my photos", "-o", "out", "--csv", "table.csv")
    _, first, last = err.splitlines()
    assert code == 2
    assert first.startswith("kdsharp: my photos/ü/bad.png: cannot be read as a picture: ")
    assert last == "kdsharp: error: 1 of 3 photos failed, see above; the rest are done"
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [
        ["written", "2"],
        ["failed", "1"],
    ]
    assert sorted(path.name for path in Path("out/ü").iterdir()) == ["a.png", "b\n.png"]
    with Path("table.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["source"] for row in rows] == [
        str(tree / n) for n in ("a.png", "b\n.png", "bad.png")
    ]
    assert [row["status"] for row in rows] == ["written", "written", "failed"]
    assert [row["size"] for row in rows] == ["53x37", "53x37", ""]
    assert "cannot be read as a picture" in rows[2]["message"]
    (tree / "bad.png").unlink()
    code, out, err = kdsharp("sharpen", "my photos", "-o", "out", "--skip-existing")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split() == ["there", "already", "2", "0.0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command"),
        (["blur"], "No such command 'blur'"),
        (["sharpen"], "Missing argument"),
        (["sharpen", "photo.png"], "name an output with -o or say --in-place"),
        (["sharpen", "photo.png", "-o", "a.png", "--in-place"], "but not both"),
        (["sharpen", "photo.png", "--in-place", "--format", "jpg"], "goes with neither --format"),
        (["sharpen", "photo.png", "--in-place", "--skip-existing"], "nor --skip-existing"),
        (
            ["sharpen", "photo.png", "-o", "a/", "--format", "gif"],
            "format 'gif' is unknown: choose jpg, png, tif or webp",
        ),
        (["sharpen", "photo.png", "-o", "a.png", "--format", "jpg"], "the chosen format is jpg"),
        (["sharpen", "photo.png", "-o", "a.png", "--scale", "5"], "scale '5' is unknown"),
        (["sharpen", "photo.png", "-o", "a.png", "--scale", "3"], "undoes scale 2, not 3"),
        (["sharpen", "photo.png", "-o", "a.png", "--scale", "auto"], "undoes only scale 2"),
        (
            ["sharpen", "photo.png", "-o", "a.png", "--upscale", "5"],
            "Invalid value for '--up",
        ),
        (
            ["sharpen", "photo.png", "-o", "a.png", "--upscale", "2", "--scale", "3"],
            "--upscale 2 undoes its own blur: leave out --scale 3",
        ),
        (["sharpen", "photo.png", "-o", "a.png", "--csv", "x/a.csv"], "x/a.csv: its folder does"),
        (["sharpen", "photo.png", "-o", "a.png", "--csv", "empty"], "empty: is a folder: name a"),
        (["sharpen", "*.jpg", "-o", "a"], "*.jpg: has no photos"),
        (["sharpen", "photo.png", "-o"], "Option '-o' requires an argument"),
        (["sharpen", "photo.png", "-o", "a.png", "--sharp"], "No such option"),
        (
            ["sharpen", "photo.png", "-o", "a.png", "--strength", "much"],
            "Invalid value for '--strength'",
        ),
        (["sharpen", "photo.png", "-o", "a.png", "--strength", "3"], "strength must be from 0"),
        (
            ["sharpen", "photo.png", "-o", "a.png", "--quality", "0"],
            "Invalid value for '--quality'",
        ),
        (["sharpen", "photo.png", "-o", "a.png", "--engine", "gpu"], "engine 'gpu' is unknown"),
        (["sharpen", "photo.png", "-o", "a.png", "--precision", "4"], "precision '4' is unknown"),
        (["sharpen", "photo.png", "-o", "a.png", "--threads", "0"], "threads must be 1 or more"),
        (["sharpen", "photo.png", "-o", "a.png", "--model", "x"], "x: neither a model folder nor"),
        (["sharpen", "photo.png", "-o", "a.png", "--model", "."], "not a model folder"),
        (["sharpen", "photo.png", "-o", "photo.png"], "is one of the photos"),
        (["sharpen", "gone.png", "-o", "a.png", "-q"], "gone.png: no such file"),
        (["sharpen", "empty", "-o", "out"], "empty: has no photos"),
        (["sharpen", "photo.png", "-o", "a.gif"], "a.gif: cannot be written: GIF has too few"),
        (["sharpen", "photo.png", "-o", "a.xyz"], ".xyz is not a known suffix: a photo ends"),
        (["compare", "photo.png", "gone.png", "-o", "a.png"], "gone.png: no such file"),
        (["compare", "photo.png", "-o", "a.png", "--zoom", "1"], "give X,Y,W,H in pixels"),
        (
            ["compare", "photo.png", "-o", "a.png", "--style", "x"],
            "style 'x' is unknown",
        ),
        (
            ["compare", "photo.png", "-o", "a.png", "--position", "1"],
            "--position works only with --style",
        ),
        (
            ["compare", "photo.png", "-q", "-o", "a.png", "--style", "split", "--position", "2"],
            "position must be from 0 to 1",
        ),
        (
            ["compare", "photo.png", "photo.png", "-o", "a.png", "--style", "wipe"],
            "a.png: an animation ends with .gif or .webp",
        ),
        (["doctor", "--model"], "Option '--model' requires an argument"),
        (["compare", "photo.png", "-o", "a.png", "--labels", "1"], "two names with a comma"),
    ],
)
def test_every_mistake_is_one_line(kdsharp, photo, arguments, message):
    Path("empty").mkdir()
    code, out, err = kdsharp(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("kdsharp: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == {"empty", "photo.png"}


def test_a_full_disk_stops_the_batch_and_leaves_nothing(kdsharp, photo, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("second.png").write_bytes(photo.read_bytes())
    monkeypatch.setattr(Image.Image, "save", full)
    code, _, err = kdsharp("sharpen", "photo.png", "second.png", "-o", "out", "-q")
    assert code == 2
    assert err.startswith("kdsharp: error: the disk is full while writing out/")
    assert err.count("\n") == 1
    assert list(Path("out").iterdir()) == []


def test_a_read_only_output(kdsharp, photo, monkeypatch):
    def closed(target):
        raise PermissionError(errno.EROFS, "read-only", str(target))

    monkeypatch.setattr(writing, "atomic_file", closed)
    code, _, err = kdsharp("sharpen", "photo.png", "-o", "out/", "-q")
    assert (code, err) == (2, "kdsharp: error: out/photo.png: the file system is read-only\n")


def test_without_a_model_the_error_says_how_to_name_one(kdsharp, photo, monkeypatch, tmp_path):
    monkeypatch.delenv("KDSHARP_MODEL")
    monkeypatch.setattr("kdsharp.runtime.catalog.SHIPPED", tmp_path)
    code, _, err = kdsharp("sharpen", "photo.png", "-o", "out.png")
    assert (code, "--model PATH or $KDSHARP_MODEL" in err) == (2, True)


def test_a_model_that_ships_has_a_name(kdsharp, photo, monkeypatch, tmp_path, rgb_model):
    monkeypatch.setattr("kdsharp.runtime.catalog.SHIPPED", tmp_path / "weights")
    shutil.copytree(rgb_model, tmp_path / "weights" / "nano-x2")
    assert kdsharp("sharpen", "photo.png", "-o", "1.png", "--model", rgb_model)[0] == 0
    assert kdsharp("sharpen", "photo.png", "-o", "2.png", "--model", "nano-x2")[0] == 0
    assert Path("1.png").read_bytes() == Path("2.png").read_bytes()
    code, out, _ = kdsharp("models")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["name", "nano-x2"]
    code, _, err = kdsharp("sharpen", "photo.png", "-o", "3.png", "--model", "large")
    assert (code, "nor a model that ships (nano-x2)" in err) == (2, True)


def test_the_page_of_the_models_that_ship_is_what_the_command_prints(kdsharp):
    """A stale one is written anew by kdsharp models --markdown > docs/models.md."""
    code, out, _ = kdsharp("models", "--markdown")
    assert code == 0
    assert out == (DOCS / "models.md").read_text(encoding="utf-8")


def test_what_a_model_does_not_say_is_a_dash_on_that_page(
    kdsharp, monkeypatch, tmp_path, rgb_model
):
    monkeypatch.setattr("kdsharp.runtime.catalog.SHIPPED", tmp_path / "weights")
    shutil.copytree(rgb_model, tmp_path / "weights" / "bare")
    _, out, _ = kdsharp("models", "--markdown")
    row = out.split("| [bare](../kdsharp/weights/bare/README.md) |")[1].splitlines()[0]
    assert row.endswith("| - | - | - | - | - | - |")
    (tmp_path / "weights" / "bare" / "README.md").write_text("- **Photos**: 3 train, 1 val")
    _, out, _ = kdsharp("models", "--markdown")
    assert "| - | - | - | 3 | - | - |" in out


def test_an_interrupt_gives_130(kdsharp, photo, monkeypatch):
    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sharpener, "apply", interrupted)
    code, _, err = kdsharp("sharpen", "photo.png", "-o", "out.png")
    assert (code, err.splitlines()[-1]) == (130, "kdsharp: error: interrupted")


def test_our_own_failure_gives_1(kdsharp, photo, monkeypatch):
    monkeypatch.setattr(Sharpener, "apply", lambda *args, **kwargs: 1 / 0)
    code, _, err = kdsharp("sharpen", "photo.png", "-o", "out.png", "-q")
    assert code == 1
    assert err.startswith("kdsharp: error: internal error, ZeroDivisionError")
    Path("second.png").write_bytes(photo.read_bytes())
    code, _, err = kdsharp("sharpen", "photo.png", "second.png", "-o", "out", "-q")
    assert (code, err.count("\n")) == (1, 3)
    assert "kdsharp: photo.png: internal error, ZeroDivisionError" in err


def test_compare_two_pictures_or_a_photo_and_its_sharpened_version(kdsharp, photo):
    kdsharp("sharpen", "photo.png", "-o", "after.png")
    options = ["--labels", "photo, kdsharp", "--zoom", "3,4,10,8"]
    assert kdsharp("compare", "photo.png", "after.png", "-o", "1.png", *options)[0] == 0
    code, out, _ = kdsharp("compare", "photo.png", "-o", "2.png", *options)
    assert (code, out) == (0, "Wrote 2.png\n")
    assert Image.open("1.png").tobytes() == Image.open("2.png").tobytes()


def test_compare_says_when_nothing_changed(kdsharp, photo):
    Path("flat.png").write_bytes(photo.read_bytes())
    for words, why in [
        (["photo.png", "flat.png"], "flat.png is the same"),
        (["photo.png", "--strength", "0"], "the strength is 0"),
        (["photo.png", "--model", "small"], "no model is expected to improve photo.png"),
    ]:
        if "small" in words:
            Image.new("RGB", (80, 60), (9, 99, 9)).save("photo.png")
        code, out, _ = kdsharp("compare", *words, "-o", "both.png")
        assert (code, out) == (0, f"Wrote both.png, but nothing changed: {why}\n")


def test_compare_moves_where_the_suffix_can(kdsharp, photo):
    for name, moves in (("a.gif", True), ("a.webp", True), ("b.png", False)):
        style = [] if moves else ["--style", "split"]
        assert kdsharp("compare", "photo.png", "-o", name, *style)[0] == 0
        with Image.open(name) as made:
            assert (made.size, getattr(made, "is_animated", False)) == ((53, 37), moves)


def test_doctor_tells_and_says_the_same_as_json(kdsharp, monkeypatch):
    monkeypatch.setattr("kdsharp.runtime.doctor._SECONDS", 0.01)
    code, out, err = kdsharp("doctor")
    assert (code, err) == (0, "")
    assert f"kdsharp {__version__}, Python" in out
    assert "<- auto" in out
    code, out, _ = kdsharp("doctor", "--json")
    assert (code, json.loads(out)["model"]) == (0, "model")


def test_version(kdsharp):
    assert kdsharp("--version") == (0, f"kdsharp {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_is_documented(kdsharp, command):
    code, out, _ = kdsharp(command, "--help")
    assert code == 0
    example = r"(sharpen|compare) photo\.jpg|doctor --model|export --to|serve & curl"
    assert re.search(rf"kdsharp ({example})", out)
    text = (DOCS / COMMANDS[command]).read_text(encoding="utf-8")
    _, section = re.split(rf"\n## `kdsharp {command}[ `]", text)
    section = section.split("\n## ")[0]
    options = {word.strip(",") for word in out.split("Options:")[1].split() if word[:2] == "--"}
    for option in options - {"--help"}:
        assert f"`{option}`" in section


def test_help_lists_every_command_and_loads_nothing_heavy():
    code = (
        "import sys; from kdsharp.cli import app as cli\n"
        "try: cli.main()\n"
        "finally: print([m for m in ('numpy', 'PIL', 'rich', 'onnxruntime') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)
    assert done.stdout.endswith("\n[]\n")
