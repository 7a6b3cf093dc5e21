"""From photos to batches: patches are cut, kept, and handed to a network."""
