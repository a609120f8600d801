"""An epoch that goes shard by shard: every clip once, few shards at a time, the same from the same seed."""

import numpy as np
import pytest

from slrcli.config import AugmentConfig
from slrcli.corpus import Utterance
from slrcli.corpus import clips as subject
from slrcli.corpus.clips import TOGETHER, Clips, shards_of
from slrcli.errors import UsageError
from slrcli.features.layout import generic_layout
from slrcli.features.store import Clip, StoreWriter, open_store
from slrcli.training.batches import TrainBatches
from slrcli.training.order import by_shard

LENGTHS = np.random.default_rng(0).integers(16, 300, 8000)
SHARDS = np.array_split(np.arange(len(LENGTHS)), np.sort(np.random.default_rng(1).integers(1, 8000, 39)))
SHARD = np.concatenate([np.full(len(part), number) for number, part in enumerate(SHARDS)])


def plan(batch_size=16, seed=1, processes=1):
    rng = np.random.default_rng(seed)
    return list(by_shard([part.tolist() for part in SHARDS], LENGTHS.__getitem__, batch_size, rng, processes))


@pytest.mark.parametrize("batch_size", [1, 4, 7, 16])
def test_every_clip_comes_once_in_full_batches(batch_size):
    batches = plan(batch_size)
    assert sorted(index for batch in batches for index in batch) == list(range(8000))
    assert len(batches) == -(-8000 // batch_size) and {len(batch) for batch in batches[:-1]} == {batch_size}


def test_batches_hold_clips_of_like_length_in_random_order():
    batches = plan()
    padded = sum(LENGTHS[batch].max() * len(batch) for batch in batches)
    assert padded < 1.05 * LENGTHS.sum()
    means = [LENGTHS[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3
    assert plan() == batches and plan(seed=2) != batches
    with_first = [set(batch) for seed in range(5) for batch in plan(seed=seed) if 0 in batch]
    assert len(set.union(*with_first)) > 50  # it meets others in every epoch


def test_few_shards_are_read_at_a_time():
    batches = plan()
    spans = {}
    for number, batch in enumerate(batches):
        for shard in SHARD[batch]:
            first, _ = spans.get(shard, (number, number))
            spans[shard] = first, number
    under_way = [sum(first <= number <= last for first, last in spans.values()) for number in range(len(batches))]
    assert np.median(under_way) <= TOGETHER and max(under_way) <= 2 * TOGETHER


def test_lengths_are_asked_for_of_the_shards_that_are_read_alone():
    asked = []
    batches = by_shard([part.tolist() for part in SHARDS], lambda i: asked.append(i) or LENGTHS[i], 4,
                       np.random.default_rng(1))  # fmt: skip
    next(batches)
    assert len(set(SHARD[asked])) <= TOGETHER and len(asked) < 1000


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_processes_share_the_same_batches_and_read_shards_of_their_own(processes):
    alone, together = plan(), plan(processes=processes)
    assert [sorted(batch) for batch in alone] == [sorted(batch) for batch in together]
    taken = np.zeros((processes, len(SHARDS)))
    for batch in together:
        for rank in range(processes):
            np.add.at(taken[rank], SHARD[batch[rank::processes]], 1)
    assert taken.max(axis=0).sum() > 1.7 / processes * len(LENGTHS)  # 1 / processes where they are dealt out in turn
    few = [len(set(SHARD[batch[0::processes]])) for batch in together]
    assert np.mean(few) < np.mean([len(set(SHARD[batch])) for batch in together])


@pytest.fixture
def packed(tmp_path):
    """Clips in 24 shards."""
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "train.slrpack", shard_bytes=2900) as writer:
        for number in range(96):
            writer.add(f"u{number}", Clip(rng.normal(size=(45 + number % 9, 3)).astype(np.float32)))
        writer.finish()
    store = open_store(tmp_path / "train.slrpack")
    assert len(store.shards) == 24
    return [Utterance(name, ("A", "B"), store.path / name) for name in store.names()]


def loader(packed, how):
    clips, targets = Clips(packed, generic_layout(3)), [[1, 2]] * len(packed)
    shards = shards_of(packed, how)
    return TrainBatches(clips, targets, AugmentConfig(), lambda frames: frames, 5, 1, shards=shards)


@pytest.mark.parametrize(("how", "most"), [("shards", 24), ("shuffled", None)])
def test_an_epoch_by_shards_maps_each_shard_once(packed, how, most):
    store = open_store(packed[0].features.parent)
    assert sorted(index for batch in loader(packed, how).epoch(1) for index in batch.index) == list(range(96))
    mapped = store._mapped.cache_info()
    assert mapped.misses == most if most else mapped.misses > 40
    assert mapped.currsize <= 16


def test_an_epoch_by_shards_is_entered_in_the_middle(packed):
    whole, rest = (list(loader(packed, "shards").epoch(3, start)) for start in (0, 7))
    assert [batch.index for batch in whole[7:]] == [batch.index for batch in rest] and len(whole) == 20
    assert all((a.x.nan_to_num(7) == b.x.nan_to_num(7)).all() for a, b in zip(whole[7:], rest, strict=True))
    assert [batch.index for batch in loader(packed, "shards").epoch(4)] != [batch.index for batch in whole]


def test_a_large_packed_corpus_goes_by_shards_by_itself(packed, tmp_path, monkeypatch):
    assert shards_of(packed, "auto") is None
    monkeypatch.setattr(subject, "ORDERED_BYTES", 50_000)
    found = shards_of(packed, "auto")
    assert len(found) == 24 and sorted(index for part in found for index in part) == list(range(96))
    assert shards_of(packed, "shuffled") is None
    np.save(tmp_path / "loose.npy", np.ones((9, 3), np.float32))
    mixed = [*packed, Utterance("loose", ("A",), tmp_path / "loose.npy")]
    assert shards_of(mixed, "auto") is None
    with pytest.raises(UsageError, match="Only a packed corpus"):
        shards_of(mixed, "shards")


def test_a_large_packed_corpus_is_evaluated_by_shards_too(packed, monkeypatch):
    clips = Clips(packed, generic_layout(3))
    longest_first = list(clips.batches(5))
    assert [clips.frames[part[0]] for part in longest_first] == sorted(
        (clips.frames[part[0]] for part in longest_first), reverse=True
    )
    monkeypatch.setattr(subject, "ORDERED_BYTES", 50_000)
    store = open_store(packed[0].features.parent)
    store._mapped.cache_clear()
    found = list(clips.batches(5))
    assert sorted(index for part in found for index in part) == list(range(96))
    for part in found:
        for index in part:
            store.values(packed[index].id)
    assert store._mapped.cache_info().misses == 24
    for at in range(0, 96, 32):  # four clips a shard, eight shards at a time
        assert {index // 32 for part in found[at * 7 // 32 : (at + 32) * 7 // 32] for index in part} == {at // 32}
