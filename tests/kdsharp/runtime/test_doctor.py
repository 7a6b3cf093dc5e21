import json
import tomllib
from pathlib import Path

import pytest

from kdsharp.runtime import doctor

ROOT = Path(__file__).parents[3]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(doctor, "_SECONDS", 0.02)


def test_every_engine_and_precision_is_timed(quick, int8_model, luma_model):
    timings = doctor.measure(int8_model)
    ways = {(timing.engine, timing.precision) for timing in timings}
    assert ways == {(e, p) for e in ("openvino", "onnxruntime") for p in ("fp32", "int8")}
    for timing in timings:
        assert (timing.milliseconds is None) == bool(timing.problem)
    assert any(timing.milliseconds for timing in timings)
    assert {timing.precision for timing in doctor.measure(luma_model)} == {"fp32"}


def test_what_is_found_is_json_and_told(quick, int8_model):
    found = doctor.examine(int8_model)
    assert json.loads(json.dumps(found)) == found
    lines = doctor.format_report(found)
    assert found["packages"]["numpy"] in "\n".join(lines)
    assert sum("<- auto" in line for line in lines) == 1
    assert sum(" ms " in line for line in lines) == len(
        [t for t in found["timings"] if t["device"]]
    )


def test_what_is_missing_names_its_command(quick, int8_model, monkeypatch):
    monkeypatch.setattr(doctor, "_EXTRAS", {"no-such-package": "video"})
    lines = doctor.format_report(doctor.examine(int8_model))
    assert 'missing      video: pip install "kdsharp[video]"' in lines


def test_without_a_model_the_rest_is_told(tmp_path):
    lines = doctor.format_report(doctor.examine(tmp_path / "none"))
    assert lines[0].startswith("kdsharp ")
    assert "neither a model folder nor" in lines[-1]


def test_every_extra_is_known():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(doctor._EXTRAS.values()) == set(project["optional-dependencies"])
    for package, extra in doctor._EXTRAS.items():
        assert any(need.startswith(package) for need in project["optional-dependencies"][extra])
