"""The verdict without the deed: what `promote` would say now, and nothing is stored or changed."""

from dataclasses import dataclass

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.release.gate.evidence import Decision
from pipeline.release.promotion.committed import require_committed
from pipeline.release.promotion.judge import judge
from pipeline.release.promotion.production import Promotion
from pipeline.release.promotion.promote import question, short_reason
from pipeline.release.registry.names import registered_name
from pipeline.release.registry.versions import Log, open_registry

__all__ = ["Verdict", "dry_run"]


@dataclass(frozen=True)
class Verdict:
    """What a promotion would come to."""

    name: str
    version: int
    previous: int | None
    would: str
    """`be promoted`, `be refused`, `ask a person`, `stop` or `change nothing`."""
    reason: str
    report: str = ""
    """Markdown; empty where nothing had to be judged."""
    decision: Decision | None = None

    @property
    def passes(self) -> bool:
        """Whether the candidate would go into production, or is there, if the people agree."""
        return self.would in {"be promoted", "ask a person", "change nothing"}


def dry_run(model: str = "student", version: int | None = None, *, log: Log = print) -> Verdict:
    """Judge `version` (else the candidate) of `model` as `promote` does, on the same set.

    Nothing is recorded, moved or finished, and a promotion may be under way meanwhile. Where the
    policy was edited since the last commit, that is what judges here, and the verdict says that
    `promote` would stop. Raises `UserError` for a version that does not exist.
    """
    params = load_params()
    name = registered_name(model, params)
    stops = ""
    try:
        require_committed(params)
    except UserError as error:
        stops = str(error)
        log(f"warning: promote would stop here: {stops}")
    with open_registry() as registry:
        judged = judge(registry, name, version, params, log, store=False)
    if isinstance(judged, Promotion):
        would = "change nothing"
        return Verdict(name, judged.version, judged.previous, would, judged.reason)
    decision, number = judged.decision, judged.candidate.number
    weak = decision.weak and params.promotion.weak == "ask"
    asks = question(judged, params, weak)
    would, reason = "be promoted", short_reason(decision) if decision.passed else decision.reason
    if not decision.passed:
        would = "be refused"
    elif stops:
        would, reason = "stop", stops
    elif asks:
        would, reason = "ask a person", asks
    return Verdict(
        name, number, judged.before.version, would, reason, judged.record.report, decision
    )
