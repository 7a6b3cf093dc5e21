"""Grafana's dashboard asks a real Prometheus, which reads a real service."""

import json
import shutil
import time
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.integration.checkout import REPOSITORY
from tests.integration.servers import free_port, running
from tests.integration.serving import SHARPEN, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BOARD = REPOSITORY / "pipeline" / "services" / "grafana" / "kdsharp.json"
NEVER_YET = {"Shadow", "Turned away"}
"""Panels of what does not happen here: their counters have no series before it does."""


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Prometheus")
def test_every_panel_has_numbers(tmp_path):
    photo = (REPOSITORY / "docs" / "images" / "before-after.png").read_bytes()
    with serving("--observe", tmp_path / "seen") as served:
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n"
            "  - job_name: kdsharp\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{served.port}']\n"
        )
        address = f"127.0.0.1:{free_port()}"
        command = ["prometheus", f"--config.file={config}", f"--web.listen-address={address}"]
        command.append(f"--storage.tsdb.path={tmp_path / 'data'}")
        with running(command, f"http://{address}/-/ready"):
            for _ in range(6):  # a rate needs numbers that grow from one reading to the next
                assert served.ask("POST", SHARPEN, photo)[0] == 200
                time.sleep(1.2)
            empty = {
                panel["title"]
                for panel in json.loads(BOARD.read_text())["panels"]
                if not all(_numbers(address, target["expr"]) for target in panel["targets"])
            }
    assert empty == NEVER_YET


def _numbers(address, expression):
    with urlopen(f"http://{address}/api/v1/query?query={quote(expression)}") as opened:
        found = json.load(opened)["data"]["result"]
    return [one for one in found if one["value"][1] != "NaN"]
