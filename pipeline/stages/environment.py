"""Stage `environment`: the packages that decide a training's bytes.

A stage of its own, because DVC asks by content: the lock file may change as it likes, networks are
trained anew only when one of these packages does.
"""

import json
import logging
import re
from importlib.metadata import PackageNotFoundError, version

from kdsharp.errors import UserError
from kdsharp.files import write_json
from pipeline.environment import LOCK
from pipeline.params import Params
from pipeline.paths import ENVIRONMENT
from pipeline.stages.run import run_stage

__all__ = ["main", "require_current"]

_log = logging.getLogger(__name__)

_DECIDING = ("numpy", "torch")


def main(params: Params) -> None:
    """Write data/environment.json: versions of packages, or that they do not count."""
    if params.environment == "ignore":
        write_json(ENVIRONMENT, {"environment": "ignore"})
        return
    found, wanted = _installed(), _locked()
    for name, number in found.items():
        if name in wanted and number not in wanted[name]:
            _log.warning(
                "%s %s is installed, %s has %s: scripts/setup installs that",
                name,
                number,
                LOCK,
                " or ".join(sorted(wanted[name])),
            )
    write_json(ENVIRONMENT, found)


def require_current(params: Params) -> None:
    """Raise `UserError` if other packages are installed than DVC has noted for its stages."""
    if params.environment == "ignore" or not ENVIRONMENT.is_file():
        return
    noted = json.loads(ENVIRONMENT.read_text(encoding="utf-8"))
    for name, number in _installed().items():
        if noted.get(name) != number:
            raise UserError(
                f"{name} {number} is installed, but {ENVIRONMENT} says {noted.get(name)}: "
                "dvc repro -f environment notes it, scripts/setup installs that of the lock file"
            )


def _installed() -> dict[str, str]:
    """Package -> version.

    Without what stands behind a plus, such as `+cpu`: machines of one team differ in it.
    """
    return {name: _version(name) for name in _DECIDING}


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "none"


def _locked() -> dict[str, set[str]]:
    """The same as requirements.lock has them, which may name several for several Pythons."""
    text = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    found: dict[str, set[str]] = {}
    for name, number in re.findall(r"^([\w.-]+)==([^\s;\\+]+)", text, re.MULTILINE):
        if name in _DECIDING:
            found.setdefault(name, set()).add(number)
    return found


if __name__ == "__main__":
    run_stage(main)
