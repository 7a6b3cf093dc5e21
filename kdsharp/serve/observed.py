"""What the service observes of its pictures, in one thread of its own: answers come first."""

import queue
import sys
import threading
from dataclasses import dataclass

from kdsharp.errors import describe
from kdsharp.observe.observer import Observer
from kdsharp.observe.record import Passed
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.models import Models
from kdsharp.serve.options import Options
from kdsharp.serve.settings import Settings
from kdsharp.serve.work import Answer

__all__ = ["Observed"]

_WAITING = 64  # pictures; more are not observed, because the answers come first
_PAUSE = 0.05  # seconds between looks whether to end


@dataclass(frozen=True)
class _Seen:
    body: bytes
    options: Options
    answer: Answer


class Observed:
    """Takes pictures that were answered, and writes a line of each."""

    def __init__(self, settings: Settings, models: Models, metrics: Metrics) -> None:
        """Raises `UserError` where the folder cannot be written to."""
        assert settings.observe is not None
        self._observer = Observer(settings.observe, "serve", settings.observe_pictures)
        self._models, self._metrics = models, metrics
        self._queue: queue.Queue[_Seen] = queue.Queue(_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kdsharp-observe", daemon=True)
        self._thread.start()

    def offer(self, body: bytes, options: Options, answer: Answer) -> None:
        """Observe this picture as well, if there is room; returns at once."""
        try:
            self._queue.put_nowait(_Seen(body, options, answer))
        except queue.Full:
            self._metrics.observed.labels("dropped").inc()

    def close(self) -> None:
        """Write what waits, for some seconds at most, and end."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not (self._ended.is_set() and self._queue.empty()):
            try:
                one = self._queue.get(timeout=_PAUSE)
            except queue.Empty:
                continue
            try:
                self._see(one)
            except Exception as error:  # noqa: BLE001 - the next picture is seen all the same
                self._metrics.observed.labels("failed").inc()
                print(f"kdsharp serve: observe: {describe(error)}", file=sys.stderr, flush=True)

    def _see(self, one: _Seen) -> None:
        options, answer = one.options, one.answer
        router = self._models.find(options.model, options.undone, options.strength).router
        model = None if answer.model == "none" else answer.model
        passed = Passed(model, answer.version, answer.route)
        seen = self._observer.see(one.body, router, passed, options.strength)
        self._metrics.observed.labels("failed" if seen is None else "seen").inc()
        if seen and seen.expected:
            self._metrics.expect(seen.expected.gain)
