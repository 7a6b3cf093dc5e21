"""What a retraining does with its results: commit, push, register, promote."""

from collections.abc import Mapping
from dataclasses import dataclass

from prefect import get_run_logger

from pipeline.flows.promote import decide, log
from pipeline.params import load_params
from pipeline.release.promotion.committed import committed_params
from pipeline.release.registry.names import registered_name
from pipeline.tracking.lineage import read_lineage
from pipeline.workspace.branch import Branch, commit_lock, git, note_decision
from pipeline.workspace.pull_request import pull_request
from pipeline.workspace.push import git_remote, push_branches
from pipeline.workspace.stage import Outcome

__all__ = ["Delivery", "deliver"]


@dataclass(frozen=True)
class Delivery:
    """What was done with the results."""

    lines: tuple[str, ...] = ()
    """Markdown, for the summary."""
    decision: str = ""
    """The promotion's outcome; empty where there was nothing to decide."""


def deliver(
    outcomes: Mapping[str, Outcome], *, promote: bool, commit: bool, teacher: bool = False
) -> Delivery:
    """Commit dvc.lock, register the models and promote the student, as far as asked for.

    With `teacher` that is judged as well, and before: students to come learn from it if it passes.

    Does nothing where nothing is new: no stage changed, or an earlier run has done all this.
    """
    branch = None
    if commit:
        retraining = read_lineage(load_params()).retraining
        branch = commit_lock(retraining, f"Lock retraining {retraining}")
        push_branches(log, get_run_logger().warning)
        if branch is None:
            return Delivery()
    elif all(outcome == "unchanged" for outcome in outcomes.values()):
        return Delivery()
    own = _own_model(branch) if branch else ""
    lines = _merge(branch, own) if branch else []
    if branch and branch.decision:
        log(f"nothing new: {branch.name} has the same results ({branch.decision})")
        return Delivery((f"**Nothing new**: {branch.decision}\n", *lines))
    if branch:
        how = f"keep {branch.name}, which makes {own}" if own else f"git merge {branch.name}"
        log(f"dvc.lock is committed: {how}")
    ask_for = None if own else branch
    if not promote:
        return Delivery((*lines, *_request(ask_for, "Not judged")))
    versions = _register()
    said = [_decide("teacher")[0]] if teacher else []
    decision, outcome = _decide("student")
    said.append(decision)
    if branch:
        note_decision(branch, decision)
    decisions = (f"**Decision**: {one}\n" for one in said)
    return Delivery((*lines, *versions, *decisions, *_request(ask_for, decision)), outcome)


def _decide(model: str) -> tuple[str, str]:
    """The decision in one line, and the outcome."""
    done = decide(model)
    decision = f"{done.name} {done.version}: {done.outcome}: {done.reason}"
    log(decision)
    return decision, done.outcome


def _request(branch: Branch | None, decision: str) -> list[str]:
    """The text of a pull request, where there is a remote for one; it is logged as well."""
    remote = git_remote() if branch else None
    if branch is None or remote is None:
        return []
    text = "\n".join(pull_request(branch.name, decision, remote))
    log(f"text of a pull request:\n{text}")
    return [f"Text of a pull request:\n\n````markdown\n{text}\n````\n"]


def _own_model(branch: Branch) -> str:
    """The student of `branch`, where that is another than the commit's before; else empty.

    A proposal may ask for a model of its own: merged, all that follows would train that one.
    """
    before = committed_params(git("rev-parse", f"{branch.name}~1"))
    name = registered_name("student", load_params())
    return "" if before is None or registered_name("student", before) == name else name


def _merge(branch: Branch, own: str) -> list[str]:
    if own:
        return [
            f"The branch `{branch.name}` makes `{own}`, a model of its own: keep it unmerged.\n"
        ]
    return [
        f"The new dvc.lock is on the branch `{branch.name}`:\n",
        f"```\ngit merge {branch.name} && dvc checkout\n```\n",
    ]


def _register() -> list[str]:
    from pipeline.release.registry.register import register

    versions = register(log)
    links = [f"[{v}]({v.url})" if v.url else str(v) for v in versions]
    return [f"Registered: {', '.join(links)}\n"]
