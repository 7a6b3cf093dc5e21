"""The `python -m pipeline` command."""
