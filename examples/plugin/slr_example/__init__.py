"""What this package adds to slr: see its `pyproject.toml`."""
