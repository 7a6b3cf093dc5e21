"""`kdsharp serve` under load: latency alone, throughput of many clients, and memory.

    python -m benchmarks.serve
    python -m benchmarks.serve --clients 4 --seconds 1 --rounds 1 --requests 50     # a quick look

A service of its own is started on loopback; the clients are in this process, one connection each,
and send the next picture when they have the answer. Beside it stands what the service is made of,
the engine and the codecs called by as many threads, in turns with the clients, so that another
program on the machine disturbs both alike. Pictures are JPEGs of about `--megapixels`.
"""

import argparse
import asyncio
import io
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil
from PIL import Image
from skimage import data

from benchmarks.common.command import log, parser_of
from benchmarks.common.machine import Others, cpu, made_by
from kdsharp import Sharpener
from kdsharp.errors import KdsharpError
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.file import sharpen_file
from kdsharp.tables import markdown

__all__ = ["main"]

_HEAD = "POST /v1/sharpen HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_QUALITY = 90
_WARM = 8  # requests before anything is timed
_MEGABYTE = 1e6


@dataclass(frozen=True)
class _Service:
    process: "subprocess.Popen[str]"
    port: int

    @property
    def memory(self) -> float:
        """In megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / _MEGABYTE

    @property
    def spent(self) -> float:
        """Seconds of all cores."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


class _Others(Others):
    """The service is not another program."""

    @staticmethod
    def _now() -> tuple[float, float, float]:
        busy, whole, own = Others._now()
        spent = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return busy, whole, own + sum(times.user + times.system for times in spent)


def main() -> None:
    """Print two tables: what was measured with its goal, and the memory."""
    parser = parser_of("serve", __doc__)
    parser.add_argument("--model", default=None, help="else each picture chooses, as by default")
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--alone", type=int, default=40, help="requests one after the other")
    parser.add_argument("--seconds", type=float, default=10, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000, help="in all, for the memory")
    chosen = parser.parse_args()
    body = _picture(chosen.megapixels)
    others = _Others()
    with _started(chosen.model) as process:
        service = _Service(process, _port(process))
        _send(service, body, 2, _WARM)
        begin = service.memory
        with others:
            alone = _send(service, body, 1, chosen.alone)
            rows, sent = _turns(service, body, chosen)
        more = max(chosen.requests - sent, 1)
        middle = service.memory
        _send(service, _picture(0.05), chosen.clients, more)
        end = service.memory
        process.terminate()
    print(made_by("serve"))
    print(f"{cpu()}; other programs took {others.share:.0%} of the machine.\n")
    median = statistics.median(alone) * 1000
    rows = [("alone, median", f"{median:.0f} ms", "120 ms or less"), *rows]
    print(markdown(("what", "measured", "goal"), rows))
    print()
    table = [
        (f"after {_WARM} requests", f"{begin:.0f} MB"),
        (f"after {_WARM + len(alone) + sent:,}", f"{middle:.0f} MB"),
        (f"after {_WARM + len(alone) + sent + more:,}", f"{end:.0f} MB"),
    ]
    print(markdown(("memory of the service", ""), table))


def _turns(
    service: _Service, body: bytes, chosen: argparse.Namespace
) -> tuple[list[tuple[str, str, str]], int]:
    """Rows of the table, and how many requests were sent."""
    sharpener = Sharpener(chosen.model, streams=cores())
    _bare(sharpener, body, 0.1)
    shares: list[float] = []
    rates: list[float] = []
    costs: list[tuple[float, float]] = []
    taken: list[float] = []
    for number in range(chosen.rounds):
        bare, cost = _bare(sharpener, body, chosen.seconds)
        start, spent = time.perf_counter(), service.spent
        found = _send(service, body, chosen.clients, None, chosen.seconds)
        rates.append(len(found) / (time.perf_counter() - start))
        shares.append(rates[-1] / bare)
        costs.append((cost, (service.spent - spent) / len(found)))
        taken += found
        log(f"round {number + 1}: {bare:.1f} pictures/s bare, {rates[-1]:.1f} served")
    median, most = statistics.median(taken), float(np.percentile(taken, 99))
    before, after = (1000 * statistics.median(column) for column in zip(*costs, strict=True))
    who = f"{chosen.clients} clients"
    return [
        (f"{who}, pictures per second", f"{statistics.median(rates):.1f}", ""),
        (f"{who}, of engine and codecs", f"{statistics.median(shares):.0%}", "90 % or more"),
        ("CPU for a picture, bare and served", f"{before:.0f} and {after:.0f} ms", ""),
        (f"{who}, median", f"{median * 1000:.0f} ms", ""),
        (f"{who}, p99 / median", f"{most / median:.1f}", "5 or less"),
        (f"{who}, slowest / median", f"{max(taken) / median:.1f}", ""),
    ], len(taken)


def _bare(sharpener: Sharpener, body: bytes, seconds: float) -> tuple[float, float]:
    """Pictures per second of engine and codecs, in as many threads as the service has.

    And the seconds of all cores that each took.
    """
    end = time.perf_counter() + seconds

    def work() -> int:
        count = 0
        while time.perf_counter() < end or not count:
            sharpen_file(sharpener, io.BytesIO(body), io.BytesIO())
            count += 1
        return count

    start, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(cores()) as pool:
        jobs = [pool.submit(work) for _ in range(cores())]
        count = sum(job.result() for job in jobs)
    return count / (time.perf_counter() - start), (time.process_time() - spent) / count


def _send(
    service: _Service, body: bytes, clients: int, count: int | None, seconds: float = 1e9
) -> Sequence[float]:
    """Seconds of each of `count` requests, or of all that fit; each has to succeed."""
    request = _HEAD.format(len(body)).encode() + body
    end, left = time.perf_counter() + seconds, [count if count is not None else 10**9]
    taken: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        while time.perf_counter() < end and left[0] > 0:
            left[0] -= 1
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            if not head.startswith(b"HTTP/1.1 200"):
                raise KdsharpError(f"the service said {head[:30]!r}")
            taken.append(time.perf_counter() - start)
        writer.close()

    async def run() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(run())
    return taken


def _started(model: str | None) -> "subprocess.Popen[str]":
    words = ["--model", model] if model else []
    command = [sys.executable, "-m", "kdsharp", "serve", "--port", "0", "--per-caller", "1000"]
    return subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stderr is not None
    first = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
    if not found:
        raise KdsharpError(f"the service did not start: {first.strip()}")
    return int(found[1])


def _picture(megapixels: float) -> bytes:
    """A photo that was enlarged by 2, as a JPEG."""
    side = round((megapixels * 1e6) ** 0.5)
    photo = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    small = photo.resize((-(-side // 2),) * 2, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


if __name__ == "__main__":
    main()
