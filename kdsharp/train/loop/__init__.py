"""One training loop for every network: optimiser, loss, checkpoints, processes."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(__name__, "fit", "OPTIMIZERS", "Epoch", "fit", "learning_rate")
