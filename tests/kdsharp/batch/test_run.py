import errno
import threading
import time
from pathlib import Path

import pytest

from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, run
from kdsharp.errors import UserError
from kdsharp.files import atomic_file

JOBS = [Job(Path(f"{i}.jpg"), Path(f"out/{i}.jpg")) for i in range(12)]


def outcomes_of(jobs, work, **options):
    outcomes = []
    run(jobs, work, options.pop("weigh", lambda job: 1), outcomes.append, **options)
    return {outcome.job: outcome for outcome in outcomes}


def test_each_is_done_once_in_threads_that_overlap():
    together = threading.Barrier(3, timeout=10)

    def work(job, writing):
        together.wait()  # passes only if three are under way at once
        return Done("written", (2, 1), "m")

    done = outcomes_of(JOBS, work, workers=3)
    assert sorted(done, key=JOBS.index) == JOBS
    assert {outcome.done for outcome in done.values()} == {Done("written", (2, 1), "m")}
    assert {outcome.code for outcome in done.values()} == {0}


@pytest.mark.parametrize(("weight", "most"), [(1, 3), (40, 2), (100, 1), (5000, 1)])
def test_what_is_under_way_is_bounded(weight, most):
    lock, now, seen = threading.Lock(), 0, []

    def work(job, writing):
        nonlocal now
        with lock:
            now += 1
            seen.append(now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return Done("written")

    outcomes_of(JOBS, work, workers=3, budget=100, weigh=lambda job: weight)
    assert len(seen) == len(JOBS)
    assert max(seen) == most


def test_failures_are_told_and_the_rest_is_done():
    errors = {
        1: UserError("1.jpg: is no picture"),
        2: OSError(errno.EACCES, "denied", "2.jpg"),
        3: ZeroDivisionError("by zero"),
    }

    def work(job, writing):
        if error := errors.get(int(job.source.stem)):
            raise error
        return Done("written")

    closed = Job(Path("closed"), Path("out/closed"), "closed: permission denied")
    done = outcomes_of([*JOBS, closed], work, workers=2)
    assert [done[job].code for job in JOBS[:5]] == [0, 2, 2, 1, 0]
    assert done[JOBS[1]].done == Done("failed", message="1.jpg: is no picture")
    assert done[JOBS[2]].done.message == "2.jpg: permission denied"
    assert done[JOBS[3]].done.message.startswith("internal error, ZeroDivisionError: by zero")
    assert done[closed].done == Done("failed", message="closed: permission denied")
    assert len(done) == 13


def test_a_full_disk_ends_the_run():
    begun = []

    def work(job, writing):
        begun.append(job)
        raise OSError(errno.ENOSPC, "No space left on device", str(job.target))

    with pytest.raises(OSError, match="No space left"):
        outcomes_of(JOBS, work, workers=2)
    assert len(begun) <= 3


def test_an_interrupt_lets_files_become_whole_and_nobody_begin(tmp_path):
    """One writes, one is before its writing, when the report of a third is interrupted."""
    writes, free = threading.Event(), threading.Event()

    def work(job, writing):
        number = int(job.source.stem)
        if number == 2:
            writes.wait(10)  # so that the interrupt comes while the file is half written
            return Done("written")
        if number == 1:
            free.wait(10)
        with writing, atomic_file(tmp_path / job.target.name) as temporary:
            temporary.write_text("half")
            writes.set()
            time.sleep(0.3)
            temporary.write_text("whole")
        return Done("written")

    def report(outcome):
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(JOBS, work, lambda job: 1, report, workers=3)
    assert time.monotonic() - start < 3
    free.set()
    time.sleep(0.2)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0.jpg": "whole"}


def test_an_interrupt_does_not_wait_for_a_slow_file(tmp_path, monkeypatch):
    monkeypatch.setattr("kdsharp.batch.run._GRACE", 0.1)
    writes, free = threading.Event(), threading.Event()

    def work(job, writing):
        if job is JOBS[1]:
            writes.wait(10)
            return Done("written")
        with writing, atomic_file(tmp_path / job.target.name) as temporary:
            temporary.write_text("half")
            writes.set()
            free.wait(10)
        return Done("written")

    def report(outcome):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(JOBS[:2], work, lambda job: 1, report, workers=2)
    assert list(tmp_path.iterdir()) == []
    free.set()
