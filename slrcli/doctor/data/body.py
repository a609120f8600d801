"""The body in the clips: hands and face, left and right, units, sizes, and differences that were stored."""

from collections.abc import Iterator, Sequence

import numpy as np

from slrcli.corpus import Utterance
from slrcli.corpus.facts import mean_over_frames
from slrcli.doctor.context import Checks, clips, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.features.measure import Facts
from slrcli.findings import Finding, Names

BODY_CHECKS = Checks()

# Share of missing points in a group, and of the frames of a clip in which nothing or no hand is detected. Kinect and
# gloves have 0; with MediaPipe hands are missing in 5 to 40 % of the frames, and below 20 % in sound clips.
MOSTLY = 0.5
ABSENT_MORE = 0.3  # how much more often than for the median signer a group may be missing for one
SIDED = 0.5  # how clearly a clip, and the corpus, tell left from right: twice as many frames for as against, and more
DOMINANT = 0.15  # difference of the movement of both hands, as a share of their sum, that tells the dominant hand
DECIDED = 0.7  # share of a signer's clips that tell it, from which one that contradicts them stands out
UNITS = 20.0  # times the usual size of the numbers: shares of a picture against pixels make hundreds
PICTURE = 5.0  # median absolute position above which numbers are no shares of a picture
SIZE, SIZE_GENERIC = 2.0, 10.0  # times the usual distance of the shoulders, or deviation of columns of unknown meaning
FIT = 0.9  # cosine of stored and computed differences; copies of what they should be have 1
UNFIT = 0.5  # cosine below which a clip's differences are not those of its positions
ENOUGH = 5  # clips before one can differ from the rest


@BODY_CHECKS.add("SLR-D08", "body, hands and face are detected in every clip")
def presence(context: DataContext) -> Iterator[Finding]:
    """Clips in which nothing or no hand is detected; groups of points often missing, in general or for a signer."""
    empty = [item.id for item, facts in context.read_fully if facts.missing == 1.0]
    if empty:
        what = f"nothing is detected in {many(len(empty), 'clip')}: every value is missing"
        yield error(
            what,
            clips([(id, "") for id in empty], "nothing is detected"),
            "extract them again, or remove them from the table",
        )
    for what, attribute in (("nothing", "empty"), ("no hand", "handless")):
        shares = [(item, getattr(facts, attribute)) for item, facts in context.comparable if facts.missing < 1.0]
        rarely = [(item.id, f"{share:.0%}") for item, share in shares if share > MOSTLY]
        if rarely:
            yield warning(
                f"{what} is detected in most frames of {many(len(rarely), 'clip')}",
                clips(rarely, f"{what} in most frames"),
                "extract them again with a lower detection threshold, or remove them",
            )
    points = {name for _, facts in context.read_fully for name in facts.missing_points}
    for name in sorted(points):
        known = [facts for _, facts in context.read_fully if name in facts.missing_points]
        share = mean_over_frames([(facts.missing_points[name], facts.frames) for facts in known])
        if share > MOSTLY:
            fix = "check the extraction; leave out a group that is hardly ever detected"
            yield warning(f"{share:.0%} of the points of {name} are missing", name, fix)
    layout = context.usual_layout
    for group in layout.groups if layout else ():
        if group.kind in ("hand", "face"):
            yield from _by_signer(context.comparable, group.name)
    overall = mean_over_frames([(facts.missing, facts.frames) for _, facts in context.read_fully])
    if context.read_fully:
        yield note(f"{overall:.1%} of the values are missing")


def _by_signer(found: Sequence[tuple[Utterance, Facts]], group: str) -> Iterator[Finding]:
    """How often a group of points is missing, by split and signer."""
    people: dict[str, list[tuple[float, int]]] = {}
    for item, facts in found:
        who = f"{item.signer} ({item.split})" if item.signer else item.split
        people.setdefault(who, []).append((facts.absent[group], facts.frames))
    if not people:
        return
    rates = {who: mean_over_frames(members) for who, members in people.items()}
    usual = float(np.median(list(rates.values())))
    often = [f"{who} {rate:.0%}" for who, rate in rates.items() if rate > usual + ABSENT_MORE]
    if often:
        yield warning(
            f"{group} is missing much more often than usual ({usual:.0%} of the frames)",
            some(often),
            "inspect these recordings: picture, light, sleeves, extraction",
        )
    ordered = sorted(rates.items(), key=lambda pair: -pair[1])
    yield note(f"frames without {group}, by signer", some([f"{who} {rate:.1%}" for who, rate in ordered], 10))


@BODY_CHECKS.add("SLR-D29", "left is left in every clip", needs=("SLR-D04",))
def sides(context: DataContext) -> Iterator[Finding]:
    """Clips whose shoulders or hands stand the other way round than those of the rest: mirrored, or hands swapped."""
    faults = {
        "shoulder_side": (
            "apparently mirrored, with the shoulders in the opposite order to the rest:",
            "mirror them back",
            "mirrored",
        ),
        "hand_side": (
            "left and right hand apparently swapped, compared with the rest:",
            "swap the columns of the two hands",
            "left and right hand swapped",
        ),
    }
    for attribute, (what, fix, reason) in faults.items():
        known = [(item, getattr(facts, attribute)) for item, facts in context.comparable]
        known = [(item, side) for item, side in known if side == side]
        usual = float(np.median([side for _, side in known])) if len(known) >= ENOUGH else 0.0
        if abs(usual) < SIDED:
            continue
        other = [item for item, side in known if side * np.sign(usual) <= -SIDED]
        if other:
            named = clips([(item.id, "") for item in other], reason)
            yield warning(f"{what} {many(len(other), 'clip')}", named, fix)
        tell = "shoulders" if attribute == "shoulder_side" else "hands"
        yield note(
            f"left and right of the {tell} can be told in {len(known):,} of {many(len(context.comparable), 'clip')}"
        )
    yield from _dominance(context)


def _dominance(context: DataContext) -> Iterator[Finding]:
    """Signers, or their clips of one split, whose other hand moves more than that of the rest."""
    people: dict[str, list[tuple[str, float]]] = {}
    for item, facts in context.comparable:
        if facts.dominance == facts.dominance:
            who = f"{item.signer} ({item.split})" if item.signer else item.split
            people.setdefault(who, []).append((item.id, facts.dominance))
    yield from _mixed(list(people.values()))
    known = {
        who: (float(np.median([value for _, value in found])), len(found))
        for who, found in people.items()
        if len(found) >= ENOUGH
    }
    clear = {who: found for who, found in known.items() if abs(found[0]) > DOMINANT}
    if not clear:
        return
    right = sum(count for value, count in clear.values() if value < 0)
    left = sum(count for value, count in clear.values() if value > 0)
    usual = 1 if left > right else -1
    other = [f"{who} ({abs(value):.0%} more)" for who, (value, _) in clear.items() if value * usual < 0]
    name, opposite = ("left", "right") if usual > 0 else ("right", "left")
    if other:
        yield warning(
            f"the {opposite} hand moves more for {many(len(other), 'signer or split', 'signers or splits')}, "
            f"the {name} hand for the rest: mirrored recordings, or left-handed signers",
            some(other),
            "watch some of these clips: mirror recordings back with slr convert --mirror; for other-handed signers, "
            "train with augment.mirror=0.5",
        )
    told = sorted(known.items(), key=lambda pair: pair[1][0])
    shares = [f"{who} {value:+.0%}" for who, (value, _) in told]
    yield note("how much more the left hand moves than the right, by signer", some(shares, 10))


def _mixed(people: Sequence[Sequence[tuple[str, float]]]) -> Iterator[Finding]:
    """Single clips whose other hand moves more than in most clips of the same signer and split.

    Only where most of these tell the dominant hand: signs of two hands alone show none.
    """
    other = []
    for found in people:
        values = np.array([value for _, value in found])
        clear = values[np.abs(values) > DOMINANT]
        if len(values) < ENOUGH or len(clear) < DECIDED * len(values):
            continue
        side = 1 if (clear > 0).mean() > 0.5 else -1
        least = max(DOMINANT, float(np.median(np.abs(values))) / 2)
        other += [(id, f"{abs(value):.0%} more") for id, value in found if value * side <= -least]
    if other:
        yield warning(
            f"the other hand moves more than in most clips of the same signer in {many(len(other), 'clip')}: mirrored "
            "recordings, or signed with the other hand",
            clips(other, "the other hand moves more than in most clips of the signer"),
            "watch these clips; mirror recordings back with slr convert --mirror, or leave them out",
        )


@BODY_CHECKS.add("SLR-D30", "all bodies are in one unit and of one size", needs=("SLR-D04", "SLR-D06"))
def one_unit(context: DataContext) -> Iterator[Finding]:
    """Clips whose numbers are many times larger or smaller than the others': pixels beside shares of the picture."""
    known = [(item, facts) for item, facts in context.comparable if facts.magnitude > 0]
    if not known:
        return
    sizes = np.array([facts.magnitude for _, facts in known])
    usual = float(np.median(sizes))
    far = np.flatnonzero((sizes > UNITS * usual) | (sizes < usual / UNITS))
    bodies = context.known_layout.spatial
    what = "the median position" if bodies else "the 99 % quantile of the values other than zero"
    if len(far) and len(sizes) >= ENOUGH:
        yield error(
            f"{many(len(far), 'clip is', 'clips are')} in another unit than the rest: {what} is "
            f"{sizes[far[0]]:.3g}, elsewhere {usual:.3g}",
            clips([(known[i][0].id, f"{sizes[i]:.3g}") for i in far], f"another unit: {what} is elsewhere {usual:.3g}"),
            "extract them alike: all in pixels, or all in fractions of the picture"
            if bodies
            else "extract them alike, with one network and one normalisation",
        )
        return  # their sizes differ as well
    if context.known_layout.units == "image" and usual > PICTURE:
        yield warning(
            f"the layout {context.known_layout.name} defines fractions of the picture, and the median position is "
            f"{usual:.3g}: these look like pixels",
            fix='divide x and y by width and height of the picture, or write a layout with units = "pixels"',
        )
    kind = "positions" if bodies else "values, 99 % quantile per clip"
    yield note(f"absolute {kind}: median {usual:.3g}, from {sizes.min():.3g} to {sizes.max():.3g}")
    if bodies:  # how much features of unknown meaning vary depends on what is signed
        yield from _sizes(context)


def _sizes(context: DataContext) -> Iterator[Finding]:
    """Clips in which the shoulders are much nearer or farther apart than elsewhere: another crop, another person."""
    known = [(item, facts.scale) for item, facts in context.comparable if facts.scale > 0]
    if len(known) < ENOUGH:
        return
    sizes = np.array([size for _, size in known])
    usual = float(np.median(sizes))
    bodies = bool(context.known_layout.shoulders)
    times = SIZE if bodies else SIZE_GENERIC
    what = "the distance of the shoulders" if bodies else "the deviation of the columns"
    far = np.flatnonzero((sizes > times * usual) | (sizes < usual / times))
    if len(far):
        yield warning(
            f"in {many(len(far), 'clip')} {what} is more than {times:.0f} times the usual ({usual:.3g}) or less than "
            "its inverse",
            clips([(known[i][0].id, f"{sizes[i]:.3g}") for i in far], f"{what} is usually {usual:.3g}"),
            "inspect the recordings: another distance, another crop, another person in the picture",
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
                _fits(bad, name),
                "extract them again, or use a layout without stored differences: they are computed where absent",
            )
        elif usual < FIT:
            yield warning(
                f"the stored {name} are no differences from frame to frame (cosine {usual:.2f})",
                some([f"{item.id} (cosine {fit:.2f})" for item, fit in bad or known]),
                "use a layout without stored differences unless you know what these are",
            )
        yield note(f"stored {name} against computed ones: median cosine {usual:.3f}")


def _fits(found: Sequence[tuple[Utterance, float]], name: str) -> Names:
    return clips([(item.id, f"cosine {fit:.2f}") for item, fit in found], f"stored {name} do not fit")


@BODY_CHECKS.add("SLR-D33", "every column says something", needs=("SLR-D04", "SLR-D25"))
def live_columns(context: DataContext) -> Iterator[Finding]:
    """Columns that hold one number throughout all clips, or none at all."""
    if len(context.comparable) < ENOUGH:
        return
    spread = np.stack([facts.spread for _, facts in context.comparable if facts.spread is not None])
    centre = np.stack([facts.centre for _, facts in context.comparable if facts.centre is not None])
    seen = ~np.isnan(centre)
    lowest = np.where(seen, centre, np.inf).min(axis=0)
    highest = np.where(seen, centre, -np.inf).max(axis=0)
    dead = (np.where(seen, spread, 0).max(axis=0) == 0) & seen.any(axis=0) & (lowest == highest)
    if dead.any():
        columns = np.flatnonzero(dead)
        yield warning(
            f"{many(len(columns), 'column holds', 'columns hold')} one number in all clips",
            some([context.column_name(int(column)) for column in columns]),
            "check the extraction; a constant column carries no information",
        )
    nowhere = np.flatnonzero(~seen.any(axis=0))
    if len(nowhere):
        yield warning(
            f"{many(len(nowhere), 'column is', 'columns are')} missing in every clip",
            some([context.column_name(int(column)) for column in nowhere]),
            "check the extraction, or leave the points out of the layout",
        )


@BODY_CHECKS.add("SLR-D34", "each hand keeps to its slot", needs=("SLR-D08",))
def own_slots(context: DataContext) -> Iterator[Finding]:
    """Hands that change places between their slots, and frames in which both slots hold one and the same hand."""
    found = sorted(context.hands, key=lambda item: (item.changes, item.one_hand), reverse=True)
    if not any(item.one_hand or item.changes for item in found):
        return
    shown = some([str(item) for item in found], 10)
    what = "frames in which both slots hold one hand, and slot changes per clip, by signer"
    if any(item.common for item in found):
        yield warning(
            f"left and right hand often share a slot or change places: {what}",
            shown,
            "training, eval and decode mend it by themselves (data.assign_hands), but streaming recognisers do not: "
            "do not train with --arch streaming on these, or extract a body along with the hands",
        )
    else:
        yield note(what, shown)
    unsteady = [(item, facts) for item, facts in context.comparable if facts.slot_changes or facts.one_hand]
    unsteady.sort(key=lambda pair: (pair[1].slot_changes, pair[1].one_hand), reverse=True)
    told = [f"{item.id} {facts.one_hand:.1%}, {facts.slot_changes}" for item, facts in unsteady]
    yield note(f"the same by clip, in {many(len(unsteady), 'clip')}", some(told))
