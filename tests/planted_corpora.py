"""A small sound corpus and the faults that can be planted into it, for the tests of `slr check data`."""

import numpy as np

from slrcli.corpus import open_corpus
from slrcli.doctor.data_checks import DATA_CHECKS
from slrcli.doctor.records import DataContext, feature_files, gather
from slrcli.doctor.run import examine
from slrcli.doctor.vocab_checks import DATA_VOCAB_CHECKS, VOCAB_CHECKS
from slrcli.findings import Level
from slrcli.vocab import Vocabulary

D = 22
SENTENCES = {
    "train": {"t1": "RAIN TODAY", "t2": "SUN TOMORROW NORTH", "t3": "RAIN RAIN NORTH", "t4": "TODAY SUN"},
    "dev": {"d1": "RAIN NORTH", "d2": "SUN"},
    "test": {"e1": "TODAY", "e2": "NORTH NORTH"},
}


def clip(frames=40, columns=D, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, columns)).astype(np.float32)


def write_table(root, split, sentences):
    folder = root / "annotations" / "manual"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{id}|{id}/1/*.png|Signer01|{glosses}\n" for id, glosses in sentences]
    (folder / f"{split}.corpus.csv").write_text("id|folder|signer|annotation\n" + "".join(rows), encoding="utf-8")


def sound_corpus(root):
    """A sound corpus of eight clips, which the tests then spoil."""
    for split, sentences in SENTENCES.items():
        write_table(root, split, sentences.items())
        (root / "features" / split).mkdir(parents=True)
        for number, id in enumerate(sentences):
            np.save(root / "features" / split / f"{id}.npy", clip(seed=number))
    return root


def features(corpus, id, array=None):
    """The file of a clip, rewritten if an array comes along."""
    split = {"t": "train", "d": "dev", "e": "test"}[id[0]]
    path = corpus / "features" / split / f"{id}.npy"
    if array is not None:
        np.save(path, array)
    return path


def look(corpus, layout=None, normaliser="none", vocabulary=None, **kwargs):
    opened = open_corpus(corpus)
    context = DataContext(
        opened.normalised(normaliser), gather(feature_files(opened), layout), layout, vocabulary, **kwargs
    )
    lists = (DATA_CHECKS, VOCAB_CHECKS, DATA_VOCAB_CHECKS) if vocabulary else (DATA_CHECKS,)
    return examine("", context, *lists)


def of_level(examination, level):
    return {finding.code for finding in examination.findings if finding.level is level}


def errors(examination):
    return of_level(examination, Level.ERROR)


def warnings(examination):
    return of_level(examination, Level.WARNING)


def said(examination, code):
    return next(f for f in examination.findings if f.code == code and f.level is not Level.NOTE)


def noted(examination, code):
    return " ".join(f.what for f in examination.findings if f.code == code and f.level is Level.NOTE)


def vocabulary_of(*sentences, **kwargs):
    return Vocabulary.build([sentence.split() for sentence in sentences], **kwargs)


# Faults; each function spoils the corpus and says nothing else


def no_train(corpus):
    (corpus / "annotations/manual/train.corpus.csv").unlink()


def empty_train(corpus):
    write_table(corpus, "train", [])


def file_missing(corpus):
    features(corpus, "t2").unlink()


def file_cut_short(corpus):
    path = features(corpus, "t2")
    path.write_bytes(path.read_bytes()[:-100])


def file_of_text(corpus):
    features(corpus, "d1").write_text("hello")


def file_empty(corpus):
    features(corpus, "d1").write_bytes(b"")


def file_pickled(corpus):
    np.save(features(corpus, "t1"), np.array([{"a": 1}], dtype=object), allow_pickle=True)


def file_of_no_frames(corpus):
    features(corpus, "t1", clip(frames=0))


def file_of_one_dimension(corpus):
    features(corpus, "t1", clip()[0])


def file_of_strings(corpus):
    features(corpus, "t1", np.array([["a", "b"]]))


def another_width(corpus):
    features(corpus, "t3", clip(columns=D + 1))


def infinite_value(corpus):
    x = clip()
    x[3, 4] = -np.inf
    features(corpus, "d2", x)


def nothing_seen(corpus):
    features(corpus, "t4", np.full_like(clip(), np.nan))


def no_gloss(corpus):
    write_table(corpus, "train", [*list(SENTENCES["train"].items())[:3], ("t4", "")])


def too_few_frames(corpus):
    features(corpus, "t2", clip(frames=8))  # two output frames for three glosses


def repeats_need_blanks(corpus):
    features(corpus, "t3", clip(frames=12))  # three output frames: RAIN, blank, RAIN, NORTH need four


def id_twice(corpus):
    write_table(corpus, "train", [*SENTENCES["train"].items(), ("t1", "SUN")])


def id_in_two_splits(corpus):
    write_table(corpus, "test", [*SENTENCES["test"].items(), ("t1", "SUN")])
    np.save(corpus / "features/test/t1.npy", clip())


FAULTS = {
    no_train: "SLR-D01",
    empty_train: "SLR-D01",
    file_missing: "SLR-D02",
    file_cut_short: "SLR-D03",
    file_of_text: "SLR-D03",
    file_empty: "SLR-D03",
    file_pickled: "SLR-D03",
    file_of_no_frames: "SLR-D03",
    file_of_one_dimension: "SLR-D03",
    file_of_strings: "SLR-D03",
    another_width: "SLR-D04",
    infinite_value: "SLR-D06",
    nothing_seen: "SLR-D08",
    no_gloss: "SLR-D09",
    too_few_frames: "SLR-D10",
    repeats_need_blanks: "SLR-D10",
    id_twice: "SLR-D11",
    id_in_two_splits: "SLR-D12",
}
