"""An exported model, run: its card, the engines, the tiles, and which models there are."""
