"""A corpus: annotation tables and feature files, recognised, read and brought together.

`finder` looks up feature files, `utterances` is what has been read, `tables` reads annotations, `formats` knows where
each corpus keeps them and opens it.
"""

from slrcli.corpus.formats import FORMATS, NoTableError, find_tables, open_corpus, told
from slrcli.corpus.utterances import (
    SPLITS,
    Corpus,
    Utterance,
    default_split,
    dev_from_train,
    split_name,
)

__all__ = [
    "FORMATS",
    "SPLITS",
    "Corpus",
    "NoTableError",
    "Utterance",
    "default_split",
    "dev_from_train",
    "find_tables",
    "open_corpus",
    "split_name",
    "told",
]
