"""N-gram language models of glosses: estimation, files, perplexity, and use in decoders.

`ngram` holds a model and gives the probability of one gloss, `kneser_ney` estimates a model from sentences, `arpa`
reads and writes its file, `stored` holds the file as text in a setting, `perplexity` evaluates it on other sentences,
`bound` gives the probabilities of all glosses of a vocabulary at once, `coverage` says which of them a model lacks.
"""

from slrcli.language.arpa import read_arpa, write_arpa
from slrcli.language.bound import BoundModel
from slrcli.language.coverage import Coverage, coverage
from slrcli.language.kneser_ney import Discount, estimate
from slrcli.language.ngram import NgramModel
from slrcli.language.perplexity import Perplexity, perplexity

__all__ = [
    "BoundModel", "Coverage", "Discount", "NgramModel", "Perplexity", "coverage", "estimate", "perplexity", "read_arpa",
    "write_arpa",
]  # fmt: skip
