"""What goes to a cluster and what comes back; tests/integration/test_cluster.py has a real one."""

import pickle

import pandas as pd
import pytest

from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.evaluation.far import FarScores, Scorer, far_scores
from pipeline.evaluation.kept import KeptScores
from pipeline.evaluation.methods import load_methods, method_keys
from pipeline.evaluation.scoring import list_photos, score
from pipeline.params import load_params
from tests.pipeline.evaluation.evaluated import make_checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(make_checkout(tmp_path))
    return tmp_path


@pytest.fixture
def methods(checkout):
    teacher = load_teacher("models/teacher.safetensors")
    return load_methods(load_params(), teacher, load_student("models/student.safetensors"))


def test_the_table_is_that_of_this_machine_and_is_not_made_twice(methods):
    params = load_params()
    keys = method_keys(params)
    # Without a cluster `spread` calls the same in threads.
    scorer = pickle.loads(pickle.dumps(Scorer(tuple(keys.items()), params)))
    photos, degradation = list_photos(), params.degradation
    here = score(photos, methods, degradation)
    with KeptScores(keys) as kept:
        there = score(photos, methods, degradation, kept=kept, far=FarScores(scorer, kept))
    pd.testing.assert_frame_equal(there, here)
    broken = Scorer(scorer.keys, params.model_copy(update={"degradation": None}))
    with KeptScores(keys) as kept:
        again = score(photos, methods, degradation, kept=kept, far=FarScores(broken, kept))
    pd.testing.assert_frame_equal(again, here)


def test_only_what_is_not_known_is_asked(methods):
    params, photos = load_params(), list_photos()
    keys = method_keys(params)
    with KeptScores({"input": keys["input"]}) as kept:
        score(photos, {"input": methods["input"]}, params.degradation, kept=kept)
    asked = []

    def scorer(job):
        asked.append(job[1])
        return Scorer(tuple(keys.items()), params)(job)

    scorer.keys = tuple(keys.items())
    with KeptScores(keys) as kept:
        found = list(FarScores(scorer, kept)(photos))
    assert [list(row) for row in found] == [list(keys)] * len(photos)
    assert asked == [tuple(name for name in keys if name != "input")] * len(photos)


def test_without_a_cluster_nothing_is_far(checkout, monkeypatch):
    assert far_scores(load_params(), {}) is None
    monkeypatch.setenv("KDSHARP_CLUSTER", "dask://127.0.0.1:9")
    assert far_scores(load_params(), {}) is not None
