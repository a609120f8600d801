"""Glosses of a stream from windows that overlap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.config import LiveConfig, check_live
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.stream import StreamEvent
from slrcli.errors import UsageError
from slrcli.recognition.sliding import SlidingWindow, unsaid

FPS = 25.0
OPTIONS = LiveConfig(window=4.0, hop=0.5, settle=1.0)
CLOSEST = 12  # frames from the middle of a sign to that of the next: half a second
CUT, OPEN = 3, 20  # a sign needs so many of its frames, and so many that follow it, to be read right


def stream(signs: list[tuple[int, int]]) -> np.ndarray:
    """Frames `[T, 2]`: the sign's number + 1 and its running number in the stream; 0 is rest.

    Args:
        signs: number of the sign, and frames of rest after it.
    """
    rows = []
    for count, (sign, rest) in enumerate(signs):
        rows += [[sign + 1, count]] * 8 + [[0, -1]] * rest
    return np.array(rows, np.float32).reshape(-1, 2)


def recogniser(noise: np.random.Generator):
    """A reader of windows that errs as real ones do: at the edges, and by a few frames in where things are."""

    def read(x: np.ndarray) -> Hypothesis:
        found = []
        for number in sorted({int(value) for value in x[:, 1] if value >= 0}):
            frames = np.flatnonzero(x[:, 1] == number)
            sign = int(x[frames[0], 0]) - 1
            if len(frames) < CUT:
                continue
            if len(frames) < 8 or len(x) - frames[-1] < OPEN:
                sign = int(noise.integers(90, 99))  # half seen, or with too little after it: something else
            move = int(noise.integers(-2, 3))
            start = int(np.clip(frames[0] + move, 0, len(x) - 1))
            found.append((sign, (start, min(start + len(frames), len(x)))))
        ids = tuple(sign for sign, _ in found)
        spans = tuple(span for _, span in found)
        return Hypothesis(ids, tuple(f"S{sign}" for sign in ids), spans, (0.9,) * len(ids), 0.0)

    return read


def run(x: np.ndarray, cuts: list[int], seed: int = 0) -> list[str]:
    window = SlidingWindow(recogniser(np.random.default_rng(seed)), FPS, OPTIONS)
    parts = np.split(x, sorted(cut % (len(x) + 1) for cut in cuts))
    return [item.gloss for part in parts for item in window.push(part)] + [item.gloss for item in window.finish()]


signs = st.lists(st.tuples(st.integers(0, 3), st.integers(CLOSEST - 8, 60)), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(signs, st.lists(st.integers(0, 10_000), max_size=6), st.integers(0, 99))
def test_every_sign_is_said_once_in_order_whatever_the_parts(made, cuts, seed):
    x = np.concatenate([np.zeros((5, 2), np.float32) - [0, 1], stream(made), np.zeros((OPEN, 2)) - [0, 1]])
    assert run(x.astype(np.float32), cuts, seed) == [f"S{sign}" for sign, _ in made]


def test_a_sign_is_said_soon_after_it_has_settled():
    window = SlidingWindow(recogniser(np.random.default_rng(1)), FPS, OPTIONS)
    x = np.concatenate([stream([(1, 0)]), np.tile(np.float32([0, -1]), (100, 1))])
    said = next(frame for frame, row in enumerate(x) if window.push(row[None]))
    assert 8 + OPTIONS.settle * FPS <= said + 1 <= 8 + (OPTIONS.settle + OPTIONS.hop) * FPS + 4


def test_spans_are_those_of_the_stream():
    window = SlidingWindow(recogniser(np.random.default_rng(1)), FPS, OPTIONS)
    x = np.concatenate([np.tile(np.float32([0, -1]), (300, 1)), stream([(2, 60)])])
    (found,) = window.push(x)
    assert abs(found.start - 300) <= 2 and abs(found.end - 308) <= 2 and found.confidence == 0.9
    assert OPTIONS.settle * FPS <= found.latency == found.told - found.end <= (OPTIONS.settle + OPTIONS.hop) * FPS + 1


def test_what_is_open_at_the_end_is_said_then():
    assert run(stream([(1, 10), (2, OPEN)]), []) == ["S1", "S2"]


def test_a_window_of_nothing_says_nothing():
    window = SlidingWindow(recogniser(np.random.default_rng(1)), FPS, OPTIONS, least=4)
    assert window.finish() == []
    assert window.push(np.zeros((3, 2), np.float32)) == [] and window.finish() == []


def spotted(*items: tuple[str, int]) -> list[StreamEvent]:
    return [StreamEvent(gloss, start, start + 10, 1.0) for gloss, start in items]


def test_a_repeated_sign_is_told_from_one_that_moved():
    said = spotted(("A", 10))
    assert unsaid(said, spotted(("A", 13)), 10) == []
    assert unsaid(said, spotted(("A", 12), ("A", 24)), 10) == spotted(("A", 24))
    assert unsaid(said, spotted(("A", 24)), 10) == spotted(("A", 24))  # the first is no longer in the window


def test_nothing_is_put_before_what_was_said():
    said = spotted(("A", 10), ("B", 30))
    assert unsaid(said, spotted(("X", 0), ("A", 10), ("Y", 20), ("B", 31), ("C", 45)), 10) == spotted(("C", 45))
    assert unsaid(said, spotted(("A", 10), ("Z", 28), ("C", 45)), 10) == spotted(("C", 45))


def test_settings_that_would_lose_signs_are_refused():
    with pytest.raises(UsageError, match="must be shorter together than the window"):
        check_live(LiveConfig(window=1.0, hop=0.5, settle=0.5))
    with pytest.raises(UsageError, match="hop must be"):
        check_live(LiveConfig(hop=0.0))
    check_live(LiveConfig())
