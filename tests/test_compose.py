"""compose.yaml has the form that people rely on; its images are not started here."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
COMPOSE = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES = COMPOSE["services"]


def locked(package):
    """The version of `package` in requirements.lock."""
    lock = (ROOT / "requirements.lock").read_text()
    return re.search(rf"^{package}==(\S+)", lock, re.MULTILINE)[1]


def test_the_servers_have_the_versions_of_their_clients():
    assert SERVICES["mlflow"]["image"] == f"ghcr.io/mlflow/mlflow:v{locked('mlflow')}-full"
    assert SERVICES["prefect"]["image"] == f"prefecthq/prefect:{locked('prefect')}-python3.12"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_pinned_private_and_watched(name):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["healthcheck"]["test"][0] == "CMD"
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}
    for volume in service.get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    for config in service.get("configs", []):
        assert config["source"] in COMPOSE["configs"]


def test_passwords_come_from_the_environment():
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if name.endswith(("PASSWORD", "KEY", "KEY_ID")) or "@" in value:
                assert re.search(r"\$\{(POSTGRES|AWS)_\w+:-[\w-]+\}", value), name


def test_the_page_names_what_is_served():
    page = (ROOT / "docs/scaling.md").read_text()
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert f"http://{port.rpartition(':')[0]}" in page
