"""Glosses: rules that make them comparable (`normalisers`), and the glosses of a recogniser (`vocabulary`)."""

from slrcli.glosses.normalisers import NORMALISERS, Change, Normaliser, Rule, get_normaliser

__all__ = ["NORMALISERS", "Change", "Normaliser", "Rule", "get_normaliser"]
