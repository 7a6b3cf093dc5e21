"""From a trained model to the one that people run: registry, gate, promotion, publishing."""
