"""Checks of models, whatever the data are."""
