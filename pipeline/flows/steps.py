"""What Prefect's worker does before it loads a flow: the pull steps of prefect.yaml.

A step runs in the checkout, in the very process that becomes the flow run: that inherits the
working directory, the environment and an open lock.
"""

import logging
import os
from pathlib import Path

from kdsharp.errors import describe
from pipeline.workspace.worktree import hold_worktree, prepare, tracking_uri

__all__ = ["in_checkout", "in_worktree"]


def in_worktree() -> dict[str, str]:
    """Go on in the worktree, brought to the checkout's HEAD, while no other run is in it."""
    log = _logger()
    try:
        hold_worktree(log.info)
        folder = prepare(log.info)
    except BaseException as error:
        log.error("%s", describe(error))
        raise
    os.chdir(folder)
    return {"directory": str(folder)}


def in_checkout() -> dict[str, str]:
    """Go on in the checkout itself, whose model in production it is about."""
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    return {"directory": str(Path.cwd())}


def _logger() -> logging.LoggerAdapter[logging.Logger]:
    """Lines in the pages of the flow run, which has not begun yet."""
    from prefect.logging.loggers import PrefectLogAdapter, get_logger

    extra = {
        "flow_run_id": os.environ["PREFECT__FLOW_RUN_ID"],
        "flow_run_name": "",
        "flow_name": "",
    }
    return PrefectLogAdapter(get_logger("prefect.flow_runs"), extra)
