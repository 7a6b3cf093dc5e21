"""Which degradation a picture had: the network that recognises it, trained and scored."""
