"""What a choice among models goes by: parts of photos, each made worse, and what a model gains."""
