"""The commands below `slr check`."""
