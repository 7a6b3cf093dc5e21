"""Download an archive: resumed where it stopped, checked before anyone sees it.

Own code, because libraries start such a download over, or, like fsspec, ask for it block by block,
lose the block that was cut off, and take any range that comes for the one they asked for.
"""

import logging
import os
import re
import time
from io import FileIO
from pathlib import Path

import httpx
from rich.filesize import decimal

from kdsharp.errors import TransientError, UserError
from kdsharp.progress import Progress
from pipeline.data.archive import Archive, digest, verify
from pipeline.data.space import writing
from pipeline.lock import waiting

__all__ = ["fetch", "remaining"]

_log = logging.getLogger(__name__)
_TRIES = 5
_FIRST_WAIT = 1.0  # seconds, then twice as long each time
_HEADWAY = 16 << 20  # bytes; a server that delivered these before it cut off gets fresh tries
_TIMEOUT = 30.0  # seconds without a byte
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_ELSEWHERE = "set data.div2k.mirror to another mirror, or data.div2k.zips to a folder that has it"


class _CutOffError(Exception):
    """The download stopped, and another try makes sense."""


def fetch(mirror: str, archive: Archive, folder: Path) -> Path:
    """The path in `folder` of the whole `archive`, downloaded unless it is there already.

    A partial download stays in `folder` as NAME.part until it is whole. Raises `TransientError`
    if the server gives up, `UserError` if it refuses or has a different file.
    """
    target, part = folder / archive.name, folder / f"{archive.name}.part"
    with waiting(folder / f"{archive.name}.lock", f"the download of {archive.name}"):
        if target.exists():
            verify(target, archive)
        else:
            _download(f"{mirror.rstrip('/')}/{archive.name}", archive, part)
            os.replace(part, target)
    return target


def remaining(archive: Archive, folder: Path) -> int:
    """How many bytes `fetch` has yet to download."""
    if (folder / archive.name).exists():
        return 0
    return max(archive.size - _size(folder / f"{archive.name}.part"), 0)


def _download(url: str, archive: Archive, part: Path) -> None:
    while True:
        joined = _complete(url, archive, part)
        found = digest(part)
        if found == archive.sha256:
            return
        part.unlink()
        if not joined:
            raise UserError(
                f"{url}: has SHA-256 {found[:12]}…, {archive.sha256[:12]}… expected; the file was "
                f"removed: {_ELSEWHERE}"
            )
        # Parts of two different files, or damage to what lay here: a whole one may be right.
        _log.warning("%s: its parts do not fit together: starting over", archive.name)


def _complete(url: str, archive: Archive, part: Path) -> bool:
    """Bring `part` to the archive's size; whether it is made of more than one answer."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if _size(part) > archive.size:
        part.unlink()
    start = _size(part)
    joined, best, failures = start > 0, start, 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "kdsharp"}
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT, headers=headers) as client:
        while _size(part) < archive.size:
            try:
                _append(client, url, archive, part)
            except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
                raise UserError(f"{url}: {error}: {_ELSEWHERE}") from None
            except (_CutOffError, httpx.TransportError) as error:
                offset = _size(part)
                failures = 1 if offset >= best + _HEADWAY else failures + 1
                best = max(best, offset)
                _wait(url, failures, f"{_reason(error)} at {_amount(offset, archive)}")
                joined = joined or offset > 0
    return joined


def _wait(url: str, failures: int, what: str) -> None:
    """Sleep before the next try, or give up."""
    if failures >= _TRIES:
        raise TransientError(
            f"{url}: {what}, {_TRIES} times in a row: run the same command again to continue from "
            f"there, or {_ELSEWHERE}"
        ) from None
    seconds = _FIRST_WAIT * 2 ** (failures - 1)
    _log.warning("%s: %s: trying again in %.0f s", url, what, seconds)
    time.sleep(seconds)


def _append(client: httpx.Client, url: str, archive: Archive, part: Path) -> None:
    """One request for what is missing; raises `_CutOffError` when less comes."""
    offset = _size(part)
    asked = {"Range": f"bytes={offset}-"} if offset else {}
    with client.stream("GET", url, headers=asked) as answer:
        _refuse(answer, url, archive)
        with part.open("ab", buffering=0) as file, writing(part):
            start = _start(answer, url, archive)
            if start != offset:  # the server ignores Range, or answers another one
                file.truncate(0)
            if start not in (0, offset):
                raise _CutOffError("the server answered with a different range")
            _copy(answer, url, archive, file, start)
    if _size(part) < archive.size:
        raise _CutOffError("the server cut off")


def _copy(answer: httpx.Response, url: str, archive: Archive, file: FileIO, done: int) -> None:
    with Progress(archive.size, archive.name, "bytes", done=done, lines=True) as progress:
        for chunk in answer.iter_raw():
            done += len(chunk)
            if done > archive.size:
                raise UserError(_other_size(url, "more", archive))
            rest = memoryview(chunk)
            while rest:  # unbuffered, so that a full disk loses nothing; a write may be short
                rest = rest[file.write(rest) :]
            progress.at(done)


def _refuse(answer: httpx.Response, url: str, archive: Archive) -> None:
    """Raise for an answer that is not the file."""
    status = answer.status_code
    said = f"the server answers {status} {answer.reason_phrase}".rstrip()
    if status in _BUSY:
        raise _CutOffError(said)
    if status == 416:
        raise UserError(_other_size(url, "fewer", archive))
    if status not in (200, 206):
        raise UserError(f"{url}: {said}: {_ELSEWHERE}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise UserError(f"{url}: the server answers with a web page: {_ELSEWHERE}")


def _start(answer: httpx.Response, url: str, archive: Archive) -> int:
    """The offset of the answer's first byte; raises `UserError` when the file has another size."""
    if answer.status_code == 200:
        total, start = answer.headers.get("Content-Length"), 0
    else:
        given = answer.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", given.strip())
        if match is None:
            return -1
        total, start = match[2].replace("*", "") or None, int(match[1])
    if total is not None and total != str(archive.size):
        raise UserError(_other_size(url, total, archive))
    return start


def _other_size(url: str, found: str, archive: Archive) -> str:
    return f"{url}: has {found} bytes, {archive.size:,} expected: {_ELSEWHERE}"


def _amount(done: int, archive: Archive) -> str:
    return f"{decimal(done)} of {decimal(archive.size)}"


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {_TIMEOUT:.0f} s"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "the server cut off"
    return " ".join(str(error).split()) or type(error).__name__


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
