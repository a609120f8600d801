"""Clips in, glosses out: recognisers of checkpoints and of exported models, whole clips or streams."""
