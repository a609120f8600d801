"""How lengths, signing rates and the presence of hands and face are distributed over the clips of each split."""

from collections.abc import Iterator

from slrcli.config import FRAMES_PER_SECOND
from slrcli.corpus.distributions import Distribution, distribution
from slrcli.doctor.data.context import DataContext


def distributions(context: DataContext) -> Iterator[Distribution]:
    """Frames a clip and glosses a second of all clips; hands and face of those whose numbers were read."""
    layout = context.usual_layout
    if layout is None:
        return
    fps = context.fps or layout.fps or FRAMES_PER_SECOND
    frames: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for item, facts in context.readable():
        frames.setdefault(item.split, []).append(facts.frames)
        if item.glosses:
            rates.setdefault(item.split, []).append(len(item.glosses) * fps / facts.frames)
    yield from distribution("frames a clip", frames)
    yield from distribution(f"glosses a second (at {fps:g} frames)", rates)
    for group in layout.groups:
        if group.kind in ("hand", "face"):
            seen: dict[str, list[float]] = {}
            for item, facts in context.comparable:
                seen.setdefault(item.split, []).append(1 - facts.absent[group.name])
            yield from distribution(f"share of frames with {group.name}", seen, (0.0, 1.0))
