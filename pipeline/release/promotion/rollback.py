"""Take a promotion back, or several: the version that was in production before is again."""

from collections.abc import Callable

from kdsharp.errors import UserError
from pipeline.lock import locked
from pipeline.release.promotion.production import Promotion, change, me, reconcile
from pipeline.release.registry.history import find_history, known_scores
from pipeline.release.registry.pinned import find_model
from pipeline.release.registry.versions import find_version, open_registry

__all__ = ["rollback"]


def rollback(
    model: str = "student",
    steps: int = 1,
    *,
    why: str = "",
    who: str | None = None,
    log: Callable[[str], None] = print,
) -> Promotion:
    """Bring back the version that was in production `steps` promotions ago.

    Of `model`, see `find_model`: whatever params.yaml says by now, `student` is the one that was
    promoted here last.
    Raises `UserError` when there were not so many, or when that version is gone or damaged;
    nothing has changed then.
    """
    if steps < 1:
        raise UserError(f"--steps must be 1 or more, not {steps}")
    with locked("promote"), open_registry() as registry:
        name = find_model(registry, model, log)
        history = find_history(registry, name)
        reconcile(registry, history, log)
        before = history.last
        back = len(before.stack) - 1
        if steps > back:
            there = f"only {back} step{'s' * (back != 1)} back" if back > 0 else "no way back"
            raise UserError(f"{name}: there is {there}: see python -m pipeline status")
        target = find_version(registry, name, before.stack[-1 - steps])
        known = known_scores(history.entries)
        numbers = {"now": known.get(target.number), "was": known.get(before.version or 0)}
        entry = change(
            registry,
            history,
            "rollback",
            before.stack[:-steps],
            who=who or me(),
            why=why,
            numbers={key: value for key, value in numbers.items() if value is not None},
        )
    reason = f"version {target.number} is in production again, instead of version {before.version}"
    report = (
        f"# Rollback of {name}\n\n{reason.capitalize()}.\n\n"
        f"- who: {entry.who}\n- when: {entry.when}\n- why: {why or 'not said'}\n"
    )
    return Promotion("rolled back", name, target.number, before.version, reason, report)
