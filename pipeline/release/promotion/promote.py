"""Put a candidate into production: judged, approved, in place and tried out, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass

from kdsharp.errors import TransientError, UserError
from pipeline.lock import Lock, locked
from pipeline.params import Params, load_params
from pipeline.release.gate.evidence import Decision
from pipeline.release.promotion.committed import require_committed
from pipeline.release.promotion.decision_record import note_outcome
from pipeline.release.promotion.judge import Judged, judge
from pipeline.release.promotion.production import Outcome, Promotion, change, me
from pipeline.release.promotion.signature import read_signing_key, sign_version
from pipeline.release.registry.history import find_history
from pipeline.release.registry.names import registered_name
from pipeline.release.registry.siblings import combine_note
from pipeline.release.registry.versions import Log, Registry, find_version, open_registry

__all__ = ["Answer", "Approve", "promote", "question", "short_reason"]


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
    accept_weak: bool = False,
    why: str = "",
    who: str | None = None,
    approve: Approve | None = None,
    log: Log = print,
) -> Promotion:
    """Judge `version` (else the candidate) of `model`, and put it into production if it passes.

    Where $KDSHARP_SIGNING_KEY names a key, the card of a student is signed with it.
    `force` promotes what the gate refused, if it can be served at all; `why` is recorded.
    `approve` is asked when `promotion.approval` is manual, and when the evidence is weak and
    `promotion.weak` is ask, unless `force` or `accept_weak` answers that. Raises `UserError` for a
    version that does not exist, a missing `why`, a policy that is not that of HEAD, and where
    nobody is there to be asked; `TransientError` when another promotion is at work or was faster:
    nothing has changed then.
    """
    if force and not why.strip():
        raise UserError("--force needs --why TEXT: it is recorded in the history")
    params = load_params()
    name = registered_name(model, params)
    require_committed(params)
    read_signing_key()
    with locked("promote") as lock:
        with open_registry() as registry:
            judged = judge(registry, name, version, params, log)
            if isinstance(judged, Promotion):
                # So that what came into production without a key, or was mended, is signed as well.
                sign_version(registry, find_version(registry, name, judged.version))
                return judged
        ask = _let_others_in(lock, approve) if approve else None
        weak = judged.decision.weak and params.promotion.weak == "ask"
        asked = question(judged, params, weak and not (force or accept_weak))
        caller = Answer(True, who or me(), why)
        verdict = _settle(judged, force, caller, asked, ask)
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
        judged.decision,
        judged.record.id,
        combine_note(name) if verdict.outcome == "promoted" else "",
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
        sign_version(registry, candidate)
        change(
            registry,
            history,
            "promote",
            (*judged.before.stack, candidate.number),
            who=verdict.who,
            why=verdict.reason,
            forced=not decision.passed,
            weak=decision.weak,
            numbers=_numbers(judged),
            decision=judged.record.id,
            gate_set=decision.gate_sha256,
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
    asked: str,
    approve: Approve | None,
) -> _Verdict:
    """What the gate and the people together say; nobody is asked where `asked` is empty."""
    decision = judged.decision
    if not decision.passed and not force:
        return _Verdict("refused", decision.reason, "the gate")
    if not _can_be_served(decision):
        reason = f"{decision.reason} (--force cannot help a model that cannot be served)"
        return _Verdict("refused", reason, "the gate")
    if not asked:
        return _Verdict("promoted", caller.why or short_reason(decision), caller.who)
    if approve is None:
        raise UserError(asked)
    answer = approve(judged.record.report)
    who = answer.who or caller.who
    if not answer.approved:
        return _Verdict("rejected", answer.why or "no reason given", who)
    reasons = [why for why in (caller.why, answer.why) if why]
    return _Verdict("promoted", "; ".join(reasons) or short_reason(decision), who)


def question(judged: Judged, params: Params, weak: bool) -> str:
    """Why a person has to decide, and how to answer; empty where nobody has to."""
    how = (
        "promote at a terminal, or with the deployment promote/promote, which asks in Prefect's "
        "pages"
    )
    if params.promotion.approval == "manual":
        return f"promotion.approval is manual: {how}"
    if not weak:
        return ""
    gate = judged.decision.numbers["gate"]
    return (
        f"{judged.candidate} passed on weak evidence, {gate['crops']} crops of {gate['photos']} "
        f"photos, so a person decides: {how}, or with --accept-weak (promotion.weak: accept takes "
        "it every time)"
    )


def short_reason(decision: Decision) -> str:
    """Why it passed, for a line in a table."""
    psnr = decision.numbers["psnr_y"]
    what = "the incumbent" if decision.against == "incumbent" else "doing nothing"
    over = f"({psnr['low']:+.3f} to {psnr['high']:+.3f} dB)"
    if psnr["verdict"].startswith("not shown"):
        return f"{psnr['mean']:+.3f} dB against {what} by the mean alone, on weak evidence {over}"
    return f"{psnr['verdict']} than {what} {over}"


def _can_be_served(decision: Decision) -> bool:
    return all(check.passed for check in decision.checks if check.name == "loads")


def _numbers(judged: Judged) -> dict[str, float]:
    """Y-PSNR on the gate set: of what is in production from now on, and of what was."""
    psnr = judged.decision.numbers.get("psnr_y", {})
    names = {"now": "candidate", "input": "input"}
    if judged.incumbent == judged.before.version:
        names["was"] = "incumbent"
    return {ours: psnr[theirs] for ours, theirs in names.items() if theirs in psnr}
