"""How good the models are: scored on whole photos, on those of other sources too, and reported."""
