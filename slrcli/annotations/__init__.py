"""Annotations in time: marks in the tiers of ELAN files and in subtitles, and the utterances that they make."""

from slrcli.annotations.marks import Annotated, Mark, Media, Tier
from slrcli.annotations.read import SUFFIXES, is_annotations, read_annotations
from slrcli.annotations.signers import Signer, signers_of
from slrcli.annotations.utterances import Counts, Cut, utterances_of

__all__ = ["SUFFIXES", "Annotated", "Counts", "Cut", "Mark", "Media", "Signer", "Tier", "is_annotations",
           "read_annotations", "signers_of", "utterances_of"]  # fmt: skip
