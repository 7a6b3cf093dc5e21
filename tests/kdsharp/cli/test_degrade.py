import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp.degrade import degrade
from kdsharp.degrade.builtin import BUILTIN

DOCS = Path(__file__).parents[3] / "docs" / "robustness.md"


@pytest.fixture
def command(kdsharp):
    return partial(kdsharp, "degrade")


def test_a_photo_becomes_worse(command, photo, picture):
    how = ["--recipe", "web", "--seed", "5", "--scale", "3"]
    code, out, err = command(photo.name, "-o", "worse.png", *how)
    assert (code, err) == (0, "")
    assert re.match(r"Wrote worse\.png: .*shrink \w+ scale [\d.]+, jpeg quality \d+ 4:\d:\d", out)
    expected = degrade(Image.fromarray(picture), "web", 3, 5)
    np.testing.assert_array_equal(np.asarray(Image.open("worse.png")), np.asarray(expected))
    assert command(photo.name, "-o", "sharp.png", "--recipe", "sharp")[1].endswith("was done\n")
    np.testing.assert_array_equal(np.asarray(Image.open("sharp.png")), picture)


def test_the_list_has_every_recipe(command):
    code, out, _ = command("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(BUILTIN)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["photo.png", "-o", "x.png", "--recipe", "sepia"], "'sepia' is unknown: choose one of"),
        (["photo.png"], "give a photo and -o OUT, or --list"),
        (["nope.png", "-o", "x.png"], "nope.png: no such file"),
        (["photo.png", "-o", "x.gif"], "x.gif: GIF has too few colours"),
        (["photo.png", "-o", "x.png", "--scale", "5"], "--scale"),
        (["photo.png", "-o", "x.png", "--seed", "-1"], "--seed"),
        (["photo.png", "-o", "x.png", "--seed", "one"], "--seed"),
    ],
)
def test_mistakes_are_one_line(command, photo, arguments, words):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and words in err
    assert sorted(path.name for path in Path().iterdir()) == ["photo.png"]


def test_help_has_an_example_and_the_docs_every_option(command):
    code, out, _ = command("--help")
    assert code == 0
    assert "kdsharp degrade photo.jpg -o worse.png" in out
    text = DOCS.read_text(encoding="utf-8")
    for option in re.findall(r"--[a-z]+", out.split("Options:")[1]):
        assert option in ("--help",) or f"`{option}`" in text
    for name in BUILTIN:
        assert f"`{name}`" in text
