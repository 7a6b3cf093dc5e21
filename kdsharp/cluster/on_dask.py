"""Shards as tasks of a Dask cluster: one for each, done again where a worker is lost.

Dask moves functions and results as pickles, so whoever reaches its scheduler runs code on every
worker: it belongs in a network of one's own, or behind TLS (docs/scaling.md).
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kdsharp.cluster.place import Place, here
from kdsharp.errors import KdsharpError, TransientError, UserError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["on_dask"]

_log = logging.getLogger(__name__)

_AHEAD = 4  # shards that wait for each worker, so that none waits for us
_CONNECT = 15.0  # seconds
_LOOK = 10.0  # seconds between two looks at whether there are workers, and patience at the start
_PATIENCE = 300.0  # seconds without a worker in the midst of the work: new ones may be on their way

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Task(Generic[Item, Result]):
    """A shard, to be done by a worker."""

    function: Callable[[Item], Result]
    shard: Sequence[Item]
    place: Place

    def __call__(self) -> list[Result]:
        from distributed import get_worker

        worker = get_worker()
        self.place.enter(worker.address, worker.state.nthreads)
        return [self.function(item) for item in self.shard]


def on_dask(
    address: str,
    function: Callable[[Item], Result],
    shards: Sequence[Sequence[Item]],
    shared: Path,
) -> Iterator[Result]:
    """`function` of each item of all `shards`, in their order, by the cluster at `address`.

    Otherwise as `kdsharp.cluster.spread.spread`. Raises `TransientError` where no scheduler or
    worker answers, or the scheduler is lost; `UserError` for a worker that is not set up alike;
    `KdsharpError` for a shard that ends every worker that it meets.
    """
    run, numbered = uuid.uuid4().hex[:8], iter(enumerate(shards))
    waiting: dict[Future, int] = {}
    done: dict[int, list[Result]] = {}
    due = 0
    with _connected(address) as client, here(shared, _package_of(function)) as place:
        try:
            while True:
                room = _AHEAD * max(1, _workers(client)) - len(waiting)
                for number, shard in islice(numbered, max(0, room)):
                    key = f"kdsharp-{run}-{number}"
                    task = _Task(function, shard, place)
                    waiting[client.submit(task, key=key, pure=False)] = number
                if not waiting:
                    return
                for future in _finished(client, waiting):
                    done[waiting.pop(future)] = _result(future, address)
                while due in done:
                    yield from done.pop(due)
                    due += 1
        finally:
            if client.status == "running":
                with contextlib.suppress(OSError, TimeoutError):
                    client.cancel(list(waiting), force=True)


def _package_of(function: Callable[..., Any]) -> str:
    """The top-level package of the code that `function` runs."""
    while isinstance(function, partial):
        function = function.func
    return function.__module__.partition(".")[0]


@contextlib.contextmanager
def _connected(address: str) -> "Iterator[Client]":
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise UserError(
            f"a cluster at {address} needs Dask ({error.name} is missing): "
            "pip install 'kdsharp[dask]'"
        ) from None
    # What it has to say is said by our errors.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise TransientError(
            f"no Dask scheduler answers at {address} ({_line(error)}): start one with "
            "dask scheduler, or unset KDSHARP_CLUSTER"
        ) from None
    try:
        _wait_for_a_worker(client, address)
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=5)


def _wait_for_a_worker(client: "Client", address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_LOOK)
    except TimeoutError:
        raise TransientError(
            f"the Dask scheduler at {address} has no workers: start some with "
            f"dask worker {address} --nworkers 4 --nthreads 1"
        ) from None


def _workers(client: "Client") -> int:
    """How many there are; 0 as well where the scheduler does not answer."""
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError, CancelledError):
        return 0


def _finished(client: "Client", waiting: "dict[Future, int]") -> "Sequence[Future]":
    """Those that have ended, once there is one; a line at times while no worker is there."""
    from distributed import wait

    alone = None
    while True:
        try:
            with client.as_current():  # the one that `wait` asks
                ended = wait(list(waiting), timeout=_LOOK, return_when="FIRST_COMPLETED")
            return list(ended.done)
        except CancelledError:
            return list(waiting)  # the scheduler is gone, as the first result will say
        except TimeoutError:
            pass
        if _workers(client):
            alone = None
            continue
        alone = alone or time.monotonic()
        if time.monotonic() - alone > _PATIENCE:
            raise TransientError(
                "the cluster has no workers any more: start some, and run the same command again"
            )
        _log.warning("all workers of the cluster are gone: waiting for others")


def _result(future: "Future", address: str) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise KdsharpError(
            f"{error.allowed_failures + 1} workers ended one after the other at the same shard, "
            f"the last at {error.last_worker.address}: their memory may be too small, as their "
            "logs would say (dask worker --memory-limit)"
        ) from None
    except CancelledError:
        raise TransientError(
            f"the Dask scheduler at {address} is gone: start it, and run the same command again"
        ) from None
    except (RuntimeError, ModuleNotFoundError) as error:
        if "deserializ" not in str(error) and not isinstance(error, ModuleNotFoundError):
            raise
        raise UserError(
            f"the scheduler or a worker of {address} cannot load our code "
            f"({_line(error.__cause__ or error)}): start both with this project's environment"
        ) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
