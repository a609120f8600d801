"""Which gloss follows which: n-gram models, estimated, written, read, measured, and asked by a decoder.

`ngram` holds a model and answers for one gloss, `kneser_ney` estimates one from sentences, `arpa` is its file, `stored`
the file as text in a setting, `perplexity` says how well it foretells other sentences, `bound` answers for all glosses
of a vocabulary at once.
"""

from slrcli.language.arpa import read_arpa, write_arpa
from slrcli.language.bound import BoundModel
from slrcli.language.kneser_ney import Discount, estimate
from slrcli.language.ngram import NgramModel
from slrcli.language.perplexity import Perplexity, perplexity

__all__ = ["BoundModel", "Discount", "NgramModel", "Perplexity", "estimate", "perplexity", "read_arpa", "write_arpa"]
