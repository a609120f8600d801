"""Several training runs that belong together: folds and seeds."""
