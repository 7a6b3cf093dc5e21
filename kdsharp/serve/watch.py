"""Look at the model folder, and serve what promotion puts there without a request noticing."""

import asyncio
import sys
from pathlib import Path

from kdsharp.errors import describe
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.models import Models
from kdsharp.serve.snapshot import signature

__all__ = ["Watch"]


_PAUSE = 0.1  # seconds for the running requests between the steps of loading


class Watch:
    """Watches the folder of `models` every `seconds`; `problem` is why it is not what is served."""

    def __init__(self, models: Models, metrics: Metrics, seconds: float) -> None:
        self._models, self._metrics, self._seconds = models, metrics, seconds
        self.problem = ""
        self._seen = signature(models.folder) if models.folder else ()

    async def run(self) -> None:
        """Go on until it is cancelled; returns at once where no folder is served."""
        while self._models.folder is not None:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """Load what is new and try it beside the running requests, and only then serve it."""
        folder = self._models.folder
        assert folder is not None
        found = await asyncio.to_thread(signature, folder)
        if found == self._seen:
            return
        # Not looked at again until it changes; what changes while it is copied is seen next time.
        self._seen = found
        result = await asyncio.to_thread(self._take, folder)
        self._metrics.swaps.labels(result).inc()

    def _take(self, folder: Path) -> str:
        before = self._models.version
        try:
            served = self._models.load(folder, _PAUSE)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old model stays
            self.problem = describe(error)
            _tell(f"{self.problem}; {self._models.default} {before} stays")
            return "refused"
        self._models.swap(served)
        self.problem = ""
        version = served.snapshot.version
        self._metrics.model.clear()
        self._metrics.model.labels(served.snapshot.name, version).set(1)
        _tell(f"{served.snapshot.name} is now {version}, was {before}")
        return "taken"


def _tell(line: str) -> None:
    print(f"kdsharp serve: {line}", file=sys.stderr, flush=True)
