"""The dashboard's form, and that it asks only for what the service counts."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as families

from kdsharp.serve.metrics import Metrics

BOARD = json.loads(
    (Path(__file__).parents[3] / "pipeline/services/grafana/kdsharp.json").read_text("utf-8")
)


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


def test_the_service_has_every_series_that_is_asked_for():
    metrics = Metrics()
    for child in vars(metrics).values():
        if names := getattr(child, "_labelnames", ()):
            child.labels(*names)
    metrics.expect(0.5)
    page = metrics.page().decode()
    series = {sample.name for family in families(page) for sample in family.samples}
    asked = {
        name
        for panel in BOARD["panels"]
        for target in panel["targets"]
        for name in re.findall(r"kdsharp_\w+", target["expr"])
    }
    assert "kdsharp_expected_gained_db_total" in asked
    assert asked <= series


def test_borders_that_are_asked_for_are_there():
    metrics = Metrics()
    metrics.expect(0.5)
    page = metrics.page().decode()
    for border in ("0.1", "0.0"):
        assert f'kdsharp_expected_gain_db_bucket{{le="{border}"}}' in page
        assert f'le="{border}"' in json.dumps(BOARD).replace('\\"', '"')
