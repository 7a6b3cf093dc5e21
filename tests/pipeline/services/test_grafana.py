"""The dashboard's form, and that it asks only for what the service counts."""

import json
import re
from pathlib import Path

from kdsharp.serve.metrics import Metrics

BOARD = json.loads(
    (Path(__file__).parents[3] / "pipeline/services/grafana/kdsharp.json").read_text("utf-8")
)
ENDS = ("_total", "_bucket", "_sum", "_count")


def test_panels_are_whole_and_do_not_overlap():
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 9
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        assert panel["title"] and panel["targets"] and place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_metric_is_one_of_ours():
    known = {family.name for family in Metrics().registry.collect()}
    asked = {
        name
        for panel in BOARD["panels"]
        for target in panel["targets"]
        for name in re.findall(r"kdsharp_\w+", target["expr"])
    }
    assert "kdsharp_expected_gain_db_sum" in asked
    for name in asked:
        plain = next((name.removesuffix(end) for end in ENDS if name.endswith(end)), name)
        assert plain in known, name


def test_borders_that_are_asked_for_are_there():
    metrics = Metrics()
    metrics.expected.observe(0.5)
    page = metrics.page().decode()
    for border in ("0.1", "0.0"):
        assert f'kdsharp_expected_gain_db_bucket{{le="{border}"}}' in page
        assert f'le="{border}"' in json.dumps(BOARD).replace('\\"', '"')
