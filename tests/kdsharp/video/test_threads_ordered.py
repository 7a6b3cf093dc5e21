import threading
import time

import pytest

from kdsharp.video.threads import ordered_map


def test_order_is_kept_though_work_is_not():
    def work(n):
        time.sleep(0.02 if n % 3 == 0 else 0)
        return n * n

    assert list(ordered_map((n for n in range(30)), work, 4, 8)) == [n * n for n in range(30)]


def test_no_more_than_so_many_are_under_way():
    drawn = []

    def items():
        for n in range(100):
            drawn.append(n)
            yield n

    results = ordered_map(items(), lambda n: n, 2, 5)
    assert next(results) == 0
    time.sleep(0.1)
    assert len(drawn) <= 7
    results.close()
    assert len(drawn) <= 8


def test_closing_stops_the_threads_and_the_source():
    closed = []

    def items():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    before = threading.active_count()
    results = ordered_map(items(), lambda n: n, 2, 4)
    next(results)
    results.close()
    assert closed == ["kdsharp-read"]
    assert threading.active_count() == before


@pytest.mark.parametrize("where", ["items", "work"])
def test_what_is_raised_comes_after_what_was_done(where):
    def items():
        yield from range(5)
        if where == "items":
            raise ValueError("five")
        yield 5

    def work(n):
        if n == 5:
            raise ValueError("five")
        return n

    results, seen = ordered_map(items(), work, 2, 3), []
    with pytest.raises(ValueError, match="five"):
        seen.extend(iter(lambda: next(results), None))
    done = list(range(len(seen)))
    assert seen == done
