import sys
import threading

import pytest

from kdsharp.cluster.spread import VARIABLE, cluster_address, in_shards, spread
from kdsharp.errors import UserError


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("", None),
        ("local", None),
        ("dask://10.0.0.1:8786", "tcp://10.0.0.1:8786"),
        ("dask+tls://head.lan:8786", "tls://head.lan:8786"),
        ("dask://[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_the_variable_names_this_machine_or_a_scheduler(monkeypatch, value, address):
    monkeypatch.setenv(VARIABLE, value)
    assert cluster_address() == address


@pytest.mark.parametrize(
    "value", ["ray://head:1", "dask://head", "dask://:8786", "dask://head:port", "tcp://head:1"]
)
def test_anything_else_is_refused(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UserError, match=r"KDSHARP_CLUSTER is '.*': it must be dask://HOST:PORT"):
        spread(str, [[1]])


def test_shards_hold_every_item_once_in_order():
    shards = in_shards(range(10), 4)
    assert [list(shard) for shard in shards] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert in_shards([], 4) == []


def test_results_come_in_the_order_of_the_items_whoever_is_first():
    second = threading.Event()

    def wait_for_the_second(item):
        if item == 0:
            assert second.wait(10)
        if item == 1:
            second.set()
        return item * item

    shards = in_shards(range(7), 3)
    assert list(spread(wait_for_the_second, shards, threads=2)) == [n * n for n in range(7)]


def test_the_first_error_ends_it():
    begun = []

    def fail(item):
        begun.append(item)
        raise UserError(f"{item} is bad")

    with pytest.raises(UserError, match="0 is bad"):
        list(spread(fail, [range(1000)], threads=1))
    assert len(begun) < 1000


def test_a_cluster_without_dask_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "dask://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'kdsharp\[dask\]'"):
        list(spread(str, [[1]]))
