"""The procedural signer: its lexicon, its people, and the corpus that it writes."""

import hashlib
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from slrcli.corpus import open_corpus
from slrcli.demo.synth import SynthOptions, lexicon, minimal_pairs, named_lexicon, write_corpus
from slrcli.demo.synth.face import face_template
from slrcli.demo.synth.lexicon import MOST_NAMED
from slrcli.demo.synth.motion import paced, sentence_track, sign_track
from slrcli.demo.synth.render import WIDTH, hand_course, lost_frames, render
from slrcli.demo.synth.signer import draw_signers
from slrcli.demo.synth.write import draw_sentence, split_signers
from slrcli.errors import DataError, UsageError
from slrcli.features.anatomy import hand_points
from slrcli.features.layout import load_layout

PARTS = ("handshape", "place", "orientation", "movement")
SMALL = SynthOptions(signs=8, train=5, dev=2, test=3, longest=3, train_signers=3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    return out, write_corpus(out, SMALL)


@pytest.fixture
def signer():
    return draw_signers(3, 0, np.random.default_rng(5))[1]


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def clips(folder):
    return [np.load(path, allow_pickle=False) for path in sorted(folder.glob("features/*/*.npy"))]


def test_the_same_options_give_the_same_bytes_and_another_seed_others(written, tmp_path):
    write_corpus(tmp_path / "again", SMALL)
    assert digest(tmp_path / "again") == digest(written[0])
    write_corpus(tmp_path / "other", SynthOptions(**{**vars(SMALL), "seed": 1}))
    assert digest(tmp_path / "other") != digest(written[0])


def test_a_clip_does_not_depend_on_how_many_there_are(written, tmp_path):
    write_corpus(tmp_path, SynthOptions(**{**vars(SMALL), "train": 2}))
    name = "features/train/demo-train-00002.npy"
    assert (tmp_path / name).read_bytes() == (written[0] / name).read_bytes()


def test_clips_are_positions_of_mediapipe_holistic_within_the_picture(written):
    layout = load_layout("mediapipe-1629")
    assert layout.width == WIDTH
    for x in clips(written[0]):
        assert x.dtype == np.float32 and x.shape[1] == WIDTH and len(x) > 15
        in_picture = x.reshape(len(x), -1, 3)[:, :, :2]
        assert np.nanmin(in_picture) > 0 and np.nanmax(in_picture) < 1


def test_everybody_fits_into_the_picture():
    signs = lexicon()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for person in draw_signers(3, 1, rng):
            x = render(sentence_track(signs[seed % 24 : seed % 24 + 4], person, rng), person, rng)
            in_picture = x.reshape(len(x), -1, 3)[:, :, :2]
            assert np.nanmin(in_picture) > 0 and np.nanmax(in_picture) < 1


def test_the_body_stands_upright_and_faces_the_camera(written):
    layout = load_layout("mediapipe-1629")

    def at(x, group, point, coordinate):
        return x[:, next(g for g in layout.groups if g.name == group).column(point, coordinate)].mean()

    for x in clips(written[0]):
        assert at(x, "pose", "left_shoulder", "x") > at(x, "pose", "right_shoulder", "x")
        assert at(x, "pose", "nose", "y") < at(x, "pose", "left_shoulder", "y") < at(x, "pose", "left_hip", "y")
        assert at(x, "pose", "left_hip", "y") < at(x, "pose", "left_knee", "y") < at(x, "pose", "left_ankle", "y")


def test_the_corpus_is_opened_like_any_other(written):
    out, summary = written
    corpus = open_corpus(out)
    assert {split: len(corpus.split(split)) for split in corpus.splits} == summary.sentences
    known = {sign.gloss for sign in lexicon(SMALL.signs)}
    for split in ("train", "dev", "test"):
        for number, utterance in enumerate(corpus.split(split), start=1):
            assert utterance.id == f"demo-{split}-{number:05d}" and utterance.features.is_file()
            assert utterance.signer in summary.signers[split]
            assert set(utterance.glosses) <= known and 1 <= len(utterance.glosses) <= 3
    assert sum(len(u.glosses) for split in corpus.splits for u in corpus.split(split)) == summary.glosses


def test_the_summary_counts_what_was_written(written):
    out, summary = written
    arrays = clips(out)
    assert summary.frames == sum(map(len, arrays)) and summary.bytes == sum(x.nbytes for x in arrays)
    assert summary.seconds == summary.frames / 25


@pytest.mark.parametrize("options", [SynthOptions(), SynthOptions.tiny(), SynthOptions(dev_signers=2, test_signers=3)])
def test_nobody_signs_in_two_splits(options):
    cast = split_signers(options)
    assert [len(cast[split]) for split in ("train", "dev", "test")] == [
        options.train_signers,
        options.dev_signers,
        options.test_signers,
    ]
    for one, other in combinations(cast.values(), 2):
        assert not {person.name for person in one} & {person.name for person in other}
        assert not {person.shoulders for person in one} & {person.shoulders for person in other}


def test_people_differ_in_build_pace_and_place():
    people = draw_signers(8, 2, np.random.default_rng(0))
    assert [person.left_handed for person in people] == [True] * 2 + [False] * 6
    for name in ("shoulders", "forearm", "speed", "centre_x", "camera_roll"):
        assert len({getattr(person, name) for person in people}) == 8


def test_progress_is_told_once_a_clip(tmp_path):
    steps = []
    write_corpus(tmp_path, SMALL, steps.append)
    assert steps == [1] * 10


def test_minimal_pairs_differ_in_exactly_one_parameter_and_all_four_occur():
    signs = {sign.gloss: sign for sign in lexicon()}
    pairs = minimal_pairs(lexicon())
    assert {pair.parameter for pair in pairs} == set(PARTS)
    for first, second, parameter in pairs:
        a, b = signs[first], signs[second]
        assert [name for name in PARTS if getattr(a, name) != getattr(b, name)] == [parameter]
        assert a.both_hands == b.both_hands


def test_no_two_signs_are_the_same_and_glosses_are_plain_words():
    signs = lexicon()
    assert len({tuple(getattr(sign, name) for name in PARTS) for sign in signs}) == len(signs) == 28
    assert all(sign.gloss.isalpha() and sign.gloss.isupper() for sign in signs)
    assert any(sign.both_hands for sign in signs)


def test_a_vocabulary_of_a_real_size_gets_a_sign_of_its_own_for_every_gloss():
    glosses = [f"GLOSS-{number}" for number in range(1500)]
    signs = named_lexicon(glosses)
    assert [sign.gloss for sign in signs.values()] == list(signs) and set(signs) == set(glosses)
    made = {(*(getattr(sign, name) for name in PARTS), sign.both_hands) for sign in signs.values()}
    assert len(made) == 1500
    assert named_lexicon(reversed(glosses)) == signs
    assert named_lexicon(glosses, seed=1) != signs
    few = named_lexicon(glosses[:5])
    assert sum(signs[gloss] == few[gloss] for gloss in few) >= 4  # others seldom take a sign away


def test_a_sign_belongs_to_one_family_with_all_that_share_everything_but_its_movement():
    signs = named_lexicon(map(str, range(200))).values()
    for one, other in combinations(signs, 2):
        alike = all(getattr(one, name) == getattr(other, name) for name in (*PARTS[:3], "both_hands"))
        assert (one.family == other.family) == alike


def test_more_glosses_than_signs_are_refused():
    with pytest.raises(UsageError, match=f"4201 glosses.*at most {MOST_NAMED}"):
        named_lexicon(map(str, range(MOST_NAMED + 1)))


def test_a_course_is_brought_to_a_number_of_frames_and_keeps_its_poses(signer):
    track = sentence_track(lexicon()[:3], signer, np.random.default_rng(0))
    for frames in (2, len(track) // 3, len(track), 3 * len(track)):
        other = paced(track, frames)
        for name in ("wrist", "shape", "angles"):
            given, made = getattr(track, name), getattr(other, name)
            assert len(made) == frames
            np.testing.assert_allclose(made[[0, -1]], given[[0, -1]], atol=1e-12)
            before, at = np.linspace(0, 1, len(given)), np.linspace(0, 1, frames)
            np.testing.assert_allclose(made[:, 0, 1], np.interp(at, before, given[:, 0, 1]), atol=1e-12)
    with pytest.raises(UsageError, match="in 1 frames"):
        paced(track, 1)


def test_the_hands_of_a_course_are_those_that_the_camera_sees(signer):
    track = sentence_track(lexicon()[20:22], signer, np.random.default_rng(1))
    plain = replace(signer, camera_roll=0, turn=0)
    seen = render(track, plain, np.random.default_rng(1), noise=0, missing=0)[:, 99:225].reshape(-1, 42, 3)
    hands = hand_course(track, plain)
    for first in (0, 21):  # each hand from its own wrist: the body sways
        part = slice(first, first + 21)
        expected = (hands[:, part] - hands[:, first : first + 1]) * plain.shoulders
        np.testing.assert_allclose(seen[:, part] - seen[:, first : first + 1], expected, atol=1e-5)


def test_a_movement_run_backwards_passes_the_same_poses_in_another_order(signer):
    partners = 0
    for a, b in combinations(lexicon(), 2):
        if a.family != b.family or a.movement._replace(backward=True) != b.movement:
            continue
        # Enough frames for a course of two legs, which is its own reverse and turns where the other one starts.
        forwards, backwards = sign_track(a, signer, 160), sign_track(b, signer, 160)
        assert not np.allclose(forwards.wrist, backwards.wrist, atol=0.05)
        for name in ("wrist", "shape", "angles"):
            one, other = (getattr(track, name).reshape(160, -1) for track in (forwards, backwards))
            apart = np.abs(one[:, None] - other[None]).max(axis=2)
            assert apart.min(axis=0).max() < 0.02 and apart.min(axis=1).max() < 0.02
            if a.movement.legs == 1:
                np.testing.assert_allclose(one[::-1], other, atol=1e-12)
        partners += 1
    assert partners == 14  # every sign has one


def test_the_other_hand_joins_in_only_where_the_sign_needs_both(signer):
    for sign in lexicon():
        track = sign_track(sign, signer, 14)
        moves = np.ptp(track.wrist, axis=0).max(axis=1) > 0.1
        assert list(moves) == [True, sign.both_hands]


def test_a_left_hander_signs_with_the_left(signer):
    person = signer.__class__(**{**vars(signer), "left_handed": True})
    sign = lexicon()[0]  # up
    for who, moving, still in ((signer, "right", "left"), (person, "left", "right")):
        x = render(sign_track(sign, who, 15), who, np.random.default_rng(0), noise=0, missing=0)
        layout = load_layout("mediapipe-1629")
        pose = next(group for group in layout.groups if group.name == "pose")
        moved = {side: np.ptp(x[:, pose.column(f"{side}_wrist", "y")]) for side in ("left", "right")}
        assert moved[moving] > 5 * moved[still]


def test_bones_keep_their_length_whatever_the_hand_does(signer):
    rng = np.random.default_rng(1)
    points = hand_points(rng.random((50, 6)), rng.uniform(-180, 180, (50, 3)))
    chains = [[first, first + 1] for finger in range(5) for first in range(4 * finger + 1, 4 * finger + 4)]
    lengths = np.stack([np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in chains])
    assert np.ptp(lengths, axis=1).max() < 1e-12
    track = sentence_track(lexicon()[20:24], signer, rng)
    pose = render(track, signer, rng, noise=0, missing=0)[:, :99].reshape(-1, 33, 3)
    for a, b, length in ((11, 13, signer.upper_arm), (13, 15, signer.forearm), (14, 16, signer.forearm)):
        measured = np.linalg.norm(pose[:, a] - pose[:, b], axis=1) / signer.shoulders
        np.testing.assert_allclose(measured, length, rtol=1e-4)


def test_signs_flow_into_one_another_without_a_jump(signer):
    track = sentence_track([lexicon()[0], lexicon()[16], lexicon()[27]], signer, np.random.default_rng(2))
    assert np.abs(np.diff(track.wrist, axis=0)).max() < 0.35
    for end in (0, -1):  # rest before and after
        np.testing.assert_allclose(track.wrist[end, 0], track.wrist[end, 1])


def test_hands_are_lost_as_a_whole_at_about_the_rate_asked_for_and_the_body_never():
    rng = np.random.default_rng(3)
    people = draw_signers(4, 0, rng)
    for rate in (0.0, 0.2):
        lost = []
        for index in range(40):
            person = people[index % 4]
            x = render(sentence_track(lexicon()[index % 24 :][:4], person, rng), person, rng, missing=rate)
            nan = np.isnan(x)
            assert not nan[:, :99].any() and not nan[:, 225:].any()
            for hand in (nan[:, 99:162], nan[:, 162:225]):
                assert (hand.all(axis=1) == hand.any(axis=1)).all()
                lost.append(hand[:, 0])
        assert np.concatenate(lost).mean() == pytest.approx(rate, abs=0.25 * rate)


def test_fast_hands_are_lost_more_often():
    rng = np.random.default_rng(4)
    speed = np.repeat([0.0, 1.0], 20_000)
    lost = lost_frames(speed, 0.1, rng)
    assert lost[20_100:].mean() > 3 * lost[:20_000].mean()


def test_the_face_is_the_same_on_both_sides_and_only_its_lower_half_opens():
    rest, opening = face_template()
    assert rest.shape == opening.shape == (468, 3) and np.isfinite(rest).all()
    for right, left in ((33, 263), (133, 362), (61, 291), (70, 300), (107, 336), (234, 454)):
        np.testing.assert_allclose(rest[right] * [-1, 1, 1], rest[left], atol=1e-6)
    assert (opening[rest[:, 1] < 0.2] == 0).all() and opening[:, 1].max() > 0


def test_sentences_do_not_tell_signs_of_a_family_apart_by_their_order():
    signs, rng = lexicon(), np.random.default_rng(6)
    sentences = [draw_sentence(signs, SynthOptions(), rng) for _ in range(4000)]
    first = [sentence[0].gloss for sentence in sentences if sentence[0].family == "time"]
    shares = np.array([first.count(sign.gloss) for sign in signs if sign.family == "time"]) / len(first)
    np.testing.assert_allclose(shares, 0.25, atol=0.05)
    assert {len(sentence) for sentence in sentences} == {1, 2, 3, 4}


def test_a_folder_with_a_corpus_is_never_written_into(written):
    with pytest.raises(DataError, match=r"already holds a corpus.*Choose another"):
        write_corpus(written[0], SMALL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signs": 3}, "Use 4 to 28"),
        ({"signs": 29}, "Use 4 to 28"),
        ({"test_signers": 0}, "Every split needs a signer"),
        ({"left_handed": 4}, "left-handed"),
        ({"shortest": 4}, "shortest <= longest"),
        ({"missing": 1.0}, "share of frames"),
    ],
)
def test_options_that_make_no_corpus_are_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        write_corpus(tmp_path / "out", SynthOptions(**{**vars(SMALL), **changes}))
    assert not (tmp_path / "out").exists()
