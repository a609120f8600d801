"""Columns in another order, recordings that are mirrored, and signers with another dominant hand."""

import shutil
from itertools import permutations

import numpy as np
import pytest
from support.planted_corpora import errors, look, noted, warnings
from support.planted_signing import LAYOUT, change_all, columns_in_order, signing_corpus, with_differences, without_gaps

from slrcli.console import Console
from slrcli.corpus import open_corpus
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.features.augment import mirror
from slrcli.features.convert import Options, convert
from slrcli.features.handedness import shoulder_width
from slrcli.features.layout import load_layout
from slrcli.features.measure import read_stats
from slrcli.features.recording import prepare
from slrcli.findings import Level

NAMES = tuple(LAYOUT.by_name)
KAGGLE, HOLISTIC = load_layout("kaggle-543"), load_layout("mediapipe-1629")


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    return signing_corpus(tmp_path_factory.mktemp("signing") / "corpus")


@pytest.fixture
def corpus(signing, tmp_path):
    return shutil.copytree(signing, tmp_path / "corpus")


def order_of(examination):
    """What the finding about the order of columns says, or nothing."""
    found = [item for item in examination.findings if item.code == "SLR-D04" and item.level is Level.ERROR]
    return f"{found[0].what} {found[0].fix}" if found else ""


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without gaps"])
@pytest.mark.parametrize("names", list(permutations(NAMES))[1:], ids="-".join)
def test_groups_in_another_order_are_an_error_that_names_the_order(corpus, names, gaps):
    change_all(corpus, lambda x: columns_in_order(x if gaps else without_gaps(x), LAYOUT, names))
    assert f"the order {', '.join(names)} fits" in order_of(look(corpus))


def test_the_layout_that_the_finding_describes_is_accepted(corpus):
    names = ("right_hand", "pose", "left_hand")
    change_all(corpus, lambda x: columns_in_order(x, LAYOUT, names))
    layout = corpus / "order.toml"
    layout.write_text('like = "mediapipe-258"\n' + "".join(f'[[groups]]\nname = "{name}"\n' for name in names))
    assert not errors(look(corpus, layout=str(layout)))


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without gaps"])
@pytest.mark.parametrize(
    "names",
    [tuple(KAGGLE.by_name), ("pose", "face", "left_hand", "right_hand"), ("face", "left_hand", "right_hand", "pose")],
    ids="-".join,
)
def test_a_face_before_the_hands_is_told_and_a_shipped_layout_named(tmp_path, names, gaps):
    corpus = tmp_path / "corpus"
    write_corpus(corpus, SynthOptions.tiny(seed=1))
    assert not order_of(look(corpus))
    change_all(corpus, lambda x: columns_in_order(x if gaps else without_gaps(x), HOLISTIC, names))
    said = order_of(look(corpus))
    assert f"the order {', '.join(names)} fits" in said
    assert ("use --layout kaggle-543" in said) == (names == tuple(KAGGLE.by_name))
    if names == tuple(KAGGLE.by_name):
        assert not order_of(look(corpus, layout="kaggle-543"))


def test_single_points_that_are_missing_say_nothing_about_the_order(corpus):
    chance = np.random.default_rng(0)

    def holes(x):
        x[chance.random(x.shape) < 0.1] = np.nan
        return x

    change_all(corpus, holes)
    assert not order_of(look(corpus))


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_split_that_is_mirrored_with_its_names_is_a_warning(corpus, split):
    change_all(corpus, lambda x: mirror(x, LAYOUT), split)
    examination = look(corpus)
    assert "SLR-D29" in warnings(examination) and not errors(examination)
    said = [item for item in examination.findings if item.code == "SLR-D29" and item.level is Level.WARNING]
    assert len(said) == 1 and "hand moves more" in said[0].what
    named = {name for name in ("train", "dev", "test") if f"({name})" in said[0].where}
    assert named == ({"dev", "test"} if split == "train" else {split})  # those that differ from most clips


def test_a_corpus_that_is_mirrored_throughout_is_one_of_left_handed_signers(corpus):
    change_all(corpus, lambda x: mirror(x, LAYOUT))
    examination = look(corpus)
    assert not warnings(examination) | errors(examination)


# Features of unknown meaning, about which nothing that is said of bodies holds


def relu(chance, frames, columns):
    level = chance.uniform(-2, 0.5)  # from clip to clip, so that most values of some are zero
    x = chance.normal(level, 1, (frames, columns)).cumsum(axis=0) / np.sqrt(np.arange(1, frames + 1))[:, None]
    return np.maximum(x, 0)


def sparse(chance, frames, columns):
    return np.where(
        chance.random((frames, columns)) < 0.02, chance.gamma(1, 1 + 4 * chance.random(), (frames, columns)), 0
    )


def one_hot(chance, frames, columns):
    return np.eye(columns)[np.repeat(chance.integers(0, columns, -(-frames // 9)), 9)[:frames]]


def held(chance, frames, columns):
    return np.eye(columns)[np.full(frames, chance.integers(columns))]


def embedding(chance, frames, columns):
    x = chance.normal(size=(frames, columns))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("columns", [64, 512])
@pytest.mark.parametrize("make", [relu, sparse, one_hot, held, embedding])
def test_features_of_networks_give_no_error(corpus, make, columns):
    chance = np.random.default_rng(3)
    change_all(corpus, lambda x: make(chance, len(x), columns))
    examination = look(corpus)
    assert not errors(examination), examination.findings
    assert not {"SLR-D25", "SLR-D29", "SLR-D30"} & warnings(examination), examination.findings


@pytest.mark.parametrize("make", [relu, sparse, embedding])
def test_features_of_another_scale_are_still_an_error(corpus, make):
    chance = np.random.default_rng(3)
    change_all(corpus, lambda x: make(chance, len(x), 64))
    change_all(corpus, lambda x: 255 * x, "test")
    assert errors(look(corpus)) == {"SLR-D30"}


def test_json_has_all_clips_of_a_finding_and_not_the_first_few(corpus):
    def unseen(x):
        return np.full_like(x, np.nan)

    change_all(corpus, unseen, "dev")
    told = look(corpus).to_dict()["findings"]
    found = next(item for item in told if item["code"] == "SLR-D08" and item["level"] == "error")
    clips = open_corpus(corpus).split("dev")
    assert len(clips) > 5 and found["items"] == [item.id for item in clips]
    assert found["where"].endswith(f"and {len(clips) - 5} more") and type(found["where"]) is str


@pytest.mark.parametrize("layout", ["mediapipe-258", "stored"])
def test_a_clip_that_is_mirrored_is_left_handed_and_mirrored_twice_it_is_itself(corpus, tmp_path, layout):
    layout = str(corpus / "stored.toml") if layout == "stored" else layout
    x = next(iter((corpus / "features" / "train").glob("*.npy")))
    if layout.endswith(".toml"):
        np.save(x, with_differences(np.load(x)))
    once, twice = tmp_path / "once.npy", tmp_path / "twice.npy"
    for source, target in ((x, once), (once, twice)):
        options = Options(load_layout(layout), mirror=True)
        assert [item.error for item in convert(Console(quiet=True), source, target, options)] == [None]
    np.testing.assert_allclose(np.load(twice), np.load(x), atol=1e-6)
    before, after = (read_stats(path, load_layout(layout), fully=True) for path in (x, once))
    assert before.dominance < -0.5 and after.dominance == pytest.approx(-before.dominance, abs=1e-4)


def test_a_skeleton_that_goes_over_to_another_person_is_noted_with_its_clip(corpus):
    assert "leaps" not in noted(look(corpus), "SLR-D25")
    path = sorted(corpus.glob("features/train/*.npy"))[0]
    x = np.load(path)
    width = shoulder_width(prepare(x, LAYOUT, max_gap=0), LAYOUT)
    pose = LAYOUT.by_name["pose"]
    across = [pose.column(point, "x") for point in pose.points]
    for first, last in ((10, 14), (20, 25)):
        x[first:last, across] += 3 * width
    np.save(path, x)
    (finding,) = [item for item in look(corpus).findings if "leaps" in item.what]
    assert finding.code == "SLR-D25" and finding.where == f"{path.stem} (4 leaps)"
