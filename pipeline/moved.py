"""Imports of earlier versions, as `kdsharp.moved` has those of the library."""

from collections.abc import Mapping

__all__ = ["MOVED"]

MOVED: Mapping[str, str] = {
    "pipeline.artifacts": "pipeline.tracking.artifacts",
    "pipeline.evaluate_on": "pipeline.evaluation.evaluate_on",
    "pipeline.flavors": "pipeline.tracking.flavors",
    "pipeline.flows.branch": "pipeline.workspace.branch",
    "pipeline.flows.git": "pipeline.workspace.branch",
    "pipeline.flows.mirror": "pipeline.workspace.worktree",
    "pipeline.flows.pages": "pipeline.flows.approval",
    "pipeline.flows.plan": "pipeline.workspace.dag",
    "pipeline.flows.publish": "pipeline.flows.artifacts",
    "pipeline.flows.repro": "pipeline.workspace.repro",
    "pipeline.flows.stage": "pipeline.workspace.stage",
    "pipeline.flows.worktree": "pipeline.workspace.worktree",
    "pipeline.gate": "pipeline.release.gate",
    "pipeline.generalisation": "pipeline.evaluation.held_out",
    "pipeline.lineage": "pipeline.tracking.lineage",
    "pipeline.methods": "pipeline.evaluation.methods",
    "pipeline.model_card": "pipeline.evaluation.report.model_card",
    "pipeline.names": "pipeline.paths",
    "pipeline.promotion": "pipeline.release.promotion",
    "pipeline.registry": "pipeline.release.registry",
    "pipeline.remote": "pipeline.workspace.dag",
    "pipeline.report": "pipeline.evaluation.report",
    "pipeline.results": "pipeline.evaluation.results",
    "pipeline.scoring": "pipeline.evaluation.scoring",
    "pipeline.services.down": "pipeline.services.lifecycle",
    "pipeline.services.ports": "pipeline.services.process",
    "pipeline.services.up": "pipeline.services.lifecycle",
    "pipeline.sources": "pipeline.data",
    "pipeline.store": "pipeline.tracking.store",
    "pipeline.terminal": "pipeline.cli.terminal",
    "pipeline.ui": "pipeline.services.mlflow_server",
    "pipeline.unseen": "pipeline.evaluation.held_out",
}
"""Modules of version 0.1 that are elsewhere."""
