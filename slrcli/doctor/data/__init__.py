"""Checks of corpora and of vocabularies."""
