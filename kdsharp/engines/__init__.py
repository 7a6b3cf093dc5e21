"""What runs a model file: one module an engine, and which one is taken by itself."""
