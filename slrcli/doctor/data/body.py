"""The body in the clips: hands and face, left and right, units, sizes, and differences that were stored."""

from collections.abc import Iterator, Sequence

import numpy as np

from slrcli.corpus import Utterance
from slrcli.corpus.facts import mean_over_frames
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.features.measure import Facts
from slrcli.findings import Finding

BODY_CHECKS = Checks()

NO_HANDS = 0.5  # share of a clip's frames without any hand; healthy MediaPipe clips stay below 0.2
ABSENT_MORE = 0.3  # how much more often than for the median signer a group may be missing for one
SIDED = 0.5  # how clearly a clip, and the corpus, tell left from right: twice as many frames for as against, and more
UNITS = 20.0  # times the usual size of the numbers: shares of a picture against pixels make hundreds
PICTURE = 5.0  # median absolute position above which numbers are no shares of a picture
SIZE, SIZE_GENERIC = 2.0, 10.0  # times the usual distance of the shoulders, or deviation of columns of unknown meaning
FIT = 0.9  # cosine of stored and computed differences; copies of what they should be have 1
UNFIT = 0.5  # cosine below which a clip's differences are not those of its positions
ENOUGH = 5  # clips before one can differ from the rest


@BODY_CHECKS.add("SLR-D28", "hands and face are seen alike for all signers", needs=("SLR-D04", "SLR-D08"))
def presence(context: DataContext) -> Iterator[Finding]:
    """How often hands and face are missing, by split and signer, and the clips that show no hand in most frames."""
    layout = context.usual_layout
    groups = [group.name for group in layout.groups if group.kind in ("hand", "face")] if layout else []
    if not groups or not context.comparable:
        return
    handless = [(item, facts.handless) for item, facts in context.comparable if facts.handless > NO_HANDS]
    if handless:
        yield warning(
            f"in most frames of {many(len(handless), 'clip')} no hand was seen",
            some([f"{item.id} ({share:.0%})" for item, share in handless]),
            "extract them again with a lower threshold for hands, or take them out",
        )
    people: dict[str, list[Facts]] = {}
    splits: dict[str, list[Facts]] = {}
    for item, facts in context.comparable:
        people.setdefault(f"{item.signer} ({item.split})" if item.signer else item.split, []).append(facts)
        splits.setdefault(item.split, []).append(facts)
    for name in groups:
        rates = {
            who: mean_over_frames([(x.absent[name], x.frames) for x in members]) for who, members in people.items()
        }
        usual = float(np.median(list(rates.values())))
        often = [f"{who} {rate:.0%}" for who, rate in rates.items() if rate > usual + ABSENT_MORE]
        if often:
            yield warning(
                f"{name} is missing much more often than usual ({usual:.0%} of the frames)",
                some(often),
                "look at these recordings: picture, light, sleeves, extraction",
            )
    for split, members in splits.items():
        shares = (f"{name} {mean_over_frames([(x.absent[name], x.frames) for x in members]):.1%}" for name in groups)
        yield note(f"frames of {split} without {', '.join(shares)}")
    for name in groups if len(people) > len(splits) else ():
        rates = {
            who: mean_over_frames([(x.absent[name], x.frames) for x in members]) for who, members in people.items()
        }
        ordered = sorted(rates.items(), key=lambda pair: -pair[1])
        yield note(f"frames without {name}, by signer", some([f"{who} {rate:.1%}" for who, rate in ordered], 10))


@BODY_CHECKS.add("SLR-D29", "left is left in every clip", needs=("SLR-D04",))
def sides(context: DataContext) -> Iterator[Finding]:
    """Clips whose shoulders or hands stand the other way round than those of the rest: mirrored, or hands swapped."""
    faults = {
        "shoulder_side": (
            "mirrored, it seems, with shoulders the other way round than in the rest:",
            "mirror them back",
        ),
        "hand_side": ("left and right hand swapped, it seems, against the rest:", "swap the columns of the two hands"),
    }
    for attribute, (what, fix) in faults.items():
        known = [(item, getattr(facts, attribute)) for item, facts in context.comparable]
        known = [(item, side) for item, side in known if side == side]
        usual = float(np.median([side for _, side in known])) if len(known) >= ENOUGH else 0.0
        if abs(usual) < SIDED:
            continue
        other = [item for item, side in known if side * np.sign(usual) <= -SIDED]
        if other:
            yield warning(f"{what} {many(len(other), 'clip')}", some([item.id for item in other]), fix)
        tell = "shoulders" if attribute == "shoulder_side" else "hands"
        yield note(
            f"left and right of the {tell} can be told in {len(known):,} of {many(len(context.comparable), 'clip')}"
        )


@BODY_CHECKS.add("SLR-D30", "all bodies are in one unit and of one size", needs=("SLR-D04", "SLR-D06"))
def one_unit(context: DataContext) -> Iterator[Finding]:
    """Clips whose numbers are many times larger or smaller than the others': pixels beside shares of the picture."""
    known = [(item, facts) for item, facts in context.comparable if facts.magnitude > 0]
    if not known:
        return
    sizes = np.array([facts.magnitude for _, facts in known])
    usual = float(np.median(sizes))
    far = np.flatnonzero((sizes > UNITS * usual) | (sizes < usual / UNITS)) if len(sizes) >= ENOUGH else []
    if len(far):
        yield error(
            f"{many(len(far), 'clip is', 'clips are')} in another unit than the rest: the median position is "
            f"{sizes[far[0]]:.3g}, elsewhere {usual:.3g}",
            some([known[i][0].id for i in far]),
            "extract them alike: all in pixels, or all in shares of the picture",
        )
        return  # their sizes differ as well
    if context.usual_layout.units == "image" and usual > PICTURE:
        yield warning(
            f"the layout {context.usual_layout.name} means shares of the picture, and the median position is "
            f"{usual:.3g}: these look like pixels",
            fix='divide x and y by width and height of the picture, or write a layout with units = "pixels"',
        )
    yield note(f"absolute positions: median {usual:.3g}, from {sizes.min():.3g} to {sizes.max():.3g}")
    yield from _sizes(context)


def _sizes(context: DataContext) -> Iterator[Finding]:
    """Clips in which the shoulders are much nearer or farther apart than elsewhere: another crop, another person."""
    known = [(item, facts.scale) for item, facts in context.comparable if facts.scale > 0]
    if len(known) < ENOUGH:
        return
    sizes = np.array([size for _, size in known])
    usual = float(np.median(sizes))
    bodies = bool(context.usual_layout.shoulders)
    times = SIZE if bodies else SIZE_GENERIC
    what = "the distance of the shoulders" if bodies else "the deviation of the columns"
    far = np.flatnonzero((sizes > times * usual) | (sizes < usual / times))
    if len(far):
        yield warning(
            f"in {many(len(far), 'clip')} {what} is more than {times:.0f} times the usual ({usual:.3g}) or less than "
            "its inverse",
            some([f"{known[i][0].id} ({sizes[i]:.3g})" for i in far]),
            "look at the recordings: another distance, another crop, another person in the picture",
        )
    yield note(f"{what}: median {usual:.3g}, from {sizes.min():.3g} to {sizes.max():.3g}")


@BODY_CHECKS.add("SLR-D32", "stored differences belong to the positions", needs=("SLR-D04", "SLR-D06"))
def derivatives(context: DataContext) -> Iterator[Finding]:
    """Velocities that are not the differences of the stored positions, accelerations not those of the velocities.

    An error where other clips have right ones; where none has, the convention is one that is not known here.
    """
    for number, name in enumerate(("velocities", "accelerations")):
        known = [
            (item, facts.differences[number]) for item, facts in context.comparable if len(facts.differences) > number
        ]
        known = [(item, fit) for item, fit in known if fit == fit]
        if not known:
            continue
        usual = float(np.median([fit for _, fit in known]))
        bad = [(item, fit) for item, fit in known if fit < UNFIT]
        if usual >= FIT and bad:
            yield error(
                f"in {many(len(bad), 'clip')} the stored {name} are not those of the positions",
                _fits(bad),
                "extract them again, or use a layout without stored differences: they are computed where absent",
            )
        elif usual < FIT:
            yield warning(
                f"the stored {name} are no differences from frame to frame (cosine {usual:.2f})",
                _fits(bad or known),
                "use a layout without stored differences unless you know what these are",
            )
        yield note(f"stored {name} against computed ones: median cosine {usual:.3f}")


def _fits(clips: Sequence[tuple[Utterance, float]]) -> str:
    return some([f"{item.id} (cosine {fit:.2f})" for item, fit in clips])


@BODY_CHECKS.add("SLR-D33", "every column says something", needs=("SLR-D04", "SLR-D25"))
def live_columns(context: DataContext) -> Iterator[Finding]:
    """Columns that hold one number throughout all clips, or none at all."""
    if len(context.comparable) < ENOUGH:
        return
    spread = np.stack([facts.spread for _, facts in context.comparable])
    centre = np.stack([facts.centre for _, facts in context.comparable])
    seen = ~np.isnan(centre)
    lowest = np.where(seen, centre, np.inf).min(axis=0)
    highest = np.where(seen, centre, -np.inf).max(axis=0)
    dead = (np.where(seen, spread, 0).max(axis=0) == 0) & seen.any(axis=0) & (lowest == highest)
    if dead.any():
        columns = np.flatnonzero(dead)
        yield warning(
            f"{many(len(columns), 'column holds', 'columns hold')} one number in all clips",
            some([context.column_name(int(column)) for column in columns]),
            "look at the extraction; a column that never changes says nothing",
        )
    nowhere = np.flatnonzero(~seen.any(axis=0))
    if len(nowhere):
        yield warning(
            f"{many(len(nowhere), 'column is', 'columns are')} missing in every clip",
            some([context.column_name(int(column)) for column in nowhere]),
            "look at the extraction, or leave the points out of the layout",
        )
