import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from pipeline.evaluation.report.charts import MOST_BARS, curves, gains


def history(values):
    return pd.DataFrame({"epoch": range(1, len(values) + 1), "loss": values})


@pytest.mark.parametrize(
    ("first", "second", "log"),
    [
        ([0.1, 0.01, 0.001], [0.2, 0.1, 0.05], True),
        ([30.1], [30.2], False),
        ([30.0, 30.0], [30.0, 30.0], False),
        ([0.0, 0.0], [1.0, 1.0], True),
        ([5.0] * 500, [1.0] * 3, False),
    ],
)
def test_curves_stay_inside_the_drawing(first, second, log):
    drawn = curves({"teacher": history(first), "student": history(second)}, "loss", "Loss", log)
    root = ET.fromstring(drawn)
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    lines = root.findall("polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [len(first), len(second)]
    for point in " ".join(line.attrib["points"] for line in lines).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= width
        assert 0 <= y <= height
    labels = [
        float(t.attrib["y"]) for t in root.findall("text") if t.text in ("teacher", "student")
    ]
    assert abs(labels[0] - labels[1]) >= 20 - 0.2


def test_higher_is_drawn_higher():
    drawn = curves({"student": history([1.0, 2.0, 3.0])}, "loss", "x", log=False)
    points = ET.fromstring(drawn).find("polyline").attrib["points"].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights, reverse=True)


def gains_table(values):
    rows = [
        {"split": "test", "name": name, "method": method, "gain_y": gain * factor}
        for name, gain in values.items()
        for method, factor in (("student", 1), ("teacher", 2))
    ]
    return pd.DataFrame(rows)


def test_bars_are_sorted_and_escaped_and_measured_from_zero():
    root = ET.fromstring(gains(gains_table({"<low>": -0.5, "high": 1.0}), "test"))
    assert [row.find("span").text for row in root] == ["high", "<low>"]
    assert [row.find("span[@class='number']/span").text for row in root] == ["+1.00", "−0.50"]
    # From -1 to 2: zero is at a third.
    styles = [row.find("span[@class='track']/i").attrib["style"] for row in root]
    assert styles == ["left:33.33%;width:33.33%", "left:16.67%;width:16.67%"]


def test_of_many_photos_the_best_and_the_worst_are_shown():
    many = {f"{number:03}.png": number / 100 for number in range(100)}
    root = ET.fromstring(gains(gains_table(many), "test"))
    rows = [row.find("span").text for row in root if row.tag == "div"]
    assert len(rows) == MOST_BARS
    assert (rows[0], rows[-1]) == ("099.png", "000.png")
    assert f"{100 - MOST_BARS} photos" in root.find("p").text
