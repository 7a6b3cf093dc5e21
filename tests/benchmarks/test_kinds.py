import json

import pytest
from PIL import Image
from skimage import data

from benchmarks.classifier import __main__ as benchmark
from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.routing import classifier as known
from kdsharp.routing.classifier import degradations as known_degradations
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import find_models
from pipeline.choice.gains import WORST
from pipeline.choice.parts import DEGRADATIONS, Part, draw_parts


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(data.astronaut()).save(folder / "a.jpg")
    Image.fromarray(data.chelsea()).save(folder / "b.png")
    return sorted(folder.iterdir())


def drawn(photos, count, seed, workers=1):
    return draw_parts(photos, count, seed, workers, lambda: None)


def test_what_ships_knows_the_kinds_that_are_here():
    assert known_degradations() == list(DEGRADATIONS)


def test_the_file_has_the_gains(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "FILE", tmp_path / "degradation_classifier.json")
    gains = [{"scale": 2, "gains": [0.5, -1.0]}, {"scale": 3, "gains": [0.25, 1]}]
    for rows in (gains, []):
        benchmark.write_file(rows)
        found = json.loads((tmp_path / "degradation_classifier.json").read_text())
        assert found == {"degradations": list(DEGRADATIONS), "size": "small", "gains": rows}


def test_the_table_has_a_row_for_each_kind_and_one_for_all(photos, capsys):
    parts = drawn(photos, 8, 4)
    benchmark.report(parts, 1)
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("A choice takes ")
    out = out[:-2]
    rows = [line.split("|")[1].strip() for line in out[2:]]
    assert rows == [
        *(k for i, k in enumerate(DEGRADATIONS) if i in {p.label for p in parts}),
        "all",
    ]
    assert out[-1].split("|")[2].strip() == "8"


def test_gains_are_those_of_the_models_that_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "FILE", tmp_path / "degradation_classifier.json")
    plane = data.chelsea()[:128, :128, 1].copy()
    parts = [Part(label, plane, plane) for label in range(len(DEGRADATIONS))]
    few = len(DEGRADATIONS) - 1
    with pytest.raises(UserError, match=f"no part is phone: raise --parts from {few}"):
        benchmark.write_gains(parts[:-1], 1)
    benchmark.write_gains(parts, 2)
    found = json.loads((tmp_path / "degradation_classifier.json").read_text())["gains"]
    cards = [read_card(folder) for folder in find_models("small")]
    assert [(row["degradation"], row["scale"], row["sha256"]) for row in found] == [
        (card.degradation, card.scale, card.sha256) for card in cards
    ]
    assert set(found[0]["gains"]) == {WORST}  # all of them were sharp


def test_gains_that_are_older_than_a_model_are_measured_anew(tmp_path, monkeypatch):
    file = tmp_path / "degradation_classifier.json"
    found = json.loads(known.FILE.read_text())
    found["gains"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(found))
    for module in (benchmark, known):
        monkeypatch.setattr(module, "FILE", file)
    known._known.cache_clear()
    try:
        with pytest.raises(UserError, match="is older than deep-small-x2"):
            Sharpener("small")
        plane = data.chelsea()[:64, :64, 1].copy()
        benchmark.write_gains([Part(label, plane, plane) for label in range(len(DEGRADATIONS))], 2)
        known._known.cache_clear()
        assert Sharpener("small").choose(plane) is None
    finally:
        known._known.cache_clear()
