import json

import pytest

from benchmarks.cluster import Used, per_photo
from benchmarks.paper import Constants, _read, on_paper
from kdsharp.errors import UserError
from pipeline.params import load_params

CONSTANTS = Constants(
    {"acquire": 0.001, "patches": 0.002},
    {"acquire": 0.01, "patches": 0.02},
    0.001,
    0.0005,
    2.0,
    1.0,
)


def steps(photos=1_000_000, cores=100, gpus=64, node=8):
    made = on_paper(CONSTANTS, load_params(), photos, 10, cores, gpus, node, 20.0)
    return {step.name.split(",")[0]: step for step in made}


def test_a_photo_more_is_the_slope_and_never_less_than_nothing():
    used = [Used(100, 5.0, 4.0, 1.0, 3.0), Used(300, 9.0, 3.9, 1.0, 8.0)]
    assert per_photo(used, "alone") == pytest.approx(0.02)
    assert per_photo(used, "client") == 0


def test_what_is_shared_out_shrinks_with_the_cores_and_the_rest_does_not():
    few, many = steps(cores=100), steps(cores=1000)
    assert few["acquire"].cores == pytest.approx(1e6 * 0.01 / 100 / 3600)
    assert many["acquire"].cores == pytest.approx(few["acquire"].cores / 10)
    assert many["acquire"].one == few["acquire"].one == pytest.approx(1e6 * 0.001 / 3600)
    assert few["acquire"].hours == few["acquire"].one


def test_patches_have_their_size_and_pairs_of_hashes_grow_with_the_square():
    found, tenth = steps(), steps(photos=100_000)
    assert found["DVC: MD5 of patches"].gigabytes == pytest.approx(983.04)
    assert found["near duplicates"].one == pytest.approx(100 / 3600)
    assert found["near duplicates"].one == pytest.approx(100 * tenth["near duplicates"].one)


def test_a_training_has_one_machine_and_labels_have_all():
    found, more = steps(gpus=64), steps(gpus=128)
    assert more["teacher"] == found["teacher"]
    assert more["labelling by the teacher"].gpus < found["labelling by the teacher"].gpus
    params = load_params().teacher.loop
    crops = 1e7 * params.epochs * params.repeats
    assert found["teacher"].cores == pytest.approx(crops * 0.001 / 8 / 3600)


def test_numbers_that_are_none_are_one_line(tmp_path):
    path = tmp_path / "cluster.json"
    with pytest.raises(UserError, match="cluster --json"):
        _read(path)
    for wrong in ("{", "[]", '{"stages": {"acquire": [{"photos": 1}]}}'):
        path.write_text(wrong)
        with pytest.raises(UserError, match="is not of benchmarks"):
            _read(path)
    used = {"photos": 1, "alone": 2.0, "client": 1.0, "scheduler": 0.5, "workers": 2.0}
    path.write_text(json.dumps({"stages": {"acquire": [used]}}))
    assert _read(path) == {"acquire": [Used(**used)]}
