"""Signs exchanged among the clips of one signer: whose they are, what they are called, and what is never invented."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.quick_corpus import QUICK
from support.quick_corpus import write_corpus as write_cli_corpus
from support.small_trainers import GLOSSES, stopped_and_resumed, trainer_on, weights, write_corpus
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import NO_VARIATION, AugmentConfig
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Clips
from slrcli.ctc.paths import minimum_frames
from slrcli.errors import DataError
from slrcli.features.augment import augment, derivatives
from slrcli.features.layout import generic_layout
from slrcli.features.recombine import BRIDGE, LONGEST, SignBank, lateness, sign_spans
from slrcli.models.registry import build_model
from slrcli.training import locate as locating
from slrcli.training.batches import TrainBatches, least_frames
from slrcli.training.locate import due, locate
from slrcli.training.loop import SignsLocated, Step

LAYOUT = generic_layout(4)
STILL = AugmentConfig(**{**NO_VARIATION, "recombine": 1.0})
SIGNERS = ("ann", "bob", "eve")
REST = 3  # frames before the first sign and after the last one


class World:
    """Clips of which every frame says whose it is, of which gloss, and how far within the sign.

    The numbers are drawn, so that no computed frame between two signs is taken for one of a sign.
    """

    def __init__(self, clips: int = 24, glosses: int = 5, longest: int = 4, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.signers = [SIGNERS[number % len(SIGNERS)] for number in range(clips)]
        self.targets = [rng.integers(1, glosses + 1, rng.integers(1, longest + 1)).tolist() for _ in range(clips)]
        self.clips, spans = [], []
        self.signer: dict[bytes, str] = {}
        self.sign: dict[bytes, tuple[int, int, bool]] = {}  # gloss, frame within the sign, whether it is the last one
        for signer, target in zip(self.signers, self.targets, strict=True):
            lengths = rng.integers(4, 9, len(target))
            ends = REST + np.cumsum(lengths)
            x = rng.random((ends[-1] + REST, 4)).astype(np.float32)
            x.flags.writeable = False
            for gloss, start, stop in zip(target, ends - lengths, ends, strict=True):
                spans.append((start, stop))
                for frame in range(start, stop):
                    self.sign[x[frame].tobytes()] = gloss, int(frame - start), frame == stop - 1
            self.signer |= {row.tobytes(): signer for row in x}
            self.clips.append(x)
        self.spans = np.array(spans, np.int32)

    def sign_bank(self, **changes) -> SignBank:
        given = {"signers": self.signers, "targets": self.targets, "spans": self.spans, **changes}
        return SignBank(given["signers"], given["targets"], given["spans"])

    def read(self, x: np.ndarray) -> tuple[list[int], set[str]]:
        """The glosses of a clip by what its frames say, and who signs them; every sign has to be there as a whole."""
        glosses, expected = [], 0
        for row in x:
            gloss, frame, last = self.sign.get(row.tobytes(), (0, 0, True))
            assert frame == expected, "a sign that is cut"
            expected = 0 if last else frame + 1
            glosses += [gloss] if gloss and not frame else []
        assert not expected, "a sign that is cut"
        return glosses, {self.signer[row.tobytes()] for row in x if row.tobytes() in self.signer}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def made(world: World, index: int, seed: int = 0, sign_bank: SignBank | None = None):
    return (sign_bank or world.sign_bank()).recombined(
        index, world.clips.__getitem__, LAYOUT, np.random.default_rng(seed)
    )


def some(world: World, seed: int):
    """Every clip that is recombined with this seed: its place, itself anew, and its glosses."""
    found = [(index, made(world, index, seed)) for index in range(len(world.clips))]
    assert sum(item is not None for _, item in found) > 0.8 * len(found)
    return [(index, *item) for index, item in found if item is not None]


# Sentences


def test_the_signs_of_a_recombined_clip_are_its_glosses_and_of_its_signer(world):
    for x, target, signer in zip(world.clips, world.targets, world.signers, strict=True):
        assert world.read(x) == (target, {signer})  # what reads them can read
    changed = []
    for seed in range(20):
        for index, y, found in some(world, seed):
            assert world.read(y) == (found, {world.signers[index]})
            assert len(found) == len(world.targets[index]) and y.dtype == np.float32
            changed.append(found != world.targets[index])
    assert 0.3 < np.mean(changed) < 0.8  # some of them another sentence, some the same one again


def test_a_clip_keeps_its_rest_and_what_is_not_exchanged(world):
    for index, y, _ in some(world, 1):
        x = world.clips[index]
        np.testing.assert_array_equal(y[:REST], x[:REST])
        np.testing.assert_array_equal(y[-REST:], x[-REST:])
        kept = {row.tobytes() for row in y} & {row.tobytes() for row in x}
        assert len(kept) < len({row.tobytes() for row in x})


def test_between_parts_of_different_clips_lies_a_short_bridge(world):
    for _, y, _ in some(world, 2):
        known = np.array([row.tobytes() in world.signer for row in y])
        edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(int)))
        lengths = [stop - start for start, stop in zip(edges[::2], edges[1::2], strict=True)]
        assert lengths and all(BRIDGE[0] <= length <= BRIDGE[1] for length in lengths)


def test_the_generator_decides(world):
    (first, _), (again, _), (other, _) = (made(world, 3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_nothing_is_exchanged_where_there_is_nothing_to_exchange_for(world):
    alone = SignBank(["ann"], [[1]], np.array([[0, 3]], np.int32))
    clip = [np.zeros((3, 4), np.float32)]
    assert all(alone.recombined(0, clip.__getitem__, LAYOUT, np.random.default_rng(seed)) is None for seed in range(20))
    nowhere = world.sign_bank(spans=np.zeros_like(world.spans))
    assert made(world, 0, sign_bank=nowhere) is None
    nobody = world.sign_bank(signers=[""] * len(world.signers))
    assert made(world, 0, sign_bank=nobody) is None


def test_a_clip_without_a_signer_neither_gives_nor_takes(world):
    signers = ["" if signer == "bob" else signer for signer in world.signers]
    sign_bank = world.sign_bank(signers=signers)
    for index in range(len(signers)):
        found = made(world, index, sign_bank=sign_bank)
        assert found is None or (signers[index] and "bob" not in world.read(found[0])[1])
    assert all(made(world, index, sign_bank=sign_bank) is None for index, signer in enumerate(signers) if not signer)


def test_a_sign_whose_place_is_not_known_stays_and_is_not_lent(world):
    spans = world.spans.copy()
    hidden = np.random.default_rng(3).random(len(spans)) < 0.5
    spans[hidden] = 0
    sign_bank, first = world.sign_bank(spans=spans), np.cumsum([0, *map(len, world.targets)])
    of_hidden = {
        world.clips[clip][world.spans[number, 0]].tobytes()
        for clip, target in enumerate(world.targets)
        for number in range(first[clip], first[clip] + len(target))
        if hidden[number]
    }
    for index, x in enumerate(world.clips):
        found = made(world, index, 4, sign_bank)
        if found is None:
            continue
        own, new = ({row.tobytes() for row in rows} & of_hidden for rows in (x, found[0]))
        assert own == new


def test_a_clip_never_becomes_much_longer_than_it_was():
    clips = [np.ones((10, 4), np.float32), np.ones((400, 4), np.float32), np.ones((395, 4), np.float32)]
    sign_bank = SignBank(["ann"] * 3, [[1]] * 3, np.array([[0, 10], [0, 400], [0, 395]], np.int32))
    drawn = [sign_bank.recombined(0, clips.__getitem__, LAYOUT, np.random.default_rng(seed)) for seed in range(10)]
    assert all(item is None for item in drawn)
    longer = sign_bank.recombined(2, clips.__getitem__, LAYOUT, np.random.default_rng(0))
    assert longer is not None and len(longer[0]) <= LONGEST * 400


def test_spans_that_are_not_of_these_glosses_are_refused(world):
    with pytest.raises(ValueError, match="glosses have spans"):
        world.sign_bank(spans=world.spans[1:])


# Missing points, derivatives


def test_what_is_missing_in_a_sign_stays_missing_and_nothing_else_goes(world):
    column = {}
    clips = []
    for clip in world.clips:  # in every clip another column is missing throughout
        gone = len(clips) % 3
        x = clip.copy()
        x[:, gone] = np.nan
        column |= {row[3:].tobytes(): gone for row in clip}
        clips.append(x)
    for index, *_ in some(world, 1):
        y, _ = world.sign_bank().recombined(index, clips.__getitem__, LAYOUT, np.random.default_rng(1))
        parts = [column.get(row[3:].tobytes()) for row in y]
        for row, gone in zip(y, parts, strict=True):
            if gone is not None:
                assert np.flatnonzero(np.isnan(row)).tolist() == [gone]
        around, last = [], parts[0]
        for part in parts:  # in a bridge is missing what is missing on either side
            last = part if part is not None else last
            around.append(last)
        for row, part, before in zip(y, parts, around, strict=True):
            assert part is not None or np.isnan(row[before])


def test_stored_derivatives_are_those_of_the_new_positions(world):
    layout = replace(LAYOUT, stored_derivatives=2)
    clips = [np.hstack([x, derivatives(x, 2)]) for x in world.clips]
    y, _ = world.sign_bank().recombined(some(world, 1)[0][0], clips.__getitem__, layout, np.random.default_rng(1))
    assert y.shape[1] == 12
    np.testing.assert_array_equal(y[:, 4:], derivatives(y[:, :4], 2))


# Batches


def utterances_of(world: World, folder, signers=None) -> list[Utterance]:
    found = []
    for number, (x, signer) in enumerate(zip(world.clips, signers or world.signers, strict=True)):
        np.save(folder / f"{number}.npy", x)
        found.append(Utterance(str(number), ("A",), folder / f"{number}.npy", signer))
    return found


def batches_of(world: World, folder, options=STILL, views=1, output_length=lambda frames: frames, cache_mb=10):
    clips = Clips(utterances_of(world, folder), LAYOUT, cache_mb=cache_mb)
    return TrainBatches(clips, world.targets, options, output_length, 4, 1, views)


def clips_of(batch):
    """Place, values without padding and gloss ids of every clip of a batch."""
    targets = np.split(batch.targets.numpy(), np.cumsum(batch.target_lengths.numpy())[:-1])
    for row, (index, target) in enumerate(zip(batch.index, targets, strict=True)):
        yield index, batch.x[row, : batch.lengths[row]].numpy(), target


@pytest.mark.parametrize("cache_mb", [0, 10])
def test_targets_of_a_batch_are_what_its_clips_say(world, tmp_path, cache_mb):
    batches = batches_of(world, tmp_path, cache_mb=cache_mb)
    batches.sign_bank = world.sign_bank()
    other = 0
    for batch in batches.epoch(1):
        for index, x, target in clips_of(batch):
            assert world.read(x) == (target.tolist(), {world.signers[index]})
            other += not np.array_equal(x, world.clips[index])
    assert other > 0.8 * len(world.clips)


def test_an_epoch_of_recombined_clips_can_be_entered_in_the_middle(world, tmp_path):
    one, two = batches_of(world, tmp_path), batches_of(world, tmp_path)
    one.sign_bank = two.sign_bank = world.sign_bank()
    whole, rest = list(one.epoch(3)), list(two.epoch(3, start=2))
    assert all(
        torch.equal(a.x, b.x) and torch.equal(a.targets, b.targets) for a, b in zip(whole[2:], rest, strict=True)
    )
    assert not torch.equal(next(iter(one.epoch(4))).x, whole[0].x)


def test_views_of_a_clip_are_views_of_the_same_sentence(world, tmp_path):
    batches = batches_of(world, tmp_path, replace(STILL, recombine=0.5), views=2)
    batches.sign_bank = world.sign_bank()
    for batch in batches.epoch(1):
        half, glosses = len(batch.lengths) // 2, int(batch.target_lengths[: len(batch.lengths) // 2].sum())
        assert torch.equal(batch.x[:half], batch.x[half:])
        assert torch.equal(batch.targets[:glosses], batch.targets[glosses:])


def test_as_many_clips_are_recombined_as_asked_for(world, tmp_path):
    batches = batches_of(world, tmp_path, replace(STILL, recombine=0.3))
    batches.sign_bank = world.sign_bank()
    same = [
        np.array_equal(batch.x[row, : batch.lengths[row]].numpy(), world.clips[index])
        for epoch in range(1, 21)
        for batch in batches.epoch(epoch)
        for row, index in enumerate(batch.index)
    ]
    assert abs(1 - np.mean(same) - 0.3) < 0.08


@pytest.mark.parametrize("located", [False, True])
def test_switched_off_every_clip_is_varied_as_if_there_were_no_signs(world, tmp_path, located):
    options = AugmentConfig()
    batches = batches_of(world, tmp_path, options, output_length=lambda frames: -(-frames // 4))
    batches.sign_bank = world.sign_bank() if located else None
    for batch in batches.epoch(2):
        for row, index in enumerate(batch.index):
            least = least_frames(minimum_frames(world.targets[index]), lambda frames: -(-frames // 4))
            plain = augment(world.clips[index], LAYOUT, options, np.random.default_rng([1, 2, index]), least)
            np.testing.assert_array_equal(batch.x[row, : batch.lengths[row]].numpy(), plain)


def test_a_sentence_too_short_for_its_glosses_is_not_made(tmp_path):
    world = World(longest=4)
    batches = batches_of(world, tmp_path, output_length=lambda frames: frames // 8)
    batches.sign_bank = world.sign_bank()
    kept = 0
    for batch in batches.epoch(1):
        for index, x, target in clips_of(batch):
            own = np.array_equal(x, world.clips[index])
            assert len(x) // 8 >= minimum_frames(target.tolist()) or own
            kept += own
    assert 0 < kept < len(world.clips)


def test_a_corpus_that_names_no_signer_is_refused(world, tmp_path):
    clips = Clips(utterances_of(world, tmp_path, [""] * len(world.signers)), LAYOUT)
    with pytest.raises(DataError, match="name no signer"):
        TrainBatches(clips, world.targets, STILL, lambda frames: frames, 4, 1)
    TrainBatches(clips, world.targets, AugmentConfig(), lambda frames: frames, 4, 1)


def test_no_gradient_reaches_what_is_missing_in_a_recombined_clip(world):
    clips = [np.where(np.random.default_rng(i).random(x.shape) < 0.2, np.nan, x).astype(np.float32)
             for i, x in enumerate(world.clips)]  # fmt: skip
    index = some(world, 0)[0][0]
    y, target = world.sign_bank().recombined(index, clips.__getitem__, LAYOUT, np.random.default_rng(0))
    torch.manual_seed(0)
    model = build_model("conv-bilstm", LAYOUT, 6, dropout=0.0, options={"width": 16, "layers": 1})
    x = torch.from_numpy(y)[None].requires_grad_()
    log_probs = model(x, torch.tensor([len(y)])).log_probs
    log_probs[0, :, target].sum().backward()
    gone = torch.isnan(x.detach())
    assert gone.any() and (x.grad[gone] == 0).all()
    assert torch.isfinite(x.grad).all() and (x.grad[~gone] != 0).any()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


# Where the signs are


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 59), min_size=1, max_size=6), st.integers(0, 30), st.integers(31, 60), st.floats(0.2, 0.8)
)
def test_spans_lie_one_after_the_other_each_about_its_peak(peaks, start, stop, late):
    peaks = sorted(peaks)
    spans = sign_spans(peaks, (start, stop), late)
    known = [(span, peak) for span, peak in zip(spans, peaks, strict=True) if span != (0, 0)]
    assert all(0 <= start <= peak < stop <= 60 for (start, stop), peak in known)
    assert all(a[0][1] <= b[0][0] for a, b in pairwise(known))
    assert len(known) == len(peaks) or len(set(peaks)) < len(peaks)


def test_the_rest_before_and_after_a_sentence_belongs_to_no_sign():
    assert sign_spans([24, 34], (20, 40), 0.5) == [(20, 29), (29, 40)]
    assert sign_spans([2, 50], (20, 40), 0.5) == [(2, 26), (26, 51)]  # unless the recogniser found it there


@pytest.mark.parametrize("late", [0.25, 0.5, 0.75])
def test_how_late_a_network_speaks_is_read_off_the_outer_signs_and_taken_off_the_inner_ones(late):
    rng = np.random.default_rng(0)
    peaks, moving, truth = [], [], []
    for _ in range(50):
        cuts = np.cumsum(rng.integers(40, 44, 4)).tolist()
        peaks.append([round(first + late * (last - first)) for first, last in pairwise(cuts)])
        moving.append((cuts[0], cuts[-1]))
        truth.append(list(pairwise(cuts)))
    assert lateness(peaks, moving) == pytest.approx(late, abs=0.03)
    for own, ends, spans in zip(peaks, moving, truth, strict=True):
        assert np.abs(np.subtract(sign_spans(own, ends, lateness(peaks, moving)), spans)).max() <= 4
    assert lateness([[0]], [(0, 1)]) == 0.5 and lateness([[9]], [(0, 10)]) == 0.8 and lateness([[0]], [(0, 9)]) == 0.2


def test_signs_are_located_when_the_network_knows_them_and_now_and_then_again():
    assert [epoch for epoch in range(1, 21) if due(epoch, 20, 0.3)] == [7, 12, 17]
    assert [epoch for epoch in range(1, 101) if due(epoch, 100, 0.3)] == [31, 56, 81]
    assert [epoch for epoch in range(1, 9) if due(epoch, 8, 0.0)] == [2, 4, 6, 8]
    assert [epoch for epoch in range(1, 21) if due(epoch, 20, 1.0)] == []
    assert [epoch for epoch in range(1, 4) if due(epoch, 3, 0.5)] == [3]


def of_two(folder):
    """Two dozen sentences of two signers."""
    found = write_corpus(folder, 24)
    return [replace(item, signer="ann" if number % 2 else "bob") for number, item in enumerate(found)]


@pytest.fixture
def utterances(tmp_path):
    return of_two(tmp_path)


def recombining(utterances, epochs=4, **optim):
    trainer = trainer_on(utterances, epochs=epochs, **optim)
    options = AugmentConfig(recombine=0.7, recombine_from=0.0)
    trainer.config = replace(trainer.config, augment=options)
    trainer.batches.options = options
    return trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trainer that has learnt its clips."""
    trainer = trainer_on(of_two(tmp_path_factory.mktemp("clips")), epochs=20)
    list(trainer.run())
    return trainer


def test_a_recogniser_that_is_sure_of_nothing_locates_nothing(utterances):
    trainer = trainer_on(utterances)
    spans = locate(trainer.recogniser, trainer.batches.clips, trainer.batches.targets)
    assert spans.shape == (sum(map(len, trainer.batches.targets)), 2) and not spans.any()


def test_a_trained_recogniser_finds_the_signs_where_they_are(trained):
    batches = trained.batches
    spans = locate(trained.recogniser, batches.clips, batches.targets)
    true = [(4 + 16 * place, 16 + 16 * place) for target in batches.targets for place in range(len(target))]
    assert (spans[:, 1] > 0).mean() > 0.9
    for (start, stop), (first, last) in zip(spans.tolist(), true, strict=True):
        inside = min(stop, last) - max(start, first)
        assert not stop or inside > 0.5 * max(stop - start, last - first), ((start, stop), (first, last))


def test_recombined_signs_of_a_trained_recogniser_are_still_what_they_are_called(trained):
    batches = trained.batches
    spans = locate(trained.recogniser, batches.clips, batches.targets)
    sign_bank = SignBank([item.signer for item in batches.clips.utterances], batches.targets, spans)
    right = total = 0
    for index in range(len(batches.clips)):
        x, target = sign_bank.recombined(
            index, batches.clips.__getitem__, batches.clips.layout, np.random.default_rng(7)
        )
        # by the bumps themselves: in which column the clip is high, run by run
        high = np.where(x[:, :3].max(axis=1) > 1, x[:, :3].argmax(axis=1), -1)
        runs = [int(a) for a, b in zip(high, [-1, *high], strict=False) if a != b and a >= 0]
        wanted = [GLOSSES.index(gloss) for gloss in trained.recogniser.vocabulary.decode(target)]
        merged = [a for a, b in zip(wanted, [-1, *wanted], strict=False) if a != b]
        runs = [a for a, b in zip(runs, [-1, *runs], strict=False) if a != b]
        right, total = right + (runs == merged), total + 1
    assert right / total > 0.8


def test_a_clip_too_short_for_its_glosses_is_located_nowhere(utterances):
    trainer = trainer_on(utterances, epochs=1)
    many = [[1, 2] * 40, *trainer.batches.targets[1:]]
    spans = locate(trainer.recogniser, trainer.batches.clips, many)
    assert not spans[:80].any()


# Training


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory):
    """A recombining run that nobody stopped: its weights, and its events."""
    whole = recombining(of_two(tmp_path_factory.mktemp("unstopped")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locating, "SURE", 0.0)
        events = list(whole.run())
    return weights(whole), events


def test_a_recombining_run_locates_signs_and_learns_something_else(utterances, unstopped):
    found, events = unstopped
    assert [event.epoch for event in events if isinstance(event, SignsLocated)] == [2, 3, 4]
    assert all(event.share > 0.9 for event in events if isinstance(event, SignsLocated))
    plain = trainer_on(utterances, epochs=4)
    list(plain.run())
    assert not all(torch.equal(tensor, found[name]) for name, tensor in weights(plain).items())


@pytest.mark.parametrize("stop_after", [9, 12, 20])  # in the middle of an epoch, at the end of one, in a later one
def test_a_recombining_run_resumes_to_the_same_bits(utterances, unstopped, tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(locating, "SURE", 0.0)
    found = weights(stopped_and_resumed(lambda: recombining(utterances), stop_after, tmp_path))
    assert all(torch.equal(tensor, found[name]) for name, tensor in unstopped[0].items())


def test_signs_of_other_annotations_are_not_taken_over(utterances, monkeypatch):
    monkeypatch.setattr(locating, "SURE", 0.0)
    first = recombining(utterances, epochs=2)
    list(first.run())
    tensors, values = first.state()
    assert len(tensors["signs"]) == sum(map(len, first.batches.targets))
    other = recombining([replace(item, glosses=item.glosses[:1]) for item in utterances], epochs=2)
    other.restore(tensors, values)
    assert other.batches.sign_bank is None


def test_before_its_time_and_without_it_a_run_is_the_same_to_the_bit(utterances):
    late = recombining(utterances, epochs=2)
    late.config = replace(late.config, augment=replace(late.config.augment, recombine_from=1.0))
    losses = [event.loss for event in late.run() if isinstance(event, Step)]
    plain = trainer_on(utterances, epochs=2)
    assert losses == [event.loss for event in plain.run() if isinstance(event, Step)]
    assert late.state()[0].keys() == plain.state()[0].keys()


def test_the_command_says_when_signs_were_located_and_goes_on_from_there(tmp_path):
    corpus = write_cli_corpus(tmp_path / "corpus")
    run = tmp_path / "run"
    start = ["train", "--data-dir", str(corpus), "--output-dir", str(run), *QUICK, "--set", "augment.recombine=0.5"]
    result = CliRunner().invoke(app, start)
    assert result.exit_code == 0, result.output
    log = (run / "training.log").read_text()
    assert log.count("of the signs of train were located") == 3 and "before epoch 5 " in log
    more = CliRunner().invoke(app, ["train", "--resume", str(run), "--epochs", "13"])
    assert more.exit_code == 0, more.output
    table = corpus / "annotations" / "train.corpus.csv"
    table.write_text(table.read_text().replace("|ann|", "||").replace("|bob|", "||"))
    refused = CliRunner().invoke(app, [*start[:3], "--output-dir", str(tmp_path / "no"), *start[5:]])
    assert refused.exit_code == 1 and "no signer" in refused.output and not (tmp_path / "no").exists()
