"""Which registered model a verb is about when it must not depend on today's params.yaml.

Whoever takes a bad model back means the one that was put into production, although an experiment or
a preset may have changed params.yaml since. So a promotion notes its model beside
models/production, one for each role.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from kdsharp.errors import UserError
from kdsharp.files import write_json
from pipeline.paths import PRODUCTION
from pipeline.release.gate.evidence import Role
from pipeline.release.registry.names import role_of
from pipeline.release.registry.versions import CANDIDATE, Log, Registry
from pipeline.release.registry.versions import PRODUCTION as IN_USE
from pipeline.tracking.store import shown_uri

__all__ = ["Listed", "find_model", "list_models", "pin", "pinned"]


@dataclass(frozen=True)
class Listed:
    """A registered model and the numbers of two of its versions; None: it has no such."""

    name: str
    production: int | None
    candidate: int | None


def pin(name: str) -> None:
    """Note that the registered model `name` is the one of its role that this checkout is about."""
    if pinned(role_of(name)) != name:
        write_json(_file(), {**_read(), role_of(name): name})


def pinned(role: Role) -> str | None:
    """The model of that role that was promoted here last; None where none was."""
    name = _read().get(role)
    return name if isinstance(name, str) else None


def find_model(registry: Registry, model: str, log: Log = lambda _: None) -> str:
    """The registered model that `model` means, whatever params.yaml says.

    A full name stands for itself. `student` and `teacher` mean the one that was promoted here last,
    else the only one that is registered or in production; `log` is told which. Raises `UserError`
    where there is none, or several and no reason to prefer one.
    """
    role = next((role for role in get_args(Role) if role == model), None)
    if role is None:
        role_of(model)
        return model
    there = list(list_models(registry, role))
    if not there:
        raise UserError(f"no {role} is registered in {shown_uri()}: python -m pipeline register")
    name = pinned(role)
    if name in {one.name for one in there}:
        log(f"{name}: the {role} that was promoted here last")
        return str(name)
    in_use = [one for one in there if one.production is not None]
    for few, why in ((there, "registered"), (in_use, "in production")):
        if len(few) == 1:
            log(f"{few[0].name}: the only {role} that is {why}")
            return few[0].name
    names = ", ".join(one.name for one in in_use or there)
    raise UserError(f"which {role}? None was promoted from here; --model takes one of {names}")


def list_models(registry: Registry, role: Role | None = None) -> Iterator[Listed]:
    """All that are registered, by name; with `role` only those of it."""
    token: str | None = None
    while True:
        page = registry.client.search_registered_models(
            "name LIKE 'kdsharp-%'", order_by=["name ASC"], page_token=token
        )
        for model in page:
            if role is None or f"{model.name}-".startswith(f"kdsharp-{role}-"):
                yield Listed(
                    model.name, *(_number(model.aliases.get(a)) for a in (IN_USE, CANDIDATE))
                )
        token = page.token
        if not token:
            return


def _number(version: str | int | None) -> int | None:
    return None if version is None else int(version)


def _file() -> Path:
    return PRODUCTION.with_name(".production.json")


def _read() -> dict[str, object]:
    """A note that is damaged counts as none: the next promotion writes it again."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
