"""Every group of input, ours beside the peers."""
