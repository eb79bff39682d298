"""What the notebooks hand from stage to stage, one module per stage: shards, trained, results."""
