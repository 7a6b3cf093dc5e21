"""The stages of dvc.yaml, as DVC itself reads them."""

from graphlib import TopologicalSorter

from kdsharp.errors import UserError

__all__ = ["plan"]


def plan() -> list[str]:
    """The stages' names, each after all that it depends on, else in the order of the file.

    Raises `UserError` where DVC cannot read the project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo() as repo:
            # DVC's edges point from a stage to what it needs.
            needs = {stage: repo.index.graph.successors(stage) for stage in repo.index.stages}
            stages = list(TopologicalSorter(needs).static_order())
    except DvcException as error:
        raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
    names = [str(stage.addressing) for stage in stages if isinstance(stage, PipelineStage)]
    if not names:
        raise UserError("dvc.yaml has no stages: run from the root of the checkout")
    return names
