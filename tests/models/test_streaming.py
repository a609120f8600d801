"""`streaming` gives in chunks what it gives at once, and knows no more of what comes than it is allowed to."""

from itertools import pairwise

import pytest
import torch

from slrcli.features.layout import generic_layout
from slrcli.models.registry import build_model

COLUMNS, VOCAB = 6, 9
LOOKAHEADS = [0, 4, 12]


def make(lookahead, **options):
    torch.manual_seed(0)
    model = build_model("streaming", generic_layout(COLUMNS), VOCAB, options={"lookahead": lookahead, **options})
    return model.double().eval()


def clip(frames, seed=1):
    return torch.randn(1, frames, COLUMNS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at_once(model, x):
    return model(x, torch.tensor([x.shape[1]])).log_probs[0]


def in_chunks(model, x, cuts):
    """The answers to a clip that comes in pieces ending at `cuts` and at its end."""
    frames = model.frontend(x, torch.tensor([x.shape[1]]))[0]
    stream, edges = model.start(), [0, *cuts, len(frames)]
    parts = [model.step(frames[a:b], stream) for a, b in pairwise(edges)]
    return [*parts, model.finish(stream)]


@torch.no_grad()
@pytest.mark.parametrize("kernel", [2, 4, 5])
@pytest.mark.parametrize("lookahead", LOOKAHEADS)
def test_any_chunks_give_what_the_whole_clip_gives(lookahead, kernel):
    model = make(lookahead, width=16, kernel=kernel)
    generator = torch.Generator().manual_seed(2)
    for frames in [*range(1, 14), 50, 51]:
        x = clip(frames)
        for _ in range(5):
            count = int(torch.randint(0, 9, (1,), generator=generator))
            cuts = torch.randint(0, frames + 1, (count,), generator=generator).sort().values.tolist()
            parts = torch.cat(in_chunks(model, x, cuts))
            torch.testing.assert_close(parts, at_once(model, x), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("lookahead", LOOKAHEADS)
def test_frame_by_frame_a_step_comes_as_soon_as_its_frames_and_its_lookahead_are_there(lookahead):
    model, frames = make(lookahead, width=8), 30
    parts = in_chunks(model, clip(frames), range(1, frames))
    came = [0]
    for part in parts[:-1]:
        came.append(came[-1] + len(part))
    assert came[1:] == [max(n - lookahead, 0) // 4 for n in range(1, frames + 1)]
    assert came[-1] + len(parts[-1]) == model.output_length(frames)


@torch.no_grad()
@pytest.mark.parametrize("lookahead", LOOKAHEADS)
def test_a_step_knows_its_own_four_frames_and_the_lookahead_and_nothing_after(lookahead):
    model, x = make(lookahead, width=8), clip(64)
    before = at_once(model, x)
    for changed in (20, 27, 41):
        later = x.clone()
        later[:, changed:] += 1.0
        differs = (at_once(model, later) != before).any(dim=1)
        first = differs.nonzero().min().item()
        assert first == max(changed - lookahead, 0) // 4


@torch.no_grad()
def test_streams_do_not_touch_each_other():
    model = make(4, width=8)
    xs = [clip(21, seed) for seed in (3, 4)]
    streams, parts = [model.start(), model.start()], [[], []]
    for t in range(0, 21, 7):
        for x, stream, part in zip(xs, streams, parts, strict=True):
            part.append(model.step(model.frontend(x, torch.tensor([21]))[0, t : t + 7], stream))
    for x, stream, part in zip(xs, streams, parts, strict=True):
        torch.testing.assert_close(torch.cat([*part, model.finish(stream)]), at_once(model, x), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_clip_of_no_frames_has_no_steps():
    model = make(8, width=8)
    assert model.finish(model.start()).shape == (0, VOCAB)
