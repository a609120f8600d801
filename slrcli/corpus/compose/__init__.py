"""Sentences out of clips of single signs: how a recogniser gets started for a language that has nothing else.

`clips` reads labelled clips, `language` says which gloss follows which, `plan` draws the sentences, `write` makes the
corpus (with `features.motion`, which trims clips and bridges the gaps) and says what it was made of. Nobody signs like
this: such a corpus shows that a recogniser can learn, and gives it a start; it is no stand-in for recordings of
sentences.
"""

from slrcli.corpus.compose.write import Composed, compose_corpus

__all__ = ["Composed", "compose_corpus"]
