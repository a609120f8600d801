"""Glosses: how they are made comparable (`normalisers`), and which of them a recogniser knows (`vocabulary`)."""

from slrcli.glosses.normalisers import NORMALISERS, Change, Normaliser, Rule, get_normaliser

__all__ = ["NORMALISERS", "Change", "Normaliser", "Rule", "get_normaliser"]
