"""`python -m pipeline retrain`: the flow at a terminal, with or without a Prefect server.

The flow runs in a process of its own, in a session of its own. A terminal sends Ctrl-C to every
process of the foreground group; Prefect's temporary server would end first, and the flow would
try for two minutes to report to it that it was interrupted.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from kdsharp.errors import KdsharpError, UserError, run
from pipeline.parent import PARENT, end_with_parent
from pipeline.services.prefect_server import configure, require_pages
from pipeline.services.temporary_server import end_with_server

__all__ = ["launch_retrain"]

_DISTILL_ONLY, _PROMOTE, _TEACHER_EVERY = "--distill-only", "--promote", "--teacher-every"
_PROPOSAL = "--proposal"


def launch_retrain(
    *,
    distill_only: bool = False,
    promote: bool = False,
    teacher_every: int = 0,
    proposal: Path | None = None,
) -> None:
    """Run the flow and exit with its code; Ctrl-C and SIGTERM end it and the stage it runs.

    The code is 1 as well when the gate or a person turned the result down.
    """
    options = {_DISTILL_ONLY: distill_only, _PROMOTE: promote}
    chosen = [option for option, wanted in options.items() if wanted]
    if teacher_every:
        chosen.append(f"{_TEACHER_EVERY}={teacher_every}")
    if proposal:
        from pipeline.monitoring.proposal import read_proposal

        read_proposal(proposal)
        chosen.append(f"{_PROPOSAL}={proposal.absolute()}")
    command = [sys.executable, "-m", "pipeline.flows.launch", *chosen]
    env = os.environ | {PARENT: str(os.getpid())}
    with subprocess.Popen(command, env=env, start_new_session=True) as flow:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: flow.send_signal(received))
        code = flow.wait()
    with contextlib.suppress(ProcessLookupError):  # the temporary server of a flow that was killed
        os.killpg(flow.pid, signal.SIGTERM)
    if code < 0:
        raise KdsharpError(f"ended by {signal.Signals(-code).name}")
    raise SystemExit(code)


def _main() -> None:
    """First check everything that can be wrong, then run the flow."""
    from pipeline.params import load_params
    from pipeline.workspace.dag import plan

    params = load_params()
    plan()
    configure()
    if _PROMOTE in sys.argv:
        require_pages(params.promotion)
    if not os.environ.get("KDSHARP_DEBUG"):
        # Prefect's own console repeats each line with its names and prints tracebacks.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    _check_server()
    _run_flow()


def _check_server() -> None:
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        print("starting Prefect (10 to 30 s; at once with a server: make up)", flush=True)
        end_with_server()
        return
    from prefect import get_client

    with get_client(sync_client=True) as client:
        if (error := client.api_healthcheck()) is not None:
            raise UserError(
                f"Prefect's server at {address} is not reachable ({error}): "
                "start it, or unset PREFECT_API_URL"
            )


def _run_flow() -> None:
    import httpx

    from pipeline.flows.promote import TURNED_DOWN
    from pipeline.flows.retrain import retrain

    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addHandler(_Lines(logging.INFO))
    try:
        done = retrain(
            distill_only=_DISTILL_ONLY in sys.argv,
            promote=_PROMOTE in sys.argv,
            teacher_every=int(_value(_TEACHER_EVERY) or 0),
            proposal=_value(_PROPOSAL),
            return_state=True,
        )
    except httpx.HTTPError as error:
        raise KdsharpError(
            f"Prefect's server no longer answers ({error}): "
            "what the stages made is kept, run the same command again"
        ) from error
    if (done.name or "").lower() in TURNED_DOWN:
        raise SystemExit(1)
    done.result()  # raises what went wrong


def _value(option: str) -> str:
    """What follows `option=`; empty without it."""
    values = [word.partition("=")[2] for word in sys.argv if word.startswith(f"{option}=")]
    return values[0] if values else ""


class _Lines(logging.Handler):
    """Prints what the project's own code logs, and nothing that Prefect says."""

    def emit(self, record: logging.LogRecord) -> None:
        if Path(__file__).parents[1] in Path(record.pathname).parents:
            print(record.getMessage(), flush=True)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(run(_main, program="pipeline"))
