"""What can be asked: pictures, batches, models, KServe V2, health and metrics."""
