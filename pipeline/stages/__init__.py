"""One module a DVC stage; `python -m pipeline.stages.NAME` is what dvc.yaml runs."""
