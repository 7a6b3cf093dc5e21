"""A proposal, applied before the stages run: params, photos for the teacher, the gate's slice."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.data.source import CheckedPhoto
from pipeline.monitoring.pictures import cut_slice, find_kept, place_unlabelled, split_kept
from pipeline.monitoring.proposal import read_proposal
from pipeline.params import load_params
from pipeline.presets import lay_over
from pipeline.release.promotion.pseudo_truth import PSEUDO_TRUTH, write_pseudo_truth
from pipeline.workspace.branch import git
from pipeline.workspace.worktree import mirror

__all__ = ["apply_proposal"]


def apply_proposal(path: Path, log: Callable[[str], None]) -> None:
    """Lay the proposal over params.yaml here, and bring its pictures to where stages take them.

    A scheduled run is in a worktree: its params.yaml is committed with its results. Pictures go to
    the checkout, where the next run finds them as well. Raises `UserError` for a proposal or values
    that are wrong, before anything was changed.
    """
    proposal = read_proposal(path)
    log(f"proposed because {proposal.because}" if proposal.because else f"proposed by {path}")
    values, kept, params = dict(proposal.params), proposal.pictures, load_params()
    learn: list[CheckedPhoto] = []
    judged: list[CheckedPhoto] = []
    if kept:
        learn, judged = split_kept(find_kept(kept, params), params.data.duplicate_distance)
    if kept and not learn and isinstance(values.get("patches"), Mapping):
        log("none of production's pictures can be used: patches.unlabelled stays as it is")
        values["patches"] = {k: v for k, v in values["patches"].items() if k != "unlabelled"}
    for line in lay_over(values, str(path)):
        log(f"params.yaml: {line}")
    if kept is None:
        return
    if params.data.source == "folder" and learn:
        checkout = Path(git("rev-parse", "--path-format=absolute", "--git-common-dir")).parent
        folder = Path(params.data.folder.path)
        place_unlabelled(learn, checkout / folder)
        if not folder.is_absolute() and checkout != Path.cwd():
            mirror(folder, checkout, Path.cwd())
        log(f"{len(learn)} of production's pictures are photos for the teacher")
    made = cut_slice([photo.path for photo in judged], kept.days) if judged else None
    if made:
        write_pseudo_truth(made)
        log(f"{PSEUDO_TRUTH}: {len(made.photo)} crops of {made.pictures} other pictures")
    else:
        log("none of production's pictures gave a pseudo-truth: the gate's slice is as before")
