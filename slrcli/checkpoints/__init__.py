"""What a run leaves: checkpoints, what they know beside their weights, and where they lie."""
