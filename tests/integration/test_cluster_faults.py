"""What a cluster may lack or lose, each as one line: real schedulers and real processes."""

import os
import signal
import threading
import time

import pytest

from kdsharp.cluster.spread import VARIABLE, spread
from kdsharp.errors import KdsharpError, TransientError, UserError
from tests.integration.servers import free_port, running_dask

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def slow(item):
    time.sleep(0.3)
    return item * item


def deadly(item):
    os.kill(os.getpid(), signal.SIGKILL)


def picky(item):
    if item == 3:
        raise UserError(f"{item} is bad")
    return item


@pytest.fixture(scope="module")
def cluster():
    with running_dask(2) as address:
        yield address


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def results(monkeypatch, address, function, count=12):
    monkeypatch.setenv(VARIABLE, f"dask://{address}")
    return list(spread(function, [[n, n + 1] for n in range(0, count, 2)]))


def test_results_come_in_their_order_and_nothing_is_left(cluster, place, monkeypatch):
    assert results(monkeypatch, cluster, slow) == [n * n for n in range(12)]
    assert list(place.iterdir()) == []


def test_an_error_is_that_of_the_function_and_the_cluster_lives_on(cluster, place, monkeypatch):
    with pytest.raises(UserError, match="3 is bad"):
        results(monkeypatch, cluster, picky)
    assert results(monkeypatch, cluster, picky, 2) == [0, 1]


def test_a_shard_that_ends_its_workers_ends_the_run(cluster, place, monkeypatch):
    with pytest.raises(KdsharpError, match="4 workers ended one after the other at the same shard"):
        results(monkeypatch, cluster, deadly, 2)
    assert results(monkeypatch, cluster, slow, 2) == [0, 1]


def test_no_scheduler(place, monkeypatch):
    monkeypatch.setattr("kdsharp.cluster.on_dask._CONNECT", 2)
    with pytest.raises(TransientError, match="no Dask scheduler answers at tcp://"):
        results(monkeypatch, f"127.0.0.1:{free_port()}", slow)


def test_no_worker(place, monkeypatch):
    monkeypatch.setattr("kdsharp.cluster.on_dask._LOOK", 2)
    with (
        running_dask(0) as address,
        pytest.raises(TransientError, match="has no workers: start some with dask worker tcp://"),
    ):
        results(monkeypatch, address, slow)


def test_a_worker_of_two_threads(place, monkeypatch):
    with (
        running_dask(1, "--nthreads", "2") as address,
        pytest.raises(UserError, match="has 2 threads: start it with --nthreads 1"),
    ):
        results(monkeypatch, address, slow)


def test_a_scheduler_that_is_lost(place, monkeypatch):
    from distributed import Client

    with running_dask(1) as address:
        with Client(f"tcp://{address}", set_as_default=False) as client:
            pid = client.run_on_scheduler(os.getpid)
        killer = threading.Timer(3, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(TransientError, match="is gone: start it, and run the same command"):
            results(monkeypatch, address, slow, 200)
        killer.join()
