"""Everything that `kdsharp serve` can be told, checked once."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from kdsharp.errors import UserError
from kdsharp.runtime.hardware import cores

__all__ = ["LOCAL", "Settings", "is_loopback"]

LOCAL = ("models/production", "models/export")
"""Where the pipeline leaves a model: what is served if nothing is named and it is there."""

_TOKEN = 8  # characters that a token needs at least


@dataclass(frozen=True)
class Settings:
    """The options of the service; raises `UserError` for one that makes no sense.

    `model` is a folder, a model that ships or a size, as for `kdsharp sharpen`. `workers` pictures
    run at a time and `queue` wait; one caller, an address, may have `per_caller` of them. A request
    has at most `max_bytes`, its picture `max_megapixels`, before and after enlarging. It is
    answered within `seconds`; head and body have to arrive, and the answer has to be taken,
    within `slow` seconds each. A folder is looked at every `poll` seconds. `shadow_share` 0..1 of
    the pictures go to `shadow` as well, and what differs goes to the file `shadow_log`, or stderr.
    Statistics of the pictures go to the folder `observe`, and `observe_pictures` 0..1 of the
    pictures themselves.
    """

    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    origins: tuple[str, ...] = ()
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    workers: int = 0
    queue: int = 64
    per_caller: int = 32
    max_bytes: int = 64_000_000
    max_megapixels: float = 64.0
    seconds: float = 30.0
    slow: float = 30.0
    poll: float = 1.0
    shadow: str | None = None
    shadow_share: float = 0.1
    shadow_log: Path | None = None
    observe: Path | None = None
    observe_pictures: float = 0.0
    trace: bool = False

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.token:
            raise UserError(
                f"{self.host}: others could reach this address: give a token with --token or "
                "$KDSHARP_TOKEN, or leave out --host"
            )
        if self.token is not None and not (len(self.token) >= _TOKEN and self.token.isascii()):
            raise UserError(f"a token needs {_TOKEN} characters or more, of ASCII")
        if not 0 <= self.port <= 65535:
            raise UserError(f"port must be from 0 to 65535, not {self.port}")
        for origin in self.origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise UserError(f"origin {origin!r}: write it as https://example.org")
        for name in ("per_caller", "max_bytes", "max_megapixels", "seconds", "slow", "poll"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name.replace('_', '-')} must be more than 0")
        if self.workers < 0 or self.queue < 0:
            raise UserError("workers and queue must not be less than 0")
        if not 0 <= self.shadow_share <= 1:
            raise UserError(f"shadow-share must be from 0 to 1, not {self.shadow_share}")
        if not 0 <= self.observe_pictures <= 1:
            raise UserError(f"observe-pictures must be from 0 to 1, not {self.observe_pictures}")
        if self.observe_pictures and self.observe is None:
            raise UserError("--observe-pictures needs a folder: name it with --observe")

    @property
    def running(self) -> int:
        """Pictures at a time: `workers`, or one for each core."""
        return self.workers or cores()

    @property
    def places(self) -> int:
        """Requests that may be under way: those that run and those that wait."""
        return self.running + self.queue


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
