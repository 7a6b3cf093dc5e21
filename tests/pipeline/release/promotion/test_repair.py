"""A history that is deleted is told from one that never was, and comes back."""

import json
from dataclasses import replace

import pytest

from kdsharp.errors import KdsharpError, TransientError, UserError
from pipeline.paths import MLRUNS
from pipeline.release.promotion.decision_record import DECISION, GATE, OUTCOME
from pipeline.release.promotion.repair import rebuilt, repair
from pipeline.release.registry.history import Entry, find_history, open_history
from pipeline.release.registry.history_run import EXPERIMENT
from pipeline.release.registry.versions import Version, open_registry
from tests.pipeline.release.promotion.registered import (
    make_trained,
    promote_it,
    refreshed,
    register_student,
)

NAME = "kdsharp-student-nano-x2"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """With one version in production and its alias, another that waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_trained(tmp_path)
    with open_registry() as opened:
        promote_it(opened, register_student(opened, NAME))
        make_trained(tmp_path, seed=2)
        register_student(opened, NAME)
        yield opened


def test_it_lies_apart_from_the_trainings(registry):
    run_id = find_history(registry, NAME).run_id
    experiment = registry.client.get_run(run_id).info.experiment_id
    assert registry.client.get_experiment(experiment).name == EXPERIMENT
    assert experiment != registry.experiment


@pytest.mark.parametrize("whole_experiment", [False, True])
def test_a_deleted_history_is_said_and_restored(registry, whole_experiment):
    history = find_history(registry, NAME)
    before = history.entries
    if whole_experiment:
        found = registry.client.get_experiment_by_name(EXPERIMENT)
        registry.client.delete_experiment(found.experiment_id)
    else:
        registry.client.delete_run(history.run_id)
    with pytest.raises(KdsharpError, match="was deleted in MLflow: python -m pipeline repair"):
        find_history(registry, NAME)
    # Who had it open is not told that somebody was faster.
    with pytest.raises(KdsharpError, match="was deleted in MLflow") as caught:
        history.append(replace(before[-1], number=2))
    assert not isinstance(caught.value, TransientError)
    said = []
    assert repair(NAME, said.append).entries == before
    assert said == [f"{NAME}: its history was restored; version 1 is in production"]
    find_history(registry, NAME).append(replace(before[-1], number=2, stack=(1, 2), was=1))
    assert repair(NAME, said.append).last.version == 2
    assert "was sound; version 2" in said[-1]


def test_one_that_is_gone_is_made_again(registry):
    import sqlite3

    history = find_history(registry, NAME)
    (before,) = history.entries
    with sqlite3.connect(MLRUNS / "mlflow.db") as database:  # as `mlflow gc` leaves it
        for table in ("params", "tags", "runs"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (history.run_id,))
    database.close()
    with pytest.raises(KdsharpError, match="was deleted in MLflow: python -m pipeline repair"):
        open_history(registry, NAME)
    said = []
    (entry,) = repair(NAME, said.append).entries
    assert said[0].endswith(
        "made again from versions and aliases: 1 promotions; version 1 is in production"
    )
    assert (entry.stack, entry.who, entry.decision) == ((1,), "ann", before.decision)
    assert entry.why.startswith("good (made again by repair")
    assert find_history(registry, NAME).entries == [entry]


def test_what_is_not_registered_is_no_matter_of_repair(registry):
    with pytest.raises(UserError, match="python -m pipeline register"):
        repair("kdsharp-student-c24-x3")


def version(number, outcome="", **tags):
    return Version("n", number, {OUTCOME: outcome, **tags}, 0, "", None)


def test_versions_and_aliases_say_the_order():
    numbers = json.dumps({"psnr_y.candidate": 31.5})
    forced = {GATE: "refused", DECISION: "abc", "kdsharp.gate_numbers": numbers}
    versions = [
        version(1, "promoted by ann: good"),
        version(2, "refused by the gate: worse"),
        version(3, "promoted by bob: we: need it", **forced, **{"kdsharp.gate_set": "f" * 64}),
        version(4, "promoted by ann: better"),
    ]
    found = rebuilt(versions, 4, 3)  # 4 was in production, then 3 again
    assert [entry.stack for entry in found] == [(1,), (1, 4), (1, 4, 3)]
    assert [(entry.number, entry.was) for entry in found] == [(1, None), (2, 1), (3, 4)]
    last = found[-1]
    assert (last.who, last.forced, last.decision) == ("bob", True, "abc")
    assert last.why.startswith("we: need it")
    assert (last.numbers, last.gate_set) == ({"now": 31.5}, "f" * 64)
    assert rebuilt(versions[1:2], None, None) == []


def test_entries_are_in_the_order_of_their_numbers(registry):
    history = find_history(registry, NAME)
    for number in (9999, 10000):
        history.append(Entry(number, "promote", (1, number), 1, "", "ann", ""))
    assert find_history(registry, NAME).last.number == 10000


def test_a_refreshed_version_keeps_what_became_of_it(registry):
    (entry,) = find_history(registry, NAME).entries
    found = refreshed(registry, Version(NAME, 1, {}, 0, "", None))
    assert found.tags[DECISION] == entry.decision
