"""One change of what is in production: written to the history, put in place, or undone."""

import getpass
import socket
import time
from dataclasses import dataclass
from typing import Literal

from kdsharp.errors import KdsharpError, TransientError, describe
from pipeline.promotion.production import put_in_place
from pipeline.registry.connect import Registry
from pipeline.registry.history import Action, Entry, History

__all__ = ["Outcome", "Promotion", "change", "me"]

Outcome = Literal["promoted", "unchanged", "refused", "rejected", "rolled back"]


@dataclass(frozen=True)
class Promotion:
    """What became of a promotion or a rollback."""

    outcome: Outcome
    name: str
    version: int
    previous: int | None
    """The version that was in production before."""
    reason: str
    """One line."""
    report: str
    """Markdown."""
    picture: bytes | None = None
    """PNG."""


def change(
    registry: Registry,
    history: History,
    action: Action,
    stack: tuple[int, ...],
    *,
    who: str,
    why: str,
    forced: bool = False,
    weak: bool = False,
    numbers: dict[str, float] | None = None,
) -> Entry:
    """Make the last of `stack` the version in production; returns the entry of the history.

    The entry is the moment of the change: a process that is killed before it has changed nothing,
    after it the next promotion or rollback finishes the rest. If what is in production then does
    not work, all goes back, the history says so, and `KdsharpError` is raised.
    """
    before = history.last
    entry = Entry(
        number=before.number + 1,
        action=action,
        stack=stack,
        was=before.version,
        when=_now(),
        who=who,
        why=why,
        forced=forced,
        weak=weak,
        numbers=numbers or {},
    )
    history.append(entry)
    try:
        put_in_place(registry, history)
    except TransientError:
        raise  # the store is gone: whoever reaches it next goes on from the history
    except Exception as error:
        reason = describe(error)
        number = entry.number + 1
        history.append(Entry(number, "undo", before.stack, entry.version, _now(), who, reason))
        put_in_place(registry, history)
        raise KdsharpError(
            f"{reason}: version {before.version} is back in production"
            if before.version is not None
            else f"{reason}: nothing is in production, as before"
        ) from error
    return entry


def me() -> str:
    """Who is at work here: the user and the machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
