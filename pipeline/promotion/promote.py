"""Put a candidate into production: judged, approved, in place and tried out, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass

from kdsharp.errors import TransientError, UserError
from pipeline.gate.decision import Decision
from pipeline.lock import Lock, locked
from pipeline.params import Params, load_params
from pipeline.promotion.change import Outcome, Promotion, change, me
from pipeline.promotion.judge import Judged, judge
from pipeline.promotion.record import note_outcome
from pipeline.registry.connect import Registry, open_registry
from pipeline.registry.history import find_history
from pipeline.registry.names import registered_name

__all__ = ["Answer", "promote"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What a person decided."""

    approved: bool
    who: str
    why: str


Approve = Callable[[str], Answer]
"""Shows the evidence (Markdown) to a person and waits for the answer."""


def promote(
    model: str = "student",
    version: int | None = None,
    *,
    force: bool = False,
    why: str = "",
    who: str | None = None,
    approve: Approve | None = None,
    say: Say = print,
) -> Promotion:
    """Judge `version` (else the candidate) of `model`, and put it into production if it passes.

    `force` promotes what the gate refused, if it can be served at all; `why` is recorded.
    `approve` is asked when `promotion.approval` is manual. Raises `UserError` for a version that
    does not exist or a missing `why`, `TransientError` when another promotion is at work or was
    faster: nothing has changed then.
    """
    if force and not why.strip():
        raise UserError("--force needs --why TEXT: it is recorded in the history")
    params = load_params()
    name = registered_name(model, params)
    with locked("promote") as lock:
        with open_registry() as registry:
            judged = judge(registry, name, version, params, say)
        if isinstance(judged, Promotion):
            return judged
        ask = _let_others_in(lock, approve) if approve else None
        verdict = _settle(judged, force, Answer(True, who or me(), why), params, ask)
        with open_registry() as registry:
            _carry_out(registry, judged, verdict)
    return Promotion(
        verdict.outcome,
        name,
        judged.candidate.number,
        judged.before.version,
        verdict.reason,
        judged.record.report,
        judged.record.picture,
    )


@dataclass(frozen=True)
class _Verdict:
    outcome: Outcome
    reason: str
    who: str


def _carry_out(registry: Registry, judged: Judged, verdict: _Verdict) -> None:
    """Put the candidate into production if that is the verdict, and note what became of it."""
    decision, candidate = judged.decision, judged.candidate
    if verdict.outcome == "promoted":
        history = find_history(registry, candidate.name)
        if history.last.number != judged.before.number:
            raise TransientError(
                f"{candidate} was compared with version {judged.before.version}, but meanwhile "
                f"{history.last.who} put version {history.last.version} into production: "
                "nothing was changed, promote again"
            )
        change(
            registry,
            history,
            "promote",
            (*judged.before.stack, candidate.number),
            who=verdict.who,
            why=verdict.reason,
            forced=not decision.passed,
            weak=decision.weak,
            numbers=_numbers(decision),
        )
    note_outcome(registry, candidate, f"{verdict.outcome} by {verdict.who}: {verdict.reason}")


def _let_others_in(lock: Lock, approve: Approve) -> Approve:
    """A person may take days: meanwhile others may promote, and roll back."""

    def ask(report: str) -> Answer:
        with lock.released():
            return approve(report)

    return ask


def _settle(
    judged: Judged,
    force: bool,
    caller: Answer,
    params: Params,
    approve: Approve | None,
) -> _Verdict:
    """What the gate, the policy and the people together say."""
    decision = judged.decision
    if not decision.passed and not force:
        return _Verdict("refused", decision.reason, "the gate")
    if not _can_be_served(decision):
        reason = f"{decision.reason} (--force does not help what cannot be served)"
        return _Verdict("refused", reason, "the gate")
    if params.promotion.approval == "auto":
        return _Verdict("promoted", caller.why or _short(decision), caller.who)
    if approve is None:
        raise UserError(
            "promotion.approval is manual: promote at a terminal, or with the deployment "
            "promote/promote, which asks in Prefect's pages"
        )
    answer = approve(judged.record.report)
    who = answer.who or caller.who
    if not answer.approved:
        return _Verdict("rejected", answer.why or "no reason given", who)
    reasons = [why for why in (caller.why, answer.why) if why]
    return _Verdict("promoted", "; ".join(reasons) or _short(decision), who)


def _short(decision: Decision) -> str:
    """Why it passed, for a line in a table."""
    psnr = decision.numbers["psnr_y"]
    what = "the incumbent" if decision.against == "incumbent" else "doing nothing"
    return f"{psnr['verdict']} than {what} ({psnr['low']:+.3f} to {psnr['high']:+.3f} dB)"


def _can_be_served(decision: Decision) -> bool:
    return all(check.passed for check in decision.checks if check.name == "loads")


def _numbers(decision: Decision) -> dict[str, float]:
    """Y-PSNR on the gate set: of what is in production from now on, and of what was."""
    psnr = decision.numbers.get("psnr_y", {})
    names = {"now": "candidate", "was": "incumbent", "input": "input"}
    return {ours: psnr[theirs] for ours, theirs in names.items() if theirs in psnr}
