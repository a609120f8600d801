"""Beam search against all paths written out, torch's CTC loss, and published answers on real posteriors."""

import json
import math
from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.config import DecodeConfig
from slrcli.ctc.paths import log_likelihoods
from slrcli.decoding.beam import BeamSearch
from slrcli.decoding.cores import ManyCores, Tokens
from slrcli.decoding.decoder import BestPath, decoder_signature, make_decoder
from slrcli.decoding.greedy import greedy
from slrcli.decoding.hotwords import HotWords
from slrcli.decoding.prefixes import prefix_beam_search
from slrcli.decoding.scorer import Factors, Fusion, total
from slrcli.errors import SlrError

ALL = {"beam": None, "token_cut": 1e4, "margin": 600.0}
seeds = st.integers(0, 2**32 - 1)


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def random_log_probs(seed, frames, size, sharpness=2.0):
    return log_softmax(np.random.default_rng(seed).normal(size=(frames, size)) * sharpness)


def letters(size):
    return Tokens(("<blank>", *(chr(64 + index) for index in range(1, size))))


def brute_force(log_probs):
    """Every labelling and its log-probability, by writing out all paths."""
    frames, size = log_probs.shape
    found = {}
    for path in product(range(size), repeat=frames):
        ids = tuple(label for label, _ in groupby(path) if label)
        value = sum(log_probs[frame, label] for frame, label in enumerate(path))
        found[ids] = np.logaddexp(found.get(ids, -np.inf), value)
    return found


def torch_loss(log_probs, ids):
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(np.asarray(log_probs, dtype=np.float64))[:, None],
        torch.tensor([list(ids)], dtype=torch.long).reshape(1, -1),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(ids)]),
        reduction="none",
    )
    return float(loss)


class Bigrams:
    """A language model of two glosses at a time, made up."""

    def __init__(self, seed, size, forbidden=()):
        rng = np.random.default_rng(seed)
        self.table = np.log(rng.dirichlet(np.ones(size), size=size))  # the blank's column is the end
        for gloss in forbidden:
            self.table[:, gloss] = -np.inf

    def start(self):
        return 0

    def log_probs(self, state):
        return self.table[state]

    def next(self, state, gloss_id):
        return gloss_id

    def end(self, state):
        return float(self.table[state, 0])

    def sentence(self, ids):
        """The same by another way: the sum over pairs of neighbours."""
        return sum(self.table[left, right] for left, right in zip((0, *ids), (*ids, 0), strict=True))


@given(seeds, st.integers(1, 5), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_an_unlimited_beam_finds_every_labelling_with_the_mass_of_all_its_paths(seed, frames, size):
    log_probs = random_log_probs(seed, frames, size)
    expected = brute_force(log_probs)
    found = prefix_beam_search(log_probs, **ALL)
    assert {item.ids for item in found} == {ids for ids, value in expected.items() if value > -np.inf}
    for item in found:
        assert item.found == pytest.approx(expected[item.ids])
        assert item.log_prob == pytest.approx(expected[item.ids])
    assert [item.rating for item in found] == sorted((item.rating for item in found), reverse=True)
    assert math.fsum(math.exp(item.found) for item in found) == pytest.approx(1.0)


@given(seeds, st.integers(1, 40), st.integers(2, 30), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=40, deadline=None)
def test_scores_are_the_ctc_loss_of_the_labelling(seed, frames, size, kind):
    log_probs = random_log_probs(seed, frames, size).astype(kind)
    for item in prefix_beam_search(log_probs, beam=5):
        assert item.log_prob == pytest.approx(-torch_loss(log_probs, item.ids), abs=1e-4)
        assert item.found <= item.log_prob + 1e-4


def test_what_a_wide_beam_saw_is_the_ctc_loss_too():
    log_probs = random_log_probs(3, 9, 4)
    best = prefix_beam_search(log_probs, **ALL)[0]
    assert best.found == pytest.approx(-torch_loss(log_probs, best.ids))


@given(seeds, st.integers(1, 30), st.integers(2, 12), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_a_prefix_is_in_the_beam_once_and_the_beam_is_no_wider_than_asked(seed, frames, size, beam):
    found = prefix_beam_search(random_log_probs(seed, frames, size), beam=beam)
    assert 1 <= len(found) <= beam
    assert len({item.ids for item in found}) == len(found)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_cut_of_glosses_in_a_frame_loses_nothing_that_a_full_look_would_keep(seed):
    """Without a scorer at most 2 * beam + 1 glosses of a frame are tried: on 40 of equal rank that must not show."""
    log_probs = random_log_probs(seed, 12, 40, sharpness=0.3)
    few = prefix_beam_search(log_probs, 3, 1e4, 600.0)
    same = prefix_beam_search(log_probs, 3, 1e4, 600.0, Factors(Fusion([], 40)))  # a scorer without opinion: all tried
    assert [item.ids for item in few] == [item.ids for item in same]
    assert [item.found for item in few] == pytest.approx([item.found for item in same])


def test_repeats_need_a_blank_between():
    log_probs = np.log([[0.1, 0.9], [0.8, 0.2], [0.1, 0.9]])
    found = {item.ids: item.found for item in prefix_beam_search(log_probs, **ALL)}
    assert found[1, 1] == pytest.approx(math.log(0.9 * 0.8 * 0.9))
    assert (1, 1, 1) not in found


def test_mass_over_paths_beats_the_best_path():
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank-blank is the best path (0.36); A has 0.64 on three others
    assert greedy(log_probs, 1, letters(2)).ids == ()
    best = prefix_beam_search(log_probs)[0]
    assert best.ids == (1,)
    assert math.exp(best.log_prob) == pytest.approx(0.64)


@given(seeds, st.lists(st.lists(st.integers(1, 4), max_size=6), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_likelihoods_of_several_labellings_are_torchs_losses(seed, labellings):
    log_probs = random_log_probs(seed, 20, 5)
    expected = [-torch_loss(log_probs, ids) for ids in labellings]
    assert log_likelihoods(np.exp(log_probs), labellings).tolist() == pytest.approx(expected)


def test_likelihoods_hold_over_a_thousand_frames_and_where_the_clip_is_too_short():
    log_probs = random_log_probs(5, 1000, 6, sharpness=8.0)
    ids = greedy(log_probs, 1, letters(6)).ids[:300]
    assert log_likelihoods(np.exp(log_probs), [ids])[0] == pytest.approx(-torch_loss(log_probs, ids))
    assert log_likelihoods(np.exp(log_probs[:2]), [(1, 1), (1, 2)]).tolist()[0] == -np.inf


@given(seeds, st.floats(0.1, 3), st.floats(-2, 2) | st.integers(-2, 2))
@settings(max_examples=25, deadline=None)
def test_fusion_with_an_unlimited_beam_is_the_best_of_all_labellings(seed, weight, bonus):
    log_probs = random_log_probs(seed, 4, 4)
    model = Bigrams(seed, 4)
    scorer = Fusion([(model, weight)], 4, bonus)
    expected = {
        ids: value + weight * model.sentence(ids) + bonus * len(ids) for ids, value in brute_force(log_probs).items()
    }
    found = prefix_beam_search(log_probs, **ALL, factors=Factors(scorer))
    assert found[0].rating == pytest.approx(max(expected.values()))
    assert {item.ids: item.rating for item in found} == pytest.approx(
        {ids: value for ids, value in expected.items() if value > -np.inf}
    )
    for item in found:
        assert item.found == pytest.approx(item.log_prob)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_a_narrow_beam_with_a_model_rates_what_it_finds_exactly(seed):
    log_probs, model = random_log_probs(seed, 25, 8, sharpness=1.0), Bigrams(seed, 8)
    for item in prefix_beam_search(log_probs, 4, factors=Factors(Fusion([(model, 0.7)], 8, 0.4))):
        loss = torch_loss(log_probs, item.ids)
        assert item.rating == pytest.approx(-loss + 0.7 * model.sentence(item.ids) + 0.4 * len(item.ids))


def test_glosses_that_a_model_forbids_are_never_written():
    log_probs = random_log_probs(1, 20, 5)
    found = prefix_beam_search(log_probs, factors=Factors(Fusion([(Bigrams(1, 5, forbidden=[2, 3]), 0.1)], 5)))
    assert {id for item in found for id in item.ids} <= {1, 4}


phrases = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4), min_size=1, max_size=4)


@given(phrases, st.lists(st.integers(1, 3), max_size=12))
def test_hot_words_add_the_length_of_every_occurrence_and_take_back_what_did_not_go_on(phrases, ids):
    occurrences = {tuple(phrase) for phrase in phrases}
    expected = sum(
        len(phrase)
        for phrase in occurrences
        for start in range(len(ids))
        if tuple(ids[start : start + len(phrase)]) == phrase
    )
    assert total(HotWords(phrases, 4), ids) == pytest.approx(expected)


def test_a_phrase_under_way_counts_already():
    words = HotWords([(1, 2, 3)], 5)
    state = words.next(words.start(), 1)
    assert words.log_probs(words.start()).tolist()[1:] == [1, 0, 0, 0]
    assert words.log_probs(state).tolist()[1:] == [0, 1, -1, -1]
    assert words.end(state) == -1


def test_hot_words_and_a_model_together_are_the_best_of_all_labellings():
    log_probs, model, words = random_log_probs(8, 5, 4), Bigrams(8, 4), HotWords([(1, 2), (3,)], 4)
    scorer = Fusion([(model, 0.6), (words, 1.5)], 4, 0.2)
    expected = {ids: value + total(scorer, ids) for ids, value in brute_force(log_probs).items()}
    assert prefix_beam_search(log_probs, **ALL, factors=Factors(scorer))[0].rating == pytest.approx(
        max(expected.values())
    )


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_a_clip_gives_the_same_alone_and_in_a_padded_batch(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 12, size=rng.integers(1, 5))
    batch = np.stack([random_log_probs(seed + index, 12, 4) for index in range(len(lengths))]).astype(np.float32)
    for clip, length in enumerate(lengths):
        batch[clip, length:] = np.nan  # nothing may look at the padding
    search = BeamSearch(letters(4), beam=3, nbest=2)
    together = search(batch, lengths, 4, lengths * 4)
    alone = [
        search(clip[None, :length], [length], 4, [length * 4])[0] for clip, length in zip(batch, lengths, strict=True)
    ]
    assert together == alone


def test_glosses_do_not_depend_on_how_many_processes_search():
    batch = np.stack([random_log_probs(seed, 15, 6) for seed in range(5)])
    lengths, options = [15, 3, 0, 9, 12], DecodeConfig(beam=4, nbest=3)
    with ManyCores(options, letters(6).tokens, 2) as search:
        assert search(batch, lengths, 4) == make_decoder(options, letters(6))(batch, lengths, 4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
@settings(deadline=None)
def test_where_the_model_is_sure_times_and_confidences_are_those_of_the_best_path(labels):
    logits = np.zeros((len(labels), 5))
    logits[np.arange(len(labels)), labels] = 12.0
    log_probs = log_softmax(logits)
    best = greedy(log_probs, 4, letters(5))
    (found,) = BeamSearch(letters(5))(log_probs[None], [len(labels)], 4)
    assert (found.ids, found.spans, found.peaks) == (best.ids, best.spans, best.peaks)
    assert found.confidences == pytest.approx(best.confidences)


def test_the_next_best_come_with_it_each_with_its_own_times():
    log_probs = random_log_probs(2, 12, 5)[None]
    (found,) = BeamSearch(letters(5), nbest=4)(log_probs, [12], 4, [48])
    assert len(found.others) == 3
    scores = [found.score, *(item.score for item in found.others)]
    assert scores == sorted(scores, reverse=True)
    assert all(len(item.spans) == len(item.ids) for item in found.others)
    assert found.rating is None


def test_nan_is_an_error_that_names_the_clip():
    batch = np.stack([random_log_probs(1, 3, 3), random_log_probs(2, 3, 3)])
    batch[1, 1, 2] = np.nan
    with pytest.raises(SlrError, match=r"NaN for 1 of 2 clips\. \| second"):
        BeamSearch(letters(3))(batch, [3, 3], 1, clips=["first", "second"])


def test_a_frame_in_which_nothing_can_be_is_an_error_that_names_the_clip():
    class Silence(Bigrams):
        def log_probs(self, state):
            return np.full(3, -np.inf)

    log_probs = np.log(np.array([[[0.0, 0.5, 0.5]]]) + 1e-300)
    log_probs[..., 0] = -np.inf
    with pytest.raises(SlrError, match=r"every prefix has probability 0.*clip 7"):
        BeamSearch(letters(3), scorer=Silence(0, 3))(log_probs, [1], 1, clips=["clip 7"])


def test_flat_posteriors_of_many_classes_do_not_blow_the_beam_up():
    found = prefix_beam_search(log_softmax(np.zeros((30, 500))), factors=Factors(Fusion([], 500, 0.1)))
    assert len(found) == 10


def test_a_beam_of_ten_comes_nearer_to_the_best_labelling_than_the_best_path():
    clips = [random_log_probs(seed, 40, 30, sharpness=1.5) for seed in range(8)]
    best_path = sum(torch_loss(clip, greedy(clip, 1, letters(30)).ids) for clip in clips)
    narrow = sum(-prefix_beam_search(clip, 10)[0].log_prob for clip in clips)
    wide = sum(-prefix_beam_search(clip, 200)[0].log_prob for clip in clips)
    assert wide <= narrow < best_path


def test_settings_choose_the_decoder_and_name_it():
    vocab = letters(4)
    assert isinstance(make_decoder(DecodeConfig(), vocab), BestPath)
    for options in (DecodeConfig(beam=3), DecodeConfig(nbest=2), DecodeConfig(hot_words=("A B",))):
        assert isinstance(make_decoder(options, vocab), BeamSearch)
    assert decoder_signature(DecodeConfig()) == "greedy"
    assert decoder_signature(DecodeConfig(nbest=30)) == "beam30"
    assert decoder_signature(DecodeConfig(beam=5, margin=8, insertion_bonus=0.25)) == "beam5;margin=8;bonus=0.25"
    one, other = (decoder_signature(DecodeConfig(hot_words=words)) for words in (("A",), ("B",)))
    assert one != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DecodeConfig(hot_words=("A X",)), "no gloss 'X'"),
        (DecodeConfig(hot_words=(" ",)), "empty"),
        (DecodeConfig(beam=2, nbest=3), "A beam of 2 is too narrow for 3"),
        (DecodeConfig(beam=-1), "beam must be at least 0"),
        (DecodeConfig(lm="nowhere.arpa"), "nowhere.arpa"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, message):
    with pytest.raises(SlrError, match=message):
        make_decoder(options, letters(4))


def test_hot_words_change_the_glosses_of_an_ambiguous_clip():
    log_probs = np.log(np.array([[[0.1, 0.5, 0.4], [0.8, 0.1, 0.1]]]))
    plain, wished = (
        make_decoder(DecodeConfig(beam=5, hot_words=words), letters(3))(log_probs, [2], 1)[0] for words in ((), ("B",))
    )
    assert (plain.glosses, wished.glosses) == (("A",), ("B",))
    assert wished.rating == pytest.approx(wished.score + 2.0)


def published(real_data, name):
    """Log-probabilities with the blank first, the characters' vocabulary, and the answers of their authors."""
    folder = real_data / "data" / "ctc-posteriors"
    answers = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    if name == "pyctcdecode_libri":
        rows = np.array(json.loads((folder / "pyctcdecode" / "libri_logits.json").read_text()))
        return np.roll(rows, 1, axis=1), Tokens(("<blank>", *answers[name]["labels"])), answers[name]
    rows = (folder / "CTCDecoder" / "data" / name / "rnnOutput.csv").read_text().split()
    logits = np.array([[float(cell) for cell in row.strip(";").split(";")] for row in rows])
    answer = answers[f"CTCDecoder_{name}"]
    chars = answers["CTCDecoder_line"]["chars"]
    return log_softmax(np.roll(logits, 1, axis=1)), Tokens(("<blank>", *chars)), answer


def test_the_published_beam_search_of_a_real_line_of_handwriting(real_data):
    log_probs, vocab, answer = published(real_data, "line")
    (found,) = BeamSearch(vocab, beam=25)(log_probs[None], [len(log_probs)], 1)
    assert "".join(found.glosses) == answer["beam_search_no_lm"]
    truth = [vocab.tokens.index(char) for char in answer["ground_truth"]]
    value = log_likelihoods(np.exp(log_probs), [truth])[0]
    assert -value == pytest.approx(answer["ctc_loss_of_ground_truth"])
    assert math.exp(value) == pytest.approx(answer["probability"])


def test_the_published_beam_search_of_real_speech(real_data):
    log_probs, vocab, answer = published(real_data, "pyctcdecode_libri")
    (found,) = BeamSearch(vocab, beam=100)(log_probs[None], [len(log_probs)], 2)
    assert "".join(found.glosses).split() == answer["beam_decode_no_lm"].split()


def test_a_wished_for_word_is_read_in_a_real_picture_of_handwriting(real_data):
    log_probs, vocab, answer = published(real_data, "word")
    plain, wished = (
        make_decoder(DecodeConfig(beam=10, hot_words=words, hot_word_weight=1.0), vocab)(
            log_probs[None], [len(log_probs)], 1
        )[0]
        for words in ((), (" ".join(answer["lexicon_search"]),))
    )
    assert "".join(plain.glosses) == answer["best_path"]
    assert "".join(wished.glosses) == answer["lexicon_search"]
