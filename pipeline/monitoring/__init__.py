"""From what production showed to a verdict: the gain to expect, pseudo-truth, and drift."""
