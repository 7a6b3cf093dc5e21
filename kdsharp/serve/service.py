"""What all routes share: the models, the threads, who may come in, and the counters."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.requests import Request

from kdsharp.serve.admission import Admission
from kdsharp.serve.body import announced, gone, read_body
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.models import Models
from kdsharp.serve.observed import Observed
from kdsharp.serve.options import Options
from kdsharp.serve.pool import Pool, Ticket
from kdsharp.serve.refusal import Refused
from kdsharp.serve.settings import Settings
from kdsharp.serve.shadow import Shadow
from kdsharp.serve.watch import Watch
from kdsharp.serve.work import Answer, sharpen_bytes

__all__ = ["Service"]

T = TypeVar("T")

_BODIES = 8  # times the largest body that may be in memory in all


class Service:
    """The parts of a running service; made once, before the first request."""

    def __init__(self, settings: Settings) -> None:
        """Loads the models; raises `UserError` for what cannot be served."""
        self.settings, self.metrics = settings, Metrics()
        self.models = Models(settings)
        self.pool = Pool(settings.running, self.metrics)
        self.admission = Admission(
            settings.places, settings.per_caller, _BODIES * settings.max_bytes
        )
        self.watch = Watch(self.models, self.metrics, settings.poll)
        self.shadow = Shadow(settings, self.pool, self.metrics) if settings.shadow else None
        self.observed = Observed(settings, self.models, self.metrics) if settings.observe else None
        self.metrics.model.labels(self.models.default, self.models.version).set(1)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The body of an admitted request, which is in for the time of the block."""
        size = announced(request, self.settings.max_bytes)
        caller = request.client.host if request.client else ""
        try:
            with self.admission.enter(caller, size, self.pool.retry_after):
                yield await read_body(request, self.settings.max_bytes, self.settings.slow)
        except Refused as error:
            if error.reason:
                self.metrics.shed.labels(error.reason).inc()
            raise

    async def run(self, request: Request, work: Callable[[Ticket], T]) -> T:
        """What `work` returns, in one of the threads, unless the client goes away before."""
        return await self.pool.run(work, lambda: gone(request), self.settings.seconds)

    def sharpen(self, body: bytes, options: Options, ticket: Ticket) -> Answer:
        """One picture, counted; for a thread of the pool."""
        answer = sharpen_bytes(self.models, body, options, self.settings.max_megapixels, ticket)
        metrics, (width, height) = self.metrics, answer.size
        metrics.received.observe(len(body))
        metrics.sent.observe(len(answer.body))
        metrics.megapixels.observe(width * height / 1e6)
        metrics.routes.labels(answer.route, answer.model).inc()
        if self.shadow is not None and options.model in (None, self.models.default):
            self.shadow.offer(body, options, answer)
        if self.observed is not None:
            self.observed.offer(body, options, answer)
        return answer

    def close(self) -> None:
        """End the threads."""
        self.pool.close()
        if self.shadow is not None:
            self.shadow.close()
        if self.observed is not None:
            self.observed.close()
