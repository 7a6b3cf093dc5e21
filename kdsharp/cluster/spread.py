"""The same function for very many items: in threads of this machine, or on a cluster's.

`$KDSHARP_CLUSTER` says which: `local`, as without it, or `dask://HOST:PORT` for a Dask scheduler
(`kdsharp.cluster.on_dask`). Nothing that is written or measured depends on it, so it stands in
the environment and not among the parameters of any stage.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TypeVar

from kdsharp.errors import UserError

__all__ = ["VARIABLE", "cluster_address", "in_shards", "spread"]

VARIABLE = "KDSHARP_CLUSTER"
"""The environment variable that names the cluster."""

_PLAIN, _TLS = "dask://", "dask+tls://"

Item = TypeVar("Item")
Result = TypeVar("Result")


def cluster_address() -> str | None:
    """The scheduler's address as Dask writes it, such as `tcp://host:8786`; None: this machine.

    Raises `UserError` for anything else in `$KDSHARP_CLUSTER`.
    """
    value = os.environ.get(VARIABLE, "").strip()
    if value in ("", "local"):
        return None
    for prefix, protocol in ((_PLAIN, "tcp"), (_TLS, "tls")):
        host, _, port = value.removeprefix(prefix).rpartition(":")
        if value.startswith(prefix) and host and port.isdecimal():
            return f"{protocol}://{host}:{port}"
    raise UserError(
        f"{VARIABLE} is {value!r}: it must be {_PLAIN}HOST:PORT, {_TLS}HOST:PORT or local"
    )


def in_shards(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`items` in their order, `size` at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def spread(
    function: Callable[[Item], Result],
    shards: Sequence[Sequence[Item]],
    *,
    threads: int | None = None,
    shared: Path = Path(),
) -> Iterator[Result]:
    """`function` of each item of all `shards`, in their order.

    On this machine each item is a job for one of so many `threads`, by default one for each core.
    On a cluster each shard is a task for a worker, and is done again by another when its worker is
    lost: then `function` may have been called before, and must do no harm by that. There it
    travels as a pickle (so must items and results), runs in this process's folder, and `shared`
    is a folder in which all machines see each other's files.

    The first error of `function` is raised, and ends the rest. Raises `UserError` for a wrong
    `$KDSHARP_CLUSTER`, and as `kdsharp.cluster.on_dask.on_dask`.
    """
    address = cluster_address()
    if address is None:
        return _in_threads(function, chain.from_iterable(shards), threads)
    from kdsharp.cluster.on_dask import on_dask

    return on_dask(address, function, shards, shared)


def _in_threads(
    function: Callable[[Item], Result], items: Iterator[Item], threads: int | None
) -> Iterator[Result]:
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
