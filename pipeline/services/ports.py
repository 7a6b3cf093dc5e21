"""TCP ports of this computer."""

import os
import socket
import urllib.request

from kdsharp.errors import UserError

__all__ = ["answers", "configured_port", "free_port", "is_free"]

_MOST = 65535
_VARIABLES = {"prefect": "PREFECT_SERVER_API_PORT", "mlflow": "MLFLOW_PORT"}


def configured_port(server: str, port: int) -> int:
    """`port`, or where it is 0 what the server's own variable says, or 0.

    Raises `UserError` for a variable that is no port.
    """
    variable = _VARIABLES[server]
    text = os.environ.get(variable, "").strip()
    if port or not text:
        return port
    if not text.isdigit() or int(text) > _MOST:
        raise UserError(f"{variable}={text}: is no port: set a number up to {_MOST}, or unset it")
    return int(text)


def free_port(port: int, option: str) -> int:
    """`port`, or one that the system chooses where it is 0.

    Raises `UserError` that names `option` where the port is taken or not allowed.
    """
    try:
        return _bind(port)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise UserError(f"port {port}: {reason}; choose another with {option}") from None


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    try:
        return bool(_bind(port))
    except OSError:
        return False


def answers(address: str) -> bool:
    """Whether a server says at `address`, http://..., that it is well."""
    try:
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 - our own address
    except OSError:
        return False
    return True


def _bind(port: int) -> int:
    with socket.socket() as probe:
        # Connections that have just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])
