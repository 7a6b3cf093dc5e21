"""The server that Prefect starts for one run where there is no other, and what if it is gone."""

import os
import sys
import threading
import time

__all__ = ["end_with_server"]

_LOOK_S = 1.0
_TAKEN = 3  # uvicorn's exit code for a port that another took first: Prefect starts it again


def end_with_server() -> None:
    """From now on end this process, with a line and exit code 1, soon after its server is gone.

    Prefect itself would try for minutes to tell the server how the run goes on. A stage at work
    sees that nobody waits for it, and ends with its checkpoint. Without such a server nothing
    happens.
    """
    threading.Thread(target=_watch, name="kdsharp-server", daemon=True).start()


def _watch() -> None:
    from prefect.server.api.server import SubprocessASGIServer

    seen = None  # was gone already at the last look; at its own end Prefect forgets it meanwhile
    while True:
        time.sleep(_LOOK_S)
        server = SubprocessASGIServer().server_process
        gone = server is not None and server.poll() not in (None, _TAKEN)
        if server is not None and gone and server is seen:
            # Prefect may be in the middle of a line of its own.
            print(
                f"\npipeline: error: Prefect's temporary server ended with {server.returncode}: "
                "what the stages made is kept, run the same command again",
                file=sys.stderr,
                flush=True,
            )
            os._exit(1)
        seen = server if gone else None
