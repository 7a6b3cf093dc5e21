"""The bill of materials is valid CycloneDX, whole, and the same for the same lock file."""

import json

import pytest

from scripts import sbom

PROJECT = '[project]\nname = "kdsharp"\nversion = "1"\nlicense = "MIT"\n'
ONE, TWO = "a" * 64, "b" * 64
LOCK = (
    f"av==18.1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{ONE}\n"
    f"numpy==2.4.6 \\\n    --hash=sha256:{ONE} \\\n    --hash=sha256:{TWO}\n"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bill of the checkout."""
    target = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    assert sbom.main(["-o", str(target)]) == 0
    return target.read_text(encoding="utf-8")


def test_it_is_valid_cyclonedx(written):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    assert json.loads(written)["specVersion"] == "1.6"


def test_every_locked_package_is_in_it(written):
    bill, lock = json.loads(written), sbom.LOCK.read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if "==" in line and not line.startswith(" ")]
    assert len(bill["components"]) == len(pins) > 100
    hashes = [one["content"] for part in bill["components"] for one in part["hashes"]]
    assert len(hashes) == lock.count("--hash=sha256:")
    assert bill["metadata"]["component"]["name"] == "kdsharp"


def test_names_markers_and_hashes():
    av, numpy = json.loads(sbom.sbom_json(LOCK, PROJECT))["components"]
    assert av["purl"] == "pkg:pypi/av@18.1.0"
    assert av["properties"] == [{"name": "marker", "value": "python_full_version < '3.12'"}]
    assert [one["content"] for one in numpy["hashes"]] == [ONE, TWO]
    assert "properties" not in numpy


def test_the_same_lock_gives_the_same_bytes():
    assert sbom.sbom_json(LOCK, PROJECT) == sbom.sbom_json(LOCK, PROJECT)
    assert sbom.sbom_json(LOCK, PROJECT) != sbom.sbom_json(LOCK.replace(TWO, ONE), PROJECT)


def test_a_package_without_hashes_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n")
    monkeypatch.setattr(sbom, "LOCK", tmp_path / "requirements.lock")
    assert sbom.main(["-o", str(tmp_path / "out.json")]) == 2
    line = capsys.readouterr().err
    assert line == "sbom: not a package with its hashes: numpy==2.4.6\n"
    assert not (tmp_path / "out.json").exists()
