"""The history on a real store: entries stay, and one writer wins."""

import multiprocessing
from dataclasses import replace

import pytest

from kdsharp.errors import KdsharpError, TransientError, UserError
from pipeline.release.registry.history import Entry, find_history, known_scores, open_history
from pipeline.release.registry.versions import open_registry

FIRST = Entry(
    1, "promote", (1,), None, "2026-11-22T10:00:00Z", "ann", "good", numbers={"now": 30.0}
)
SECOND = Entry(2, "promote", (1, 2), 1, "2026-11-22T11:00:00Z", "bob", "better")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def registry(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with open_registry() as opened:
        yield opened


def test_entries_come_back_as_they_were_written(registry):
    history = open_history(registry, "kdsharp-student-a")
    assert history.last.version is None
    history.append(FIRST)
    history.append(SECOND)
    again = find_history(registry, "kdsharp-student-a")
    assert again.entries == [FIRST, SECOND]
    assert (again.last.version, again.last.previous) == (2, 1)
    assert open_history(registry, "kdsharp-student-a").run_id == history.run_id


def test_who_comes_second_changes_nothing(registry):
    one = open_history(registry, "kdsharp-student-b")
    other = find_history(registry, "kdsharp-student-b")
    one.append(FIRST)
    with pytest.raises(TransientError, match="version 1 was put into production meanwhile by ann"):
        other.append(replace(FIRST, who="bob", stack=(7,)))
    assert find_history(registry, "kdsharp-student-b").entries == [FIRST]
    # The same entry twice is a race as well, and no success.
    with pytest.raises(TransientError, match="was put into production meanwhile by ann"):
        find_and_append(registry, Entry(1, "promote", (1,), None, FIRST.when, "ann", "good"))


def find_and_append(registry, entry):
    find_history(registry, "kdsharp-student-b").append(entry)


def test_a_name_that_is_not_registered(registry):
    with pytest.raises(UserError, match="is not registered: python -m pipeline register"):
        find_history(registry, "kdsharp-student-c")


def test_a_model_that_was_made_by_hand_gets_a_history(registry):
    registry.client.create_registered_model("kdsharp-student-d")
    find_history(registry, "kdsharp-student-d").append(FIRST)
    assert find_history(registry, "kdsharp-student-d").entries == [FIRST]


def test_a_long_reason_is_cut_and_not_refused(registry):
    history = open_history(registry, "kdsharp-student-e")
    history.append(replace(FIRST, why="because " * 2000, stack=tuple(range(1000))))
    (entry,) = find_history(registry, "kdsharp-student-e").entries
    assert entry.why.startswith("because ")
    assert len(entry.why) < 6000
    # The first is kept as well: candidates are compared with it.
    assert entry.stack == (0, *range(801, 1000))


def test_what_is_no_entry_is_named(registry):
    history = open_history(registry, "kdsharp-student-f")
    registry.client.log_param(history.run_id, "0001", "{}")
    with pytest.raises(KdsharpError, match="entry 0001 of the history of kdsharp-student-f"):
        find_history(registry, "kdsharp-student-f")


def write(store, who, barrier, results):
    import os

    os.environ["MLFLOW_TRACKING_URI"] = store
    with open_registry() as registry:
        history = open_history(registry, "kdsharp-student-g")
        barrier.wait()
        try:
            history.append(replace(FIRST, who=who, token=who))
            results.put(who)
        except TransientError:
            results.put(None)


def test_of_several_processes_one_wins(store, registry):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    workers = [
        context.Process(target=write, args=(store, f"process {n}", barrier, results))
        for n in range(4)
    ]
    for worker in workers:
        worker.start()
    said = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    (winner,) = [who for who in said if who]
    (entry,) = find_history(registry, "kdsharp-student-g").entries
    assert entry.who == winner


def test_scores_are_those_of_the_last_comparison():
    later = replace(SECOND, numbers={"now": 31.0, "was": 30.5})
    back = Entry(3, "rollback", (1,), 2, "", "", "", numbers={"now": 99.0})
    assert known_scores([FIRST, later, back]) == {1: 30.5, 2: 31.0}
