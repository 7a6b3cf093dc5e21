"""Why a request is not answered: a status and one line, which is all that a caller is told."""

from kdsharp.errors import KdsharpError

__all__ = ["Gone", "Refused"]


class Refused(KdsharpError):  # noqa: N818 - it is what the caller is, not a failure
    """The answer is `status` and the message as JSON; `reason` is one word for the metrics.

    `retry_after` is in seconds, for a caller who may come again.
    """

    def __init__(
        self, status: int, message: str, *, reason: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.retry_after = status, reason, retry_after


class Gone(Exception):  # noqa: N818 - nobody made a mistake
    """The client closed the connection: nobody is there to be answered."""
