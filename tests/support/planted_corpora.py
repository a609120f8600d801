"""A small sound corpus and the faults that can be planted into it, for the tests of `slr check data`.

The faults of bodies and of movement, which need landmarks, are in `planted_signing`.
"""

import unicodedata
from dataclasses import replace

import numpy as np

from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.doctor.data.checks import DATA_CHECKS, DATA_VOCAB_CHECKS
from slrcli.doctor.data.target import DataTarget
from slrcli.doctor.run import examine
from slrcli.errors import DataError
from slrcli.findings import Level
from slrcli.glosses.vocabulary import Vocabulary
from support.planted_hands import signing, swapped

D = 22
SENTENCES = {
    "train": {"t1": "RAIN TODAY", "t2": "SUN TOMORROW NORTH", "t3": "RAIN RAIN NORTH", "t4": "TODAY SUN"},
    "dev": {"d1": "RAIN NORTH", "d2": "SUN"},
    "test": {"e1": "TODAY", "e2": "NORTH NORTH"},
}


def clip(frames=40, columns=D, seed=99):
    """Numbers without meaning; no clip of the corpus has the default seed."""
    return np.random.default_rng(seed).normal(size=(frames, columns)).astype(np.float32)


def write_table(root, split, sentences):
    folder = root / "annotations" / "manual"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{id}|{id}/1/*.png|Signer01|{glosses}\n" for id, glosses in sentences]
    (folder / f"{split}.corpus.csv").write_text("id|folder|signer|annotation\n" + "".join(rows), encoding="utf-8")


def sound_corpus(root):
    """A sound corpus of eight clips, which the tests then spoil."""
    number = 0
    for split, sentences in SENTENCES.items():
        write_table(root, split, sentences.items())
        (root / "features" / split).mkdir(parents=True)
        for id in sentences:
            number += 1
            np.save(root / "features" / split / f"{id}.npy", clip(seed=number))
    return root


def table(corpus, split="train"):
    return corpus / "annotations/manual" / f"{split}.corpus.csv"


def add(corpus, glosses, id="t9", seed=50):
    """One more clip of train."""
    lines = table(corpus).read_text(encoding="utf-8")
    table(corpus).write_text(f"{lines}{id}|{id}/1/*.png|Signer01|{glosses}\n", encoding="utf-8")
    np.save(features(corpus, id), clip(seed=seed))


def features(corpus, id, array=None):
    """The file of a clip, rewritten if an array comes along."""
    split = {"t": "train", "d": "dev", "e": "test"}[id[0]]
    path = corpus / "features" / split / f"{id}.npy"
    if array is not None:
        np.save(path, array)
    return path


def look(corpus, layout="auto", normaliser="none", at=None, full=False, jobs=1, **settled):
    """What the checks say about a corpus (or the one that lies `at` now); `settled` goes to the context: `stride=4`."""
    data = DataConfig(data_dir=str(at or corpus), layout=layout, normaliser=normaliser)
    context = replace(DataTarget(data, 1, full, jobs).open(Console(quiet=True))[1], **settled)
    given = context.vocabulary is not None or context.vocabulary_problem is not None
    return examine("", context, DATA_VOCAB_CHECKS if given else DATA_CHECKS)


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


# Faults; each function spoils the corpus, and may return what `look` has to be told


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


def absurd_value(corpus):
    x = clip()
    x[3, 4] = 1e30
    features(corpus, "d2", x)


def nothing_seen(corpus):
    features(corpus, "t4", np.full_like(clip(), np.nan))


def no_gloss(corpus):
    write_table(corpus, "train", [*list(SENTENCES["train"].items())[:3], ("t4", "")])


def too_few_frames(corpus):
    features(corpus, "t2", clip(frames=2))  # for three glosses


def repeats_need_blanks(corpus):
    features(corpus, "t3", clip(frames=3))  # RAIN, blank, RAIN, NORTH need four


def too_few_frames_for_the_stride(corpus):
    features(corpus, "t2", clip(frames=8))  # two output frames for three glosses
    return {"stride": 4}


def too_few_frames_for_the_default(corpus):
    features(corpus, "t2", clip(frames=8))


def id_twice(corpus):
    write_table(corpus, "train", [*SENTENCES["train"].items(), ("t1", "SUN")])


def id_in_two_splits(corpus):
    write_table(corpus, "test", [*SENTENCES["test"].items(), ("t1", "SUN")])
    np.save(corpus / "features/test/t1.npy", clip())


def table_of_latin_1(corpus):
    table(corpus).write_bytes(table(corpus).read_bytes().replace(b"SUN", b"S\xdcD"))


def table_with_a_cell_too_many(corpus):
    table(corpus).write_text(table(corpus).read_text().replace("RAIN TODAY", "RAIN|TODAY"))


def table_without_glosses(corpus):
    table(corpus, "dev").write_text(table(corpus, "dev").read_text().replace("annotation", "remark"))


def id_that_climbs(corpus):
    table(corpus).write_text(table(corpus).read_text().replace("t2|", "../t2|"))


def column_twice(corpus):
    lines = table(corpus).read_text().splitlines()
    rows = [f"{lines[0]}|annotation", *(f"{line}|OLD" for line in lines[1:])]
    table(corpus).write_text("\n".join(rows) + "\n")


def half_precision(corpus):
    features(corpus, "t1", clip().astype(np.float16))


def whole_numbers(corpus):
    features(corpus, "d2", (2 * clip()).astype(np.int16))


def points_mostly_missing(corpus):
    for split, sentences in SENTENCES.items():
        for id in sentences:
            x = np.load(corpus / "features" / split / f"{id}.npy")
            x[:, :15] = np.nan
            features(corpus, id, x)


def frames_mostly_blind(corpus):
    x = clip()
    x[5:35] = np.nan
    features(corpus, "t4", x)


def unknown_gloss(corpus):
    write_table(corpus, "dev", [("d1", "RAIN SNOW"), ("d2", "SUN")])


def another_case(corpus):
    add(corpus, "Rain TODAY")


def gloss_with_a_joiner(corpus):
    add(corpus, "RAIN\u200dNORTH")


def another_composition(corpus):
    add(corpus, "SÜD NORTH")
    add(corpus, unicodedata.normalize("NFD", "SÜD") + " NORTH", "t8", 51)


def commas_beside_blanks(corpus):
    add(corpus, "RAIN, NORTH SUN")


def bars_in_one_row(corpus):
    text = table(corpus).read_text(encoding="utf-8").replace("|", ",")
    table(corpus).write_text(text + "t8,t8/1/*.png,Signer01,RAIN|SUN NORTH\n", encoding="utf-8")
    np.save(corpus / "features/train/t8.npy", clip(seed=51))


def half_a_list(corpus):
    add(corpus, "['RAIN', 'NORTH' SUN")


def gloss_with_a_zero_width_space(corpus):
    add(corpus, "RAIN\u200b NORTH")


def letter_left_out(corpus):
    for i in range(5):
        add(corpus, "TOMORROW NORTH", f"t{10 + i}", 60 + i)
    add(corpus, "TOMOROW NORTH")


def letters_swapped(corpus):
    for i in range(5):
        add(corpus, "TOMORROW NORTH", f"t{10 + i}", 60 + i)
    add(corpus, "TOMORORW NORTH")


def normaliser_that_empties(corpus):
    marks = "__ON__ RAIN __OFF__"
    for number in range(5):
        add(corpus, marks, f"t{20 + number}", 70 + number)
    return {"normaliser": "seed-filter"}


def line_copied_wrongly(corpus):
    add(corpus, "RAIN RAIN RAIN RAIN RAIN NORTH")


def clip_of_train_in_test(corpus):
    features(corpus, "e2", np.load(features(corpus, "t3")))


def clip_of_train_in_test_compressed(corpus):
    features(corpus, "e2").unlink()
    np.savez_compressed(features(corpus, "e2").with_suffix(".npz"), features=np.load(features(corpus, "t3")))


def clip_twice_in_train(corpus):
    features(corpus, "t4", np.load(features(corpus, "t3")))


def sentence_of_train_in_dev(corpus):
    write_table(corpus, "dev", [("d1", "RAIN TODAY"), ("d2", "NORTH")])


def signer_shared_although_denied(corpus):
    return {"independent": True}


def signer_shared_although_named_otherwise(corpus):
    corpus.rename(corpus.with_name("corpus-SI5"))
    return {"at": corpus.with_name("corpus-SI5")}


def signer_forgotten_in_dev(corpus):
    rows = "".join(f"d{i}|d{i}|{signer}|SUN\n" for i, signer in ((1, "Signer01"), (2, "Signer02"), (3, "Signer03")))
    table(corpus, "dev").write_text("id|folder|signer|annotation\n" + rows)
    np.save(features(corpus, "d3"), clip(seed=80))


def signer_left_empty(corpus):
    table(corpus).write_text(table(corpus).read_text().replace("|Signer01|RAIN TODAY", "||RAIN TODAY"))


def file_without_annotation(corpus):
    np.save(corpus / "features/train/t77.npy", clip())


def zeros_for_missing(corpus):
    x = clip()
    x[:8] = 0
    features(corpus, "t1", x)


def placeholders_for_missing(corpus):
    x = clip()
    x[:8] = -999
    features(corpus, "t1", x)


def frames_all_the_same(corpus):
    features(corpus, "t3", np.repeat(clip(frames=1), 40, axis=0))


def frames_padded_at_the_end(corpus):
    x = clip()
    x[12:] = x[12]
    features(corpus, "t3", x)


def column_that_never_changes(corpus):
    for split, sentences in SENTENCES.items():
        for id in sentences:
            x = np.load(corpus / "features" / split / f"{id}.npy")
            x[:, 7] = 0.25
            features(corpus, id, x)


def other_unit(corpus):
    features(corpus, "t3", 640 * clip())


def hands_in_turn_in_either_slot(corpus):
    for number, path in enumerate(sorted(corpus.glob("features/*/*.npy"))):
        x = signing(seed=number)
        x[number::5] = swapped(x[number::5])
        np.save(path, x)


def damaged_vocabulary(corpus):
    return {"vocabulary_problem": DataError("the vocabulary is not JSON", "vocab.json", "build it again")}


def gloss_outside_the_vocabulary(corpus):
    return {"vocabulary": vocabulary_of("RAIN TODAY SUN TOMORROW")}


def vocabulary_of_another_normaliser(corpus):
    sentences = [sentence.split() for sentence in SENTENCES["train"].values()]
    return {"vocabulary": Vocabulary.build(sentences, normaliser="phoenix2014")}


E, W, N = Level.ERROR, Level.WARNING, Level.NOTE
FAULTS = {
    no_train: ("SLR-D01", E),
    empty_train: ("SLR-D01", E),
    file_missing: ("SLR-D02", E),
    file_cut_short: ("SLR-D03", E),
    file_of_text: ("SLR-D03", E),
    file_empty: ("SLR-D03", E),
    file_pickled: ("SLR-D03", E),
    file_of_no_frames: ("SLR-D03", E),
    file_of_one_dimension: ("SLR-D03", E),
    file_of_strings: ("SLR-D03", E),
    another_width: ("SLR-D04", E),
    half_precision: ("SLR-D04", W),
    whole_numbers: ("SLR-D04", W),
    infinite_value: ("SLR-D06", E),
    absurd_value: ("SLR-D06", W),
    points_mostly_missing: ("SLR-D08", W),
    nothing_seen: ("SLR-D08", E),
    frames_mostly_blind: ("SLR-D08", W),
    no_gloss: ("SLR-D09", E),
    too_few_frames: ("SLR-D10", E),
    repeats_need_blanks: ("SLR-D10", E),
    too_few_frames_for_the_stride: ("SLR-D10", E),
    too_few_frames_for_the_default: ("SLR-D10", W),
    id_twice: ("SLR-D11", E),
    id_in_two_splits: ("SLR-D11", E),
    unknown_gloss: ("SLR-D13", W),
    table_of_latin_1: ("SLR-D14", E),
    table_with_a_cell_too_many: ("SLR-D14", E),
    table_without_glosses: ("SLR-D14", E),
    id_that_climbs: ("SLR-D14", E),
    column_twice: ("SLR-D14", W),
    another_case: ("SLR-D15", W),
    another_composition: ("SLR-D15", W),
    gloss_with_a_zero_width_space: ("SLR-D15", W),
    gloss_with_a_joiner: ("SLR-D15", W),
    commas_beside_blanks: ("SLR-D15", W),
    bars_in_one_row: ("SLR-D15", E),
    half_a_list: ("SLR-D15", E),
    letter_left_out: ("SLR-D16", W),
    letters_swapped: ("SLR-D16", W),
    normaliser_that_empties: ("SLR-D09", W),
    line_copied_wrongly: ("SLR-D18", W),
    clip_of_train_in_test: ("SLR-D19", E),
    clip_of_train_in_test_compressed: ("SLR-D19", E),
    clip_twice_in_train: ("SLR-D19", W),
    sentence_of_train_in_dev: ("SLR-D20", N),
    signer_shared_although_denied: ("SLR-D21", E),
    signer_shared_although_named_otherwise: ("SLR-D21", W),
    signer_forgotten_in_dev: ("SLR-D21", W),
    signer_left_empty: ("SLR-D21", W),
    file_without_annotation: ("SLR-D23", W),
    zeros_for_missing: ("SLR-D24", W),
    placeholders_for_missing: ("SLR-D24", W),
    frames_all_the_same: ("SLR-D25", E),
    frames_padded_at_the_end: ("SLR-D25", W),
    other_unit: ("SLR-D30", E),
    column_that_never_changes: ("SLR-D33", W),
    hands_in_turn_in_either_slot: ("SLR-D34", W),
    damaged_vocabulary: ("SLR-V01", E),
    gloss_outside_the_vocabulary: ("SLR-D13", E),
    vocabulary_of_another_normaliser: ("SLR-V01", E),
}
