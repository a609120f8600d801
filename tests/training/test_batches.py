"""Batches: nothing lost, nothing mixed, the same from the same seed; statistics against numpy's own."""

import numpy as np
import pytest
import torch

from slrcli.config import NO_AUGMENTATION, AugmentConfig
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Clips, collate
from slrcli.errors import DataError
from slrcli.features.layout import generic_layout
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.parallel.prefetch import prefetch
from slrcli.training import batches as data
from slrcli.training.batches import TrainBatches, feature_statistics, least_frames
from slrcli.training.order import bucketed

LAYOUT = generic_layout(3)


@pytest.fixture
def clips(tmp_path):
    """Thirty clips of 5 to 34 frames, three numbers a frame."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(30):
        path = tmp_path / f"u{number}.npy"
        np.save(path, rng.normal(size=(5 + number, 3)).astype(np.float32))
        utterances.append(Utterance(f"u{number}", ("A", "B"), path))
    return Clips(utterances, LAYOUT, cache_mb=1)


def batches(clips, seed=1, augment=None):
    return TrainBatches(clips, [[1, 2]] * len(clips), augment or AugmentConfig(), lambda frames: frames, 4, seed)


def test_every_clip_comes_once_an_epoch(clips):
    seen = [index for batch in batches(clips).epoch(1) for index in batch.index]
    assert sorted(seen) == list(range(30))


def test_same_seed_same_batches_and_another_epoch_others(clips):
    first, again, later = (list(batches(clips).epoch(number)) for number in (1, 1, 2))
    assert all(torch.equal(a.x.nan_to_num(7), b.x.nan_to_num(7)) for a, b in zip(first, again, strict=True))
    assert [batch.index for batch in first] != [batch.index for batch in later]


def test_pace_and_shape_of_every_view_come_from_streams_of_their_own(clips, monkeypatch):
    seen = []

    def note(x, layout, options, pace, minimum, rest):
        seen.append((pace.bit_generator.state["state"]["state"], rest.bit_generator.state["state"]["state"]))
        return x

    monkeypatch.setattr(data, "augment", note)
    both = TrainBatches(clips, [[1, 2]] * len(clips), AugmentConfig(), lambda frames: frames, 30, 1, views=2)
    assert len(list(both.epoch(1))) == 1
    paces, shapes = zip(*seen, strict=True)
    assert paces[:30] == paces[30:] and len(set(paces)) == 30  # the views of a clip keep in step
    assert len(set(shapes)) == 60 and not set(paces) & set(shapes)


def test_an_epoch_can_be_entered_in_the_middle(clips):
    whole, rest = list(batches(clips).epoch(3)), list(batches(clips).epoch(3, start=5))
    assert [batch.index for batch in whole[5:]] == [batch.index for batch in rest]
    assert torch.equal(whole[5].x.nan_to_num(7), rest[0].x.nan_to_num(7))


def test_without_augmentation_the_clip_arrives_as_it_was(clips):
    for batch in batches(clips, augment=AugmentConfig(**NO_AUGMENTATION)).epoch(1):
        for row, index in enumerate(batch.index):
            length = int(batch.lengths[row])
            assert torch.equal(batch.x[row, :length], torch.from_numpy(clips[index]))
            assert not batch.x[row, length:].any()


def test_buckets_hold_clips_of_like_length():
    frames = np.random.default_rng(0).integers(16, 300, 4000).tolist()
    plan = bucketed(frames, 4, np.random.default_rng(1))
    padded = sum(max(frames[i] for i in batch) * len(batch) for batch in plan)
    assert sorted(i for batch in plan for i in batch) == list(range(4000))
    assert padded / sum(frames) < 1.05  # random batches of four stand at about 1.4


def test_collate_lays_targets_end_to_end():
    batch = collate([np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)], [[5], [6, 7]], [8, 9])
    assert batch.x.shape == (2, 4, 3) and batch.targets.tolist() == [5, 6, 7]
    assert batch.target_lengths.tolist() == [1, 2] and batch.lengths.tolist() == [2, 4] and batch.index == (8, 9)


def test_least_frames_inverts_the_output_length():
    assert least_frames(3, lambda frames: -(-frames // 4)) == 9


def test_what_fails_in_the_thread_is_raised_outside():
    def broken():
        yield 1
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        list(prefetch(broken()))


def test_a_reader_that_stops_early_leaves_no_thread_waiting():
    stream = prefetch(iter(range(1000)))
    assert next(stream) == 0
    stream.close()


def test_statistics_equal_those_of_all_frames_together(clips):
    frontend = Frontend(LAYOUT, FrontendOptions(body=False, hands=False, derivatives=0, presence=False))
    mean, std = feature_statistics(clips, frontend)
    frames = np.concatenate([clips[i] for i in range(len(clips))]).astype(np.float64)
    assert np.allclose(mean.numpy(), frames.mean(axis=0), atol=1e-6)
    assert np.allclose(std.numpy(), frames.std(axis=0), atol=1e-6)


def test_statistics_survive_a_large_offset(tmp_path):
    x = (1e4 + np.random.default_rng(0).normal(size=(500, 3))).astype(np.float32)
    np.save(tmp_path / "a.npy", x)
    frontend = Frontend(LAYOUT, FrontendOptions(body=False, hands=False, derivatives=0, presence=False))
    _, std = feature_statistics(Clips([Utterance("a", ("A",), tmp_path / "a.npy")], LAYOUT), frontend)
    assert np.allclose(std.numpy(), x.astype(np.float64).std(axis=0), rtol=1e-3)


def test_wrong_width_says_which_was_expected_and_which_came(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5), np.float32))
    with pytest.raises(DataError, match="5 columns, but layout generic-3 expects 3"):
        Clips([Utterance("a", ("A",), tmp_path / "a.npy")], LAYOUT)[0]


def test_infinite_values_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 3), np.inf, np.float32))
    with pytest.raises(DataError, match="infinite"):
        Clips([Utterance("a", ("A",), tmp_path / "a.npy")], LAYOUT)[0]


def test_utterances_without_features_are_refused():
    with pytest.raises(DataError, match="1 utterances have no feature file"):
        Clips([Utterance("a", ("A",))], LAYOUT)
