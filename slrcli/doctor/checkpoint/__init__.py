"""Checks of checkpoints, and of what lies beside them in a run."""
