"""Sentences composed of clips of single signs: a start for sign languages without other data.

`clips` reads labelled clips, `language` models the order of glosses, `plan` draws the sentences, `write` writes the
corpus (with `features.motion`, which trims clips and bridges the gaps) and records its sources. Nobody signs like this:
such a corpus shows that a recogniser can learn, and gives it a start, but does not replace recordings of sentences.
"""

from slrcli.corpus.compose.write import Composed, compose_corpus

__all__ = ["Composed", "compose_corpus"]
