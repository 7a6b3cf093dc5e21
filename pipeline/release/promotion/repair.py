"""A history that was deleted in MLflow's pages: brought back, or made again from what is left."""

import json
import time

from kdsharp.errors import UserError
from pipeline.lock import locked
from pipeline.release.promotion.decision_record import DECISION, GATE, OUTCOME
from pipeline.release.promotion.production import put_in_place
from pipeline.release.registry.history import Entry, History, replace_history, restore_history
from pipeline.release.registry.pinned import find_model
from pipeline.release.registry.versions import (
    PREVIOUS,
    PRODUCTION,
    Log,
    Version,
    list_versions,
    open_registry,
)

__all__ = ["rebuilt", "repair"]

_PROMOTED = "promoted by "


def repair(model: str = "student", log: Log = print) -> History:
    """Make the history of `model` readable and writable again, and let all else follow it.

    A deleted run is restored with every entry. One that is gone for good is made again from
    versions and aliases: what was promoted, in its order, with `previous` and `production` at the
    end; rollbacks are not in it. Raises `UserError` where nothing is registered.
    """
    with locked("promote"), open_registry() as registry:
        name = find_model(registry, model)
        versions = list_versions(registry, name)
        if not versions:
            raise UserError(f"{name} has no versions: python -m pipeline register")
        history, how = restore_history(registry, name)
        if history is None:
            aliases = registry.client.get_registered_model(name).aliases
            numbers = {alias: int(number) for alias, number in aliases.items()}
            entries = rebuilt(versions, numbers.get(PREVIOUS), numbers.get(PRODUCTION))
            history = replace_history(registry, name, entries)
            how = f"made again from versions and aliases: {len(entries)} promotions"
        put_in_place(registry, history)
        number = history.last.version
        there = "nothing" if number is None else f"version {number}"
        log(f"{name}: its history was {how}; {there} is in production")
    return history


def rebuilt(versions: list[Version], previous: int | None, production: int | None) -> list[Entry]:
    """An entry for each version that was promoted; the aliases say which are the last two.

    Of versions no time of promotion is kept, so the others are in the order of their numbers.
    """
    there = {version.number: version for version in versions}
    last = [number for number in (previous, production) if number in there]
    said = {number: there[number].tags.get(OUTCOME, "") for number in there}
    first = [n for n in sorted(there) if said[n].startswith(_PROMOTED) and n not in last]
    entries: list[Entry] = []
    stack: tuple[int, ...] = ()
    for number in (*first, *(number for number in last if number is not None)):
        was, stack = (stack[-1] if stack else None), (*stack, number)
        entries.append(_entry(len(entries) + 1, stack, was, there[number]))
    return entries


def _entry(number: int, stack: tuple[int, ...], was: int | None, version: Version) -> Entry:
    tags = version.tags
    who, _, why = tags.get(OUTCOME, "").removeprefix(_PROMOTED).partition(": ")
    measured = json.loads(tags.get("kdsharp.gate_numbers", "{}"))
    psnr = measured.get("psnr_y.candidate")
    created = time.gmtime(version.created_ms / 1000)
    return Entry(
        number,
        "promote",
        stack,
        was,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
        who,
        f"{why} (made again by repair; the time is that of the version)".strip(),
        forced=tags.get(GATE) == "refused",
        numbers={} if psnr is None else {"now": psnr},
        decision=tags.get(DECISION, ""),
        gate_set=tags.get("kdsharp.gate_set", ""),
    )
