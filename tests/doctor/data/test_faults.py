"""Every check of data has a planted fault, which is found under its own code and makes no other code an error."""

import importlib.util
import shutil
from importlib import resources

import numpy as np
import pytest
from support import planted_corpora, planted_signing
from support.planted_corpora import errors, look, sound_corpus, warnings
from support.planted_signing import signing_corpus

from slrcli.corpus import open_corpus
from slrcli.doctor.data.checks import DATA_VOCAB_CHECKS
from slrcli.findings import Level


@pytest.fixture(scope="session")
def signing(tmp_path_factory):
    return signing_corpus(tmp_path_factory.mktemp("signing") / "corpus")


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    return signing_corpus(tmp_path_factory.mktemp("stored") / "corpus", differences=True)


def plant(source, spoil, folder):
    """A copy of a corpus with one fault, and what the checks say about it."""
    corpus = folder / "spoilt"
    shutil.copytree(source, corpus)
    told = spoil(corpus) or {}
    if spoil in planted_signing.STORED_FAULTS:
        told["layout"] = str(corpus / "stored.toml")
    return look(corpus, **told)


def found(examination, code, level):
    return [item for item in examination.findings if item.code == code and item.level is level]


def assert_found(examination, code, level):
    own = found(examination, code, level)
    assert own, [(item.code, item.level.value, item.what) for item in examination.findings]
    assert errors(examination) == ({code} if level is Level.ERROR else set())
    assert all(item.fix for item in examination.findings if item.level is not Level.NOTE)


def test_every_check_of_data_and_vocabulary_has_a_planted_fault():
    planted = {**planted_corpora.FAULTS, **planted_signing.FAULTS, **planted_signing.STORED_FAULTS}
    codes = {check.code for check in DATA_VOCAB_CHECKS}
    assert codes == {code for code, _ in planted.values()}
    assert len(planted) >= 35


def test_every_check_of_data_and_vocabulary_has_a_page_that_explains_it():
    folder = resources.files("slrcli.doctor") / "pages"
    for check in DATA_VOCAB_CHECKS:
        page = (folder / f"{check.code}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {check.code}: {check.title}\n") and page.count("\n## ") == 3


def test_sound_corpora_give_neither_errors_nor_warnings(tmp_path, signing, stored):
    for corpus, layout in ((sound_corpus(tmp_path), "auto"), (signing, "auto"), (stored, str(stored / "stored.toml"))):
        examination = look(corpus, layout=layout)
        assert not errors(examination) | warnings(examination), examination.findings
        assert not examination.skipped


@pytest.mark.parametrize("spoil", planted_corpora.FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_fault_of_tables_and_files_is_found_under_its_own_code(tmp_path, spoil):
    source = sound_corpus(tmp_path / "sound")
    code, level = planted_corpora.FAULTS[spoil]
    before = look(source).findings
    examination = plant(source, spoil, tmp_path)
    assert_found(examination, code, level)
    assert any(item not in before for item in found(examination, code, level))


@pytest.mark.parametrize("spoil", planted_signing.FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_fault_of_bodies_and_movement_is_found_under_its_own_code(signing, tmp_path, spoil):
    assert_found(plant(signing, spoil, tmp_path), *planted_signing.FAULTS[spoil])


@pytest.mark.parametrize("spoil", planted_signing.STORED_FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_fault_of_stored_differences_is_found(stored, tmp_path, spoil):
    assert_found(plant(stored, spoil, tmp_path), *planted_signing.STORED_FAULTS[spoil])


# The same on real recordings


@pytest.fixture(scope="session")
def real(real_data, tmp_path_factory):
    """Real landmarks of MediaPipe, composed to 60 sentences of train and 24 of dev."""
    place = importlib.util.spec_from_file_location("build", real_data / "benchmarks" / "build.py")
    build = importlib.util.module_from_spec(place)
    place.loader.exec_module(build)
    plan = {
        "train": (lambda info: info["part"] == "train", 60, 1),
        "dev": (lambda info: info["part"] == "dev", 24, 2),
    }
    out = tmp_path_factory.mktemp("real") / "corpus"
    build.composed(out, "traduttore", plan, lambda info: np.array(["unknown"] * len(info["sign"])))
    return out


def test_real_landmarks_give_neither_errors_nor_false_warnings(real):
    examination = look(real)
    assert not errors(examination) | warnings(examination), examination.findings


@pytest.mark.parametrize("spoil", planted_signing.FAULTS, ids=lambda spoil: spoil.__name__)
def test_faults_planted_into_real_landmarks_are_found(real, tmp_path, spoil):
    assert_found(plant(real, spoil, tmp_path), *planted_signing.FAULTS[spoil])


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def infinity(path):
    x = np.load(path)
    x[3, 4] = np.inf
    np.save(path, x)


REAL_FAULTS = {
    "a file is missing": (lambda train, dev: train[0].unlink(), "SLR-D02", Level.ERROR),
    "a file is cut short": (lambda train, dev: cut(train[1]), "SLR-D03", Level.ERROR),
    "a file is pickled": (
        lambda train, dev: np.save(train[1], np.array([{}], dtype=object), allow_pickle=True), "SLR-D03", Level.ERROR
    ),
    "a clip lacks columns": (lambda train, dev: np.save(train[2], np.load(train[2])[:, :-1]), "SLR-D04", Level.ERROR),
    "a clip is stored as float64": (
        lambda train, dev: np.save(train[2], np.load(train[2]).astype(float)), "SLR-D04", Level.WARNING
    ),
    "a number is infinite": (lambda train, dev: infinity(dev[0]), "SLR-D06", Level.ERROR),
    "nothing was seen": (
        lambda train, dev: np.save(train[4], np.full_like(np.load(train[4]), np.nan)), "SLR-D08", Level.ERROR
    ),
    "a clip is too short": (lambda train, dev: np.save(train[3], np.load(train[3])[:2]), "SLR-D10", Level.ERROR),
    "a clip of train is in dev": (lambda train, dev: shutil.copy(train[5], dev[3]), "SLR-D19", Level.ERROR),
    "a file has no annotation": (
        lambda train, dev: np.save(train[0].with_name("left.npy"), np.load(train[0])), "SLR-D23", Level.WARNING
    ),
    "a clip does not move": (
        lambda train, dev: np.save(train[0], np.repeat(np.load(train[0])[:1], 90, axis=0)), "SLR-D25", Level.ERROR
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL_FAULTS)
def test_damage_done_to_real_files_is_found(real, tmp_path, name):
    spoil, code, level = REAL_FAULTS[name]

    def at_files(corpus):
        opened = open_corpus(corpus)
        spoil(*([item.features for item in opened.split(split)] for split in ("train", "dev")))

    assert_found(plant(real, at_files, tmp_path), code, level)
