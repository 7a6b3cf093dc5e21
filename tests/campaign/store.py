"""A store in which somebody has worked for years: runs and versions, many at a time, by SQL.

They are copies of what the pipeline itself has recorded: with all their parameters, numbers and
tags, but without files.
"""

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

DAY_MS = 86_400_000
"""So far apart are two of them."""


def grow(database: Path, name: str, runs: int, versions: int) -> None:
    """Add runs and versions of `name` until there are so many, and what production was meanwhile.

    Version 1 has to be in production; it is again at the end. The candidate stays what it is.
    """
    with contextlib.closing(sqlite3.connect(database)) as store:
        _add_runs(store, runs - _count(store, "runs"))
        _add_versions(store, name, versions)
        store.commit()
        store.execute("analyze")


def _add_runs(store: sqlite3.Connection, more: int) -> None:
    """Copies of the runs that trained a student, older by a day each."""
    (model,) = store.execute(
        "select run_uuid from tags where key = 'kdsharp.stage' and value = 'student' limit 1"
    ).fetchone()
    run = _rows(store, "runs", "run_uuid", model)[0]
    ids = [hashlib.md5(f"run {number}".encode()).hexdigest() for number in range(more)]
    copies = []
    for number, run_id in enumerate(ids, start=1):
        shift = number * DAY_MS
        copies.append(
            run
            | {"run_uuid": run_id, "name": f"student {number}"}
            | {key: run[key] - shift for key in ("start_time", "end_time")}
        )
    _insert(store, "runs", copies)
    for table in ("tags", "params", "metrics", "latest_metrics"):
        rows = _rows(store, table, "run_uuid", model)
        _insert(store, table, (row | {"run_uuid": run_id} for run_id in ids for row in rows))


def _add_versions(store: sqlite3.Connection, name: str, versions: int) -> None:
    (version,) = _rows(store, "model_versions", "name", name)
    tags = _rows(store, "model_version_tags", "name", name)
    numbers = range(2, versions + 1)
    _insert(store, "model_versions", (version | {"version": number} for number in numbers))
    _insert(store, "model_version_tags", (_other(tag, n) for n in numbers for tag in tags))
    (history,) = store.execute(
        "select value from registered_model_tags where name = ? and key = 'kdsharp.history'",
        (name,),
    ).fetchone()
    (text,) = store.execute(
        "select value from params where run_uuid = ? and key = '0001'", (history,)
    ).fetchone()
    entries = []
    # One version in ten was promoted, and taken back.
    for number in numbers[::10]:
        for action, stack, was in (("promote", [1, number], 1), ("rollback", [1], number)):
            entry = json.loads(text) | {"action": action, "stack": stack, "was": was}
            entry["token"] = hashlib.md5(f"{action} {number}".encode()).hexdigest()
            entries.append(json.dumps(entry))
    _insert(
        store,
        "params",
        (
            {"key": f"{number:04d}", "value": entry, "run_uuid": history}
            for number, entry in enumerate(entries, start=2)
        ),
    )


def _other(tag: dict[str, object], number: int) -> dict[str, object]:
    """The tag of another version, whose files are others."""
    value = str(tag["value"])
    if tag["key"] == "kdsharp.files":
        files = json.loads(value)
        value = json.dumps({name: _digest(f"{name} {number}") for name in files})
    elif tag["key"] in ("kdsharp.content", "kdsharp.sha256"):
        value = _digest(f"{tag['key']} {number}")
    return tag | {"version": number, "value": value}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _count(store: sqlite3.Connection, table: str) -> int:
    return int(store.execute(f"select count(*) from {table}").fetchone()[0])


def _rows(store: sqlite3.Connection, table: str, key: str, value: str) -> list[dict]:
    found = store.execute(f"select * from {table} where {key} = ?", (value,))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _insert(store: sqlite3.Connection, table: str, rows) -> None:
    rows = iter(rows)
    if (first := next(rows, None)) is None:
        return
    names = ", ".join(first)
    command = f"insert into {table} ({names}) values ({', '.join('?' * len(first))})"
    store.execute(command, tuple(first.values()))
    store.executemany(command, (tuple(row.values()) for row in rows))
