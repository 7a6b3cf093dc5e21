"""Scores from a cluster: a few photos are a task, and each worker reads the models once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from kdsharp.cluster.spread import cluster_address, in_shards, spread
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import find_teacher
from pipeline.evaluation.kept import KeptScores, Scores
from pipeline.evaluation.methods import load_methods
from pipeline.evaluation.scoring import EvalPhoto, Far, Method, measure
from pipeline.params import Params
from pipeline.paths import CHECKPOINTS, STUDENT, TEACHER

__all__ = ["FarScores", "Scorer", "far_scores"]

_A_SHARD = 4  # photos: the teacher takes seconds for each


def far_scores(
    params: Params, keys: Mapping[str, str], kept: KeptScores | None = None
) -> Far | None:
    """How to score on the cluster of `$KDSHARP_CLUSTER`; None where there is none.

    `keys` are those of the methods that are wanted (`pipeline.evaluation.methods.method_keys`).
    What `kept` knows is not computed again, and it learns what is new.
    """
    if cluster_address() is None:
        return None
    return FarScores(Scorer(tuple(keys.items()), params), kept)


@dataclass(frozen=True)
class Scorer:
    """Scores a photo by the methods of the files that lie where it runs.

    Those of the last `keys` stay loaded: other files, code or parameters have other ones.
    """

    keys: tuple[tuple[str, str], ...]
    params: Params = field(compare=False)

    def __call__(self, job: tuple[EvalPhoto, Sequence[str]]) -> dict[str, Scores]:
        """The metrics of the methods that are named."""
        photo, names = job
        methods = _methods(self)
        return measure(photo, {name: methods[name] for name in names}, self.params.degradation)


@lru_cache(maxsize=1)
def _methods(scorer: Scorer) -> dict[str, Method]:
    return load_methods(scorer.params, find_teacher(TEACHER), load_student(STUDENT))


@dataclass(frozen=True)
class FarScores:
    """`pipeline.evaluation.scoring.Far`: what is not known goes to the cluster."""

    scorer: Scorer
    kept: KeptScores | None = None

    def __call__(self, photos: Sequence[EvalPhoto]) -> Iterator[dict[str, Scores]]:
        """The metrics of each method on each photo, in their order."""
        names = [name for name, _ in self.scorer.keys]
        known = [self.kept.find(photo) if self.kept else {} for photo in photos]
        missing = [tuple(name for name in names if name not in found) for found in known]
        jobs = [(photo, lacks) for photo, lacks in zip(photos, missing, strict=True) if lacks]
        fresh = spread(self.scorer, in_shards(jobs, _A_SHARD), shared=CHECKPOINTS)
        for photo, found, lacks in zip(photos, known, missing, strict=True):
            new = next(fresh) if lacks else {}
            if self.kept and new:
                self.kept.put(photo, new)
            both = found | new
            yield {name: both[name] for name in names}
