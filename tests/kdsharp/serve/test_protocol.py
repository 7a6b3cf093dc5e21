"""Clients that are slow on purpose, and heads that are none: over real connections."""

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from kdsharp.serve.guard import MOST_HEAD
from kdsharp.serve.protocol import protocol

LIMIT = 0.3


async def app(scope, receive, send):
    """Answers everything with so many bytes as the query says."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    size = int(scope["query_string"] or b"2")
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * size})


@contextmanager
def running():
    config = uvicorn.Config(
        app,
        port=0,
        http=protocol(LIMIT),
        ws="none",
        log_config=None,
        h11_max_incomplete_event_size=MOST_HEAD,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def address():
    with running() as found:
        yield found


def talk(address, *pieces, pause=0.0, reads=True):
    """What the server says to these pieces, until it closes, and after how many seconds."""

    async def run():
        reader, writer = await asyncio.open_connection(*address, limit=1 << 14)
        start = time.monotonic()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            if not reads:
                await asyncio.sleep(4 * LIMIT)
            said = await asyncio.wait_for(reader.read(-1), 5)
        except ConnectionError:
            said = b""
        writer.close()
        return said, time.monotonic() - start

    return asyncio.run(run())


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_whole_heads_are_answered(address):
    assert talk(address, HEAD)[0].endswith(b"xx")
    assert talk(address, HEAD[:9], HEAD[9:], pause=LIMIT / 4)[0].endswith(b"xx")


def test_a_head_that_does_not_end(address):
    for pieces in ((b"GET / HT",), (), tuple(HEAD[i : i + 1] for i in range(20))):
        said, seconds = talk(address, *pieces, pause=LIMIT / 4)
        assert said == b""
        assert seconds < 20 * LIMIT / 4 + 2


def test_a_second_head_that_does_not_end(address):
    kept = HEAD.replace(b"Connection: close\r\n", b"")
    said, seconds = talk(address, kept, b"GET / HT", pause=0.1)
    assert said.endswith(b"xx")
    assert seconds < 2


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00" * 20,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2 * MOST_HEAD,
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"no request\r\n\r\n",
    ],
)
def test_what_is_no_head(address, head):
    said, _ = talk(address, head)
    assert said.startswith(b"HTTP/1.1 400") or said == b""
    if said:
        assert said.endswith(b'its head is too long"}')


def test_an_answer_that_nobody_takes(address):
    head = HEAD.replace(b"GET /", b"GET /?50000000")
    said, _ = talk(address, head, reads=False)
    assert len(said) < 50_000_000
    assert talk(address, head)[0].endswith(b"x")
