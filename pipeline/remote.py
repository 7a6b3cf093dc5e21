"""Where DVC pushes to and pulls from, chosen by the environment."""

import os
from pathlib import Path

from kdsharp.errors import UserError

__all__ = ["configure_remote"]

_NAME = "kdsharp"


def configure_remote() -> str | None:
    """Make $KDSHARP_DVC_REMOTE the default remote of this checkout; returns its address.

    DVC reads no remote from the environment, so it is written to `.dvc/config.local`, which git
    ignores; other settings there stay, and nothing is written twice. Without the variable nothing
    changes and None is returned. Credentials are DVC's own business: AWS_* for `s3://`.
    Raises `UserError` outside a DVC project and where DVC refuses its configuration.
    """
    address = os.environ.get("KDSHARP_DVC_REMOTE")
    if not address:
        return None
    from dvc.config import Config, ConfigError

    url = address if "://" in address else str(Path(address).expanduser().resolve())
    try:
        config = Config.from_cwd()
        known = config["remote"].get(_NAME, {})
        if known.get("url") != url or config["core"].get("remote") != _NAME:
            with config.edit("local") as local:
                local["remote"].setdefault(_NAME, {})["url"] = url
                local["core"]["remote"] = _NAME
    except ConfigError as error:
        raise UserError(f"KDSHARP_DVC_REMOTE: {error}") from error
    return url
