"""A procedural signer: a small synthetic corpus of continuous signing, for demonstrations and tests.

`lexicon` what the signs are, `signer` who signs, `motion` how the hands move, `body` and `face` where the points lie,
`render` what the camera sees, `write` the corpus. It is made up: no real sign language, no real person.
"""

from slrcli.demo.synth.lexicon import MinimalPair, Movement, Sign, lexicon, minimal_pairs, named_lexicon
from slrcli.demo.synth.write import Summary, SynthOptions, write_corpus

__all__ = [
    "MinimalPair",
    "Movement",
    "Sign",
    "Summary",
    "SynthOptions",
    "lexicon",
    "minimal_pairs",
    "named_lexicon",
    "write_corpus",
]
