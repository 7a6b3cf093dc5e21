"""Where photos come from, and how they become train, val and test."""
