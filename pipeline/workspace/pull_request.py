"""The text of a pull request for a retraining's branch."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from kdsharp.errors import UserError
from pipeline.paths import HEADLINE
from pipeline.workspace.branch import git

__all__ = ["pull_request"]

_PAGES = {
    "github": "compare/{branch}?expand=1",
    "gitlab": "-/merge_requests/new?merge_request%5Bsource_branch%5D={branch}",
}


def pull_request(branch: str, decision: str, remote: str | None) -> list[str]:
    """Lines of Markdown: title, decision, the numbers before and after, and how to merge.

    And the page where to open it, where `remote` is on a host that is known to have one.
    """
    before, after = _numbers(f"{branch}~1"), _numbers(branch)
    rows = [
        f"| {key} | {before.get(key, '')} | {value} | {_change(before.get(key), value)} |"
        for key, value in after.items()
    ]
    lines = [f"# {branch}: {decision.partition(': ')[0]}", "", decision, ""]
    if rows:
        lines += ["| | before | now | change |", "| --- | --- | --- | --- |", *rows, ""]
    lines.append(f"After the merge: `dvc pull`. By hand: `git merge {branch} && dvc checkout`.")
    if page := _page(remote, branch):
        lines.append(f"Open it: {page}")
    return lines


def _numbers(commit: str) -> dict[str, float]:
    """metrics.json of `commit`, its names joined with dots; empty where there is none."""
    try:
        found = json.loads(git("show", f"{commit}:{HEADLINE}"))
    except (UserError, ValueError):
        return {}
    return dict(_flat(found)) if isinstance(found, Mapping) else {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            rows.append((f"{prefix}{key}", value))
    return rows


def _change(before: float | None, now: float) -> str:
    return "" if before is None else f"{now - before:+.4g}"


def _page(remote: str | None, branch: str) -> str | None:
    """Where a browser opens the request; never with a password of the remote's address."""
    address = git("remote", "get-url", remote) if remote else ""
    if "://" not in address and "@" in address:  # git@host:owner/name.git
        address = "ssh://" + address.replace(":", "/", 1)
    parts = urlsplit(address)
    host, path = parts.hostname or "", parts.path.removesuffix(".git").strip("/")
    for kind, page in _PAGES.items():
        if kind in host:
            return f"https://{host}/{path}/{page.format(branch=quote(branch, safe=''))}"
    return None
