"""A second model that sees a share of the pictures and answers nobody; differences are logged."""

import io
import json
import math
import queue
import random
import sys
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kdsharp.errors import KdsharpError, describe
from kdsharp.imageio.read import open_photo
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.models import Models
from kdsharp.serve.options import Options
from kdsharp.serve.pool import Pool, Ticket
from kdsharp.serve.settings import Settings
from kdsharp.serve.work import Answer, sharpen_bytes

__all__ = ["Shadow"]

_WAITING = 8  # pictures; more are not seen, because the answers come first
_PAUSE, _PATIENCE = 0.05, 30.0  # seconds between looks for an idle moment, and for how long


@dataclass(frozen=True)
class _Seen:
    body: bytes
    options: Options
    answer: Answer


class Shadow:
    """Runs in one thread of its own, while nobody waits for an answer."""

    def __init__(self, settings: Settings, pool: Pool, metrics: Metrics) -> None:
        """Loads the second model; raises `UserError` if it is not one."""
        alone = replace(settings, model=settings.shadow, workers=1, threads=1)
        self._models, self._pool, self._metrics = Models(alone), pool, metrics
        self._share, self._most = settings.shadow_share, settings.max_megapixels
        self._log = settings.shadow_log
        self._random = random.Random(0)  # noqa: S311 - which pictures are seen is no secret
        self._queue: queue.Queue[_Seen] = queue.Queue(_WAITING)
        self._ended = threading.Event()
        threading.Thread(target=self._work, name="kdsharp-shadow", daemon=True).start()

    def offer(self, body: bytes, options: Options, answer: Answer) -> None:
        """Look at this picture as well, if it is its turn and there is room; returns at once.

        It has to be one that got the default model: no other would be replaced by the shadow.
        """
        if self._random.random() >= self._share:
            return
        unnamed = options.model_copy(update={"model": None})
        try:
            self._queue.put_nowait(_Seen(body, unnamed, answer))
        except queue.Full:
            self._metrics.shadowed.labels("dropped").inc()

    def close(self) -> None:
        """Begin no other picture."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                seen = self._queue.get(timeout=_PAUSE)
            except queue.Empty:
                continue
            if not self._idle():
                self._metrics.shadowed.labels("dropped").inc()
                continue
            try:
                line = self._compared(seen)
                self._metrics.shadowed.labels("failed" if "problem" in line else "seen").inc()
                self._write(line)
            except Exception as error:  # noqa: BLE001 - the next picture is seen all the same
                print(f"kdsharp serve: shadow: {describe(error)}", file=sys.stderr, flush=True)

    def _idle(self) -> bool:
        """Whether a moment came in which nobody waited."""
        end = time.monotonic() + _PATIENCE
        while self._pool.waiting and not self._ended.is_set():
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        return not self._ended.is_set()

    def _compared(self, seen: _Seen) -> dict[str, Any]:
        """What is logged: sizes, names and one number, nothing of the picture."""
        answer, start = seen.answer, time.perf_counter()
        line: dict[str, Any] = {
            "time": round(time.time(), 3),
            "size": list(answer.size),
            "received": len(seen.body),
            "sent": len(answer.body),
            "model": answer.model,
            "version": answer.version,
            "route": answer.route,
        }
        try:
            other = sharpen_bytes(self._models, seen.body, seen.options, self._most, Ticket())
        except KdsharpError as error:
            return line | {"problem": describe(error)}
        return line | {
            "shadow_sent": len(other.body),
            "shadow_model": other.model,
            "shadow_version": other.version,
            "shadow_route": other.route,
            "shadow_seconds": round(time.perf_counter() - start, 4),
            "psnr": _psnr(answer.body, other.body),
        }

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False)
        if self._log is None:
            print(text, file=sys.stderr, flush=True)
            return
        with self._log.open("a", encoding="utf-8") as log:
            log.write(text + "\n")


def _psnr(one: bytes, other: bytes) -> float | None:
    """Between two answers, in dB over all their samples, of 8 bits; None where they are equal."""
    if one == other:
        return None
    first, second = (_pixels(body) for body in (one, other))
    error = float(np.mean(np.square(first - second, dtype=np.float32)))
    return round(10 * math.log10(255**2 / error), 3) if error else None


def _pixels(body: bytes) -> Any:
    pixels = open_photo(io.BytesIO(body)).pixels
    return pixels.astype(np.float32) / (1 if pixels.dtype == np.uint8 else 257)
