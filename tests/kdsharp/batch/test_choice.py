"""`kdsharp sharpen` with the models that ship: the picture chooses."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from kdsharp.batch.request import HINT
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.routing import classifier
from kdsharp.runtime.catalog import find_models


@pytest.fixture
def sharpen(kdsharp, monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL")
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    photo.save("sharp.png")
    for row in ("jpeg60", "gaussian"):
        degrade(photo, row, 2).save(f"{row}.png")
    return lambda *arguments: kdsharp("sharpen", *arguments)


def test_each_picture_gets_the_model_that_it_needs(sharpen):
    code, out, err = sharpen("jpeg60.png", "-o", "out.png")
    assert code == 0
    assert re.fullmatch(r"out\.png: written, \d+\.\d s, small-x2-blocky\n", out)
    others = len(find_models(None)) - 1
    assert err.startswith(f"kdsharp: deep-small-x2 or one of {others} others, by the picture: ")
    assert "deep-small-x2-soft-medium" in sharpen("gaussian.png", "-o", "out.png")[1]


def test_a_sharp_one_is_left_and_the_next_step_is_told(sharpen):
    code, out, _ = sharpen("sharp.png", "-o", "out.png")
    assert code == 0
    assert out.endswith(f": no model is expected to improve it; {HINT}\n")
    assert "--crisp 0.5" in HINT and "--scale" not in out
    assert Path("out.png").read_bytes() == Path("sharp.png").read_bytes()


def test_a_scale_leaves_no_choice(sharpen):
    code, out, err = sharpen("sharp.png", "-o", "out.png", "--scale", "2")
    assert (code, err.count("small-x2: ")) == (0, 1)
    assert re.fullmatch(r"out\.png: written, \d+\.\d s\n", out)
    assert Path("out.png").read_bytes() != Path("sharp.png").read_bytes()


def test_a_folder_has_the_models_in_its_table(sharpen):
    code, out, _ = sharpen("*.png", "-o", "all/", "--csv", "table.csv")
    assert code == 0
    rows = sorted(line.split(",") for line in Path("table.csv").read_text().splitlines()[1:])
    assert [row[-2:] for row in rows] == [
        ["written", "deep-small-x2-soft-medium"],
        ["written", "small-x2-blocky"],
        ["left as it is", ""],
    ]
    assert "left as it is" in out


def test_a_table_older_than_a_model_is_refused_in_one_line(sharpen, monkeypatch):
    found = json.loads(classifier.FILE.read_text())
    found["gains"][0]["sha256"] = "0" * 64
    Path("degradation_classifier.json").write_text(json.dumps(found))
    monkeypatch.setattr(classifier, "FILE", Path("degradation_classifier.json"))
    classifier._known.cache_clear()
    try:
        code, _, err = sharpen("jpeg60.png", "-o", "out.png")
        how = f"measure the gains again: {classifier.MEASURE}"
        why = f"degradation_classifier.json: is older than deep-small-x2: {how}"
        assert (code, err) == (2, f"kdsharp: error: {why}\n")
        assert not Path("out.png").exists()
        for options in (["--scale", "2"], ["--model", "small-x2-blocky"], ["--upscale", "2"]):
            assert sharpen("jpeg60.png", "-o", "out.png", *options)[0] == 0
    finally:
        classifier._known.cache_clear()


def test_a_folder_with_the_name_of_a_size_leaves_the_choice(sharpen):
    Path("small").mkdir()
    for options in ([], ["--model", "small"]):
        assert "small-x2-blocky" in sharpen("jpeg60.png", "-o", "out.png", *options)[1]
    code, _, err = sharpen("jpeg60.png", "-o", "out.png", "--model", "./small")
    assert (code, err) == (2, "kdsharp: error: small: not a model folder: it has no card.json\n")
