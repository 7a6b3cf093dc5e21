"""How old the teacher in production is, and whether it is time for another one."""

import datetime
from dataclasses import dataclass

from pipeline.params import Params
from pipeline.release.registry.history import find_history
from pipeline.release.registry.names import registered_name
from pipeline.release.registry.pinned import list_models
from pipeline.release.registry.versions import (
    Registry,
    Version,
    find_version,
    list_versions,
    open_registry,
)

__all__ = ["TeacherAge", "is_due", "read_age"]


@dataclass(frozen=True)
class TeacherAge:
    """A teacher's version, when it was registered, and how many students learned from it since."""

    version: Version
    registered: datetime.datetime
    students: int

    def __str__(self) -> str:
        days = (datetime.datetime.now(datetime.UTC) - self.registered).days
        age = "less than a day" if days < 1 else f"{days} day{'s' * (days != 1)}"
        students = f"{self.students or 'no'} student{'s' * (self.students != 1)}"
        return (
            f"{self.version} is {age} old (registered {self.registered:%Y-%m-%d}); {students} "
            "learned from it so far"
        )


def read_age(registry: Registry, version: Version) -> TeacherAge:
    """The age of the teacher `version`; students of every variant count."""
    name = f"{version.name}/{version.number}"
    students = sum(
        one.tags.get("kdsharp.teacher_version") == name
        for model in list_models(registry, "student")
        for one in list_versions(registry, model.name)
    )
    when = datetime.datetime.fromtimestamp(version.created_ms / 1000, datetime.UTC)
    return TeacherAge(version, when, students)


def is_due(params: Params, every: int) -> tuple[bool, str]:
    """Whether this retraining is the one of `every` that trains a new teacher, and why.

    The others learn from the one in production. What counts is how many students were registered
    that learned from that: a run without anything new is none.
    """
    if not params.student.needs_teacher:
        return True, "the student learns from the truth alone: no teacher is renewed"
    name = registered_name("teacher", params)
    with open_registry() as registry:
        if name not in {one.name for one in list_models(registry, "teacher")}:
            return True, f"a teacher is trained: {name} is not registered yet"
        number = find_history(registry, name).last.version
        if number is None:
            return True, f"a teacher is trained: no version of {name} is in production"
        age = read_age(registry, find_version(registry, name, number))
    if age.students >= every - 1:
        return True, f"a new teacher is trained: {age}"
    return False, f"no new teacher yet: {age}, one in {every} runs trains one"
