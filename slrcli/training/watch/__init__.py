"""What goes wrong with a run, said while it runs."""
