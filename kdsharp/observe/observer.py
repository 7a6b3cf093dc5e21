"""Looks at pictures beside the work on them: what goes wrong here costs a line, never a picture."""

import sys
import threading
from pathlib import Path

from kdsharp.errors import KdsharpError, describe
from kdsharp.observe.expect import Expects, shipped_expects
from kdsharp.observe.log import Log
from kdsharp.observe.record import Observation, Passed, observe
from kdsharp.routing.router import Router

__all__ = ["Observer"]


class Observer:
    """Writes a line a picture into a folder; may be used from several threads at once."""

    def __init__(self, folder: Path, source: str, pictures: float = 0.0) -> None:
        """`folder` and `pictures` are those of `kdsharp.observe.log.Log`, `source` says who sees.

        Raises `UserError` for a folder that cannot be written to.
        """
        self._log, self._source = Log(folder, pictures), source
        self._expects: Expects | None = shipped_expects()
        self._told, self._lock = False, threading.Lock()

    def see(
        self, file: Path | bytes, router: Router, passed: Passed, strength: float = 1.0
    ) -> Observation | None:
        """Look at the picture in `file`, which was `passed`; None if that could not be written.

        The first failure is told on stderr.
        """
        try:
            seen = observe(file, router, self._source, self._expects, passed, strength)
            return self._log.write(seen, file)
        except (KdsharpError, OSError) as error:
            with self._lock:
                told, self._told = self._told, True
            if not told:
                print(f"kdsharp: not observed: {describe(error)}", file=sys.stderr, flush=True)
            return None
