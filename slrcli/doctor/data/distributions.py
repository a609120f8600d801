"""How lengths, signing rates and the presence of hands and face are distributed over the clips of each split."""

from collections.abc import Iterator, Sequence

from slrcli.config import FRAMES_PER_SECOND
from slrcli.corpus import Utterance
from slrcli.corpus.distributions import Distribution, distribution
from slrcli.features.layout import Layout
from slrcli.features.measure import Facts

Clips = Sequence[tuple[Utterance, Facts]]


def distributions(layout: Layout, readable: Clips, comparable: Clips, fps: float) -> Iterator[Distribution]:
    """Frames per clip and glosses per second of all `readable` clips; hands and face of the `comparable` ones.

    Args:
        layout: of the comparable clips, whose numbers were read.
        fps: frames per second of clips whose files do not say it; 0: that of the layout.
    """
    fps = fps or layout.fps or FRAMES_PER_SECOND
    frames: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for item, facts in readable:
        frames.setdefault(item.split, []).append(facts.frames)
        if item.glosses:
            rates.setdefault(item.split, []).append(len(item.glosses) * (facts.fps or fps) / facts.frames)
    yield from distribution("frames per clip", frames)
    silent = any(not facts.fps for _, facts in readable)
    yield from distribution(f"glosses per second{f' (at {fps:g} frames)' if silent else ''}", rates)
    for group in layout.groups:
        if group.kind in ("hand", "face"):
            seen: dict[str, list[float]] = {}
            for item, facts in comparable:
                seen.setdefault(item.split, []).append(1 - facts.absent[group.name])
            yield from distribution(f"share of frames with {group.name}", seen, (0.0, 1.0))
