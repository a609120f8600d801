"""A corpus: its annotation tables and feature files.

`formats` recognises and reads annotation tables, `finder` looks up feature files, and `utterances` holds the result.
"""

from slrcli.corpus.formats import FORMATS, NoTableError, find_tables, open_corpus
from slrcli.corpus.settings import told
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
