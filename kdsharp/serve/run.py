"""Run the service until it is told to stop, and then let what runs come to its end."""

import logging
import socket
import sys
import threading
from types import FrameType

import uvicorn

from kdsharp.errors import UserError
from kdsharp.serve.app import make_app
from kdsharp.serve.guard import MOST_HEAD
from kdsharp.serve.protocol import protocol
from kdsharp.serve.service import Service
from kdsharp.serve.settings import Settings

__all__ = ["serve"]

_BACKLOG = 1024
_IDLE = 15  # seconds that a connection is kept for the next request
_NOTICE = 0.5  # seconds in which whoever asks can hear that the service is not ready any more
_LOOK = 0.05


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C: then nothing new is taken, and what runs is finished.

    A second signal ends it at once. Raises `UserError` for what cannot be served, and for an
    address that is taken.
    """
    listening = _listen(settings.host, settings.port)
    with listening:
        service = Service(settings)
        config = uvicorn.Config(
            make_app(service),
            http=protocol(settings.slow),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MOST_HEAD,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=int(settings.seconds) + 1,
        )
        # Everything that matters is told by us, in one line each.
        for name in ("uvicorn", "python_multipart"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        where = service.models.folder or service.models.set or "what ships"
        print(
            f"kdsharp serve: http://{shown}:{port}/ {service.models.default} "
            f"{service.models.version} from {where}",
            file=sys.stderr,
            flush=True,
        )
        _Server(config, service).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise UserError(f"{host} port {port}: {error.strerror or error}: choose another") from error
    return listening


class _Server(uvicorn.Server):
    """uvicorn closes its door first; here it stays open until all is done, and says no."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._service.admission.closed:
            self.should_exit = self.force_exit = True
            return
        self._service.admission.closed = True
        # Not a task: the handler interrupts the loop wherever it is.
        threading.Thread(target=self._stop, name="kdsharp-stop", daemon=True).start()

    def _stop(self) -> None:
        waited, step = 0.0, threading.Event()
        limit = self._service.settings.seconds + _NOTICE
        while waited < _NOTICE or (self._service.admission.count and waited < limit):
            step.wait(_LOOK)
            waited += _LOOK
        self.should_exit = True
