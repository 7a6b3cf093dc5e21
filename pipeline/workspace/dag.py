"""DVC's side of a checkout: the stages of dvc.yaml, and the remote that its files go to."""

import os
from graphlib import TopologicalSorter
from pathlib import Path

from kdsharp.errors import UserError

__all__ = ["configure_remote", "plan"]

_NAME = "kdsharp"


def plan() -> list[str]:
    """The stages' names, each after all that it depends on, else in the order of the file.

    Raises `UserError` where DVC cannot read the project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo() as repo:
            # DVC's edges point from a stage to what it needs.
            needs = {stage: repo.index.graph.successors(stage) for stage in repo.index.stages}
            stages = list(TopologicalSorter(needs).static_order())
    except DvcException as error:
        raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
    names = [str(stage.addressing) for stage in stages if isinstance(stage, PipelineStage)]
    if not names:
        raise UserError("dvc.yaml has no stages: run from the root of the checkout")
    return names


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
