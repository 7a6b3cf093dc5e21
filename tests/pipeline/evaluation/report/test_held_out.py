"""The picture and the section of the page on seen and held-out photos."""

import io
import xml.etree.ElementTree as ET

import pandas as pd
from PIL import Image

from pipeline.evaluation.held_out import with_gaps
from pipeline.evaluation.report.held_out import draw, gap_text, section
from pipeline.evaluation.scoring import averages
from tests.pipeline.evaluation.test_held_out_generalisation import scores


def made(gains):
    table = scores(gains)
    unsharp = table[table["method"] == "input"].assign(method="unsharp")
    table = pd.concat([table, unsharp], ignore_index=True)
    return with_gaps(averages(table)), table


SETS = {"test": [2.0, 1.0], "held_out/Set5": [1.0], "held_out/<b>&$x$ ä": [1.2, -0.4]}


def test_the_picture_grows_with_the_sets_and_is_the_same_twice():
    results, table = made(SETS)
    drawn = draw(results, table, "bicubic x2")
    with Image.open(io.BytesIO(drawn)) as picture:
        assert (picture.format, picture.width) == ("PNG", 1320)
        height = picture.height
    assert draw(results, table, "bicubic x2") == drawn
    fewer = made({name: SETS[name] for name in list(SETS)[:2]})
    with Image.open(io.BytesIO(draw(*fewer, "bicubic x2"))) as picture:
        assert picture.height < height


def test_the_section_is_escaped_and_has_every_set():
    results, table = made(SETS)
    root = ET.fromstring(section(results, table, b"png"))
    text = " ".join("".join(root.itertext()).split())
    for said in ("seen", "Set5", "<b>&$x$ ä", "all held-out", "a gap of 53.3 %"):
        assert said in text
    assert not list(root.iter("b"))
    assert gap_text(results, "held_out/Set5") == "33.3 %"


def test_no_gain_on_seen_photos_is_drawn_as_well():
    results, table = made({"test": [-1.0], "held_out/a": [1.0]})
    assert gap_text(results, "held_out") == ""
    assert draw(results, table, "bicubic x2").startswith(b"\x89PNG")
