"""The queue: who is turned away, who is dropped, and what stops."""

import asyncio
import threading
import time

import pytest

from kdsharp.serve.admission import Admission
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.options import Options
from kdsharp.serve.pool import Pool, Ticket
from kdsharp.serve.refusal import Gone, Refused
from kdsharp.serve.work import sharpen_bytes

SHARPEN = "/v1/sharpen"


def never():
    return asyncio.Event().wait()


@pytest.fixture
def pool():
    made = Pool(1, Metrics())
    yield made
    made.close()


class Held:
    """A job that waits until it is let go."""

    def __init__(self):
        self.begun, self.free, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, ticket):
        self.begun.set()
        self.free.wait(10)
        try:
            ticket.check()
        finally:
            self.ended.set()
        return "done"


def test_in_turn(pool):
    order = []

    async def run():
        jobs = [pool.run(lambda _, n=n: order.append(n), never, 5) for n in range(20)]
        await asyncio.gather(*jobs)

    asyncio.run(run())
    assert order == list(range(20))
    assert (pool.waiting, pool.running) == (0, 0)


def test_who_left_before_his_turn_costs_nothing(pool):
    first, second = Held(), Held()

    async def run():
        running = asyncio.create_task(pool.run(first, never, 5))
        left = asyncio.Event()
        waiting = asyncio.create_task(pool.run(second, left.wait, 5))
        await asyncio.to_thread(first.begun.wait, 5)
        assert (pool.waiting, pool.running) == (1, 1)
        left.set()
        with pytest.raises(Gone):
            await waiting
        assert pool.waiting == 0
        first.free.set()
        assert await running == "done"

    asyncio.run(run())
    assert not second.begun.is_set()


def test_who_left_meanwhile_stops_the_work_at_its_next_step(pool):
    job = Held()

    async def run():
        left = asyncio.Event()
        running = asyncio.create_task(pool.run(job, left.wait, 5))
        await asyncio.to_thread(job.begun.wait, 5)
        left.set()
        with pytest.raises(Gone):
            await running
        job.free.set()
        await asyncio.to_thread(job.ended.wait, 5)

    asyncio.run(run())


def test_time_is_limited(pool):
    job = Held()

    async def run():
        with pytest.raises(Refused, match=r"took longer than 0\.05 s") as refused:
            await pool.run(job, never, 0.05)
        assert refused.value.status == 503
        job.free.set()

    asyncio.run(run())


def test_errors_come_through(pool):
    def broken(_):
        raise ValueError("no")

    async def run():
        with pytest.raises(ValueError, match="no"):
            await pool.run(broken, never, 5)

    asyncio.run(run())
    assert (pool.waiting, pool.running) == (0, 0)


def test_encoding_for_nobody_is_left_out(tiny, jpeg):
    ticket = Ticket()
    ticket.stop()
    with pytest.raises(Gone):
        sharpen_bytes(tiny.service.models, jpeg, Options(), 1, ticket)


def test_admission():
    admission = Admission(places=3, per_caller=2, most_bytes=100)
    with admission.enter("a", 40, 1), admission.enter("a", 40, 1):
        for caller, size, reason in (("a", 1, "caller"), ("b", 40, "bytes")):
            with pytest.raises(Refused) as refused, admission.enter(caller, size, 4):
                pass
            assert (refused.value.status, refused.value.reason) == (429, reason)
            assert refused.value.retry_after == 4
        with admission.enter("b", 1, 1):
            with pytest.raises(Refused) as refused:
                admission.enter("c", 1, 1).__enter__()
            assert refused.value.reason == "queue"
    assert admission.count == 0
    with admission.enter("a", 1000, 1):  # alone, whatever its size
        pass
    admission.closed = True
    with pytest.raises(Refused) as refused, admission.enter("a", 1, 1):
        pass
    assert refused.value.status == 503


def test_what_is_too_much_gets_429_and_a_time(made, jpeg):
    asked = made(workers=1, queue=2, per_caller=10)
    sharpen = asked.service.sharpen

    def slow(*given):
        time.sleep(0.1)
        return sharpen(*given)

    asked.service.sharpen = slow
    answers = asked.together(*[("POST", SHARPEN, {"content": jpeg})] * 8)
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 5
    shed = [answer for answer in answers if answer.status_code == 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in shed)
    assert 'kdsharp_shed_total{reason="queue"} 5.0' in asked.service.metrics.page().decode()


def test_a_caller_has_a_limit_of_his_own(made, jpeg):
    asked = made(workers=1, per_caller=2)
    answers = asked.together(*[("POST", SHARPEN, {"content": jpeg})] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]


def test_a_body_that_does_not_come(made):
    asked = made(slow=0.1)
    start = time.monotonic()
    answer = asked.ask("POST", SHARPEN, content=Slowly())
    assert answer.status_code == 408
    assert time.monotonic() - start < 3


class Slowly:
    """A body of which the second piece takes its time."""

    async def __aiter__(self):
        yield b"\xff"
        await asyncio.sleep(5)
        yield b"\xd8"


def test_once_it_stops_nothing_is_taken(made, jpeg):
    asked = made()
    asked.service.admission.closed = True
    answer = asked.ask("POST", SHARPEN, content=jpeg)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    ready = asked.ask("GET", "/v2/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert asked.ask("GET", "/v2/models/model/ready").status_code == 503
    assert asked.ask("GET", "/v2/health/live").status_code == 200
