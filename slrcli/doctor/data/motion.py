"""Time in the clips: whether they are long enough, how long they are, and whether they move as signing does."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from slrcli.corpus import Utterance
from slrcli.ctc.paths import minimum_frames
from slrcli.doctor.context import Checks, clips, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.features.measure import Facts
from slrcli.features.rate import pace, usual_rate
from slrcli.findings import Finding

MOTION_CHECKS = Checks()

STRIDES = (1, 2, 4, 8)
SHIPPED_STRIDE = 4  # of every shipped architecture but `mobilenetv3`, which keeps all frames
FROZEN_FRAMES, FROZEN_SHARE = 25, 0.5  # of a clip; held poses last a second at most
HELD = 0.2  # share of repeated frames in the usual clip, from which features of unknown meaning are taken for discrete
LONG = 5.0  # times the median length, or frames a gloss, or less than its inverse
SPEED, SPEED_ALONE = 1.6, 2.4  # times the median step of a signer's clips, of one clip, in as many fewer frames a gloss
ENOUGH = 20  # clips before any of them is called an outlier
RATES = 5  # clips of a signer before the frame rate is guessed from them


def too_short(pairs: Sequence[tuple[Sequence[str], int]], stride: int) -> list[int]:
    """Which of `(glosses, frames)` cannot carry their glosses when T' is frames / stride, rounded up; their places."""
    return [i for i, (glosses, frames) in enumerate(pairs) if -(-frames // stride) < minimum_frames(glosses)]


@MOTION_CHECKS.add("SLR-D10", "clips are long enough for their glosses")
def long_enough(context: DataContext) -> Iterator[Finding]:
    """CTC needs T' >= glosses + repeats of neighbours; its loss is infinite otherwise.

    What no recogniser can learn, at a stride of 1 (or at the stride that was asked for), is an error in train. What
    is lost at longer strides, up to that of the default architecture, is a warning. Other splits only score worse.
    """
    certain = context.stride or STRIDES[0]
    strides = sorted({*STRIDES, certain})
    for name, utterances in context.corpus.splits.items():
        members = [(item, facts.frames) for item, facts in context.readable(utterances)]
        pairs = [(item.glosses, frames) for item, frames in members]
        short = {stride: too_short(pairs, stride) for stride in strides}
        told: set[int] = set()
        for stride in strides if members else ():
            fresh = [i for i in short[stride] if i not in told]
            told.update(fresh)
            if not fresh or stride > max(certain, SHIPPED_STRIDE) or stride < certain:
                continue
            say = error if stride == certain and name == "train" else warning
            yield say(
                f"{many(len(fresh), 'clip')} of {name} {'is' if len(fresh) == 1 else 'are'} too short for the "
                f"glosses when one frame in {stride} is kept" + (", even if all are" if stride == 1 else ""),
                clips([(members[i][0].id, lengths(*members[i])) for i in fresh], f"too short at a stride of {stride}"),
                "check these annotations, or take the clips out"
                + ("" if stride == 1 else "; --arch mobilenetv3 keeps every frame"),
            )
        if members:
            counts = ", ".join(f"{stride}: {len(short[stride]):,}" for stride in strides)
            yield note(f"clips of {name} too short for their glosses, by stride: {counts}")


def lengths(item: Utterance, frames: int) -> str:
    """`4 frames, 2 glosses`, and how many output frames they need where that is more."""
    least = minimum_frames(item.glosses)
    extra = f" that need {least}" if least > len(item.glosses) else ""
    return f"{many(frames, 'frame')}, {many(len(item.glosses), 'gloss', 'glosses')}{extra}"


@MOTION_CHECKS.add("SLR-D25", "clips move", needs=("SLR-D08",))
def moving(context: DataContext) -> Iterator[Finding]:
    """Clips of one frame over and over, and long runs of identical frames: a stuck camera, a padded array. And bodies
    that leap: an extractor that went over to another person."""
    leaping = [(item, facts.leaps) for item, facts in context.read_fully if facts.leaps]
    if leaping:
        leaping.sort(key=lambda pair: -pair[1])
        yield note(
            f"within {many(len(leaping), 'clip')} the body leaps by more than the width of its shoulders, perhaps to "
            "another person",
            some([f"{item.id} ({many(count, 'leap')})" for item, count in leaping]),
        )
    shares = [facts.repeated for _, facts in context.read_fully]
    layout = context.usual_layout
    if layout and not layout.spatial and shares and np.median(shares) > HELD:
        yield note(
            f"{np.mean(shares):.1%} of the frames equal the one before them, as usual for features of few values"
        )
        return
    still = [item for item, facts in context.read_fully if facts.still and facts.missing < 1]
    if still:
        yield error(
            f"{many(len(still), 'clip does', 'clips do')} not move: all frames are the same",
            clips([(item.id, "") for item in still], "all frames are the same"),
            "extract them again, or take them out of the table",
        )
    stuck = [
        (item, facts)
        for item, facts in context.read_fully
        if not facts.still and facts.frozen >= max(FROZEN_FRAMES, FROZEN_SHARE * facts.frames)
    ]
    if stuck:
        yield warning(
            f"{many(len(stuck), 'clip is', 'clips are')} still for half of the frames or more",
            clips([(item.id, f"{facts.frozen} of {facts.frames} frames") for item, facts in stuck], "still"),
            "look for padding at the end, or for frames that the extraction copied",
        )
    if shares:
        yield note(f"{np.mean(shares):.1%} of the frames equal the one before them")


@MOTION_CHECKS.add("SLR-D26", "clips are about as long as their glosses want", needs=("SLR-D10",))
def usual_length(context: DataContext) -> Iterator[Finding]:
    """Clips whose frames, or frames a gloss, are many times those of the median clip, or a small part of it."""
    known = [(item, facts) for item, facts in context.readable() if item.glosses]
    if not known:
        return
    frames = np.array([facts.frames for _, facts in known], float)
    rates = frames / [len(item.glosses) for item, _ in known]
    for values, unit in ((frames, "frames"), (rates, "frames per gloss")):
        usual = float(np.median(values))
        far = np.flatnonzero((values > LONG * usual) | (values < usual / LONG)) if len(values) >= ENOUGH else ()
        if len(far):
            yield warning(
                f"{many(len(far), 'clip has', 'clips have')} more than {LONG:.0f} times the usual {unit} "
                f"({usual:.0f}), or less than a {LONG:.0f}th",
                clips([(known[i][0].id, f"{values[i]:.0f}") for i in far], f"far from the usual {usual:.0f} {unit}"),
                "check that the clip was cut where the annotation ends",
            )
    yield note(
        f"frames: {frames.min():.0f} to {frames.max():.0f}, median {np.median(frames):.0f}; frames per gloss: "
        f"{rates.min():.1f} to {rates.max():.1f}, median {np.median(rates):.1f}"
    )


@MOTION_CHECKS.add("SLR-D27", "all clips have one frame rate", needs=("SLR-D04",))
def one_rate(context: DataContext) -> Iterator[Finding]:
    """Clips whose files say another rate than the corpus; clips, or all of a signer, that move as if at another rate.

    A clip of half the frames a second has half the frames a gloss and moves twice as far from each to the next.
    """
    yield from recorded_rates(context)
    known = [(item, facts) for item, facts in context.comparable if item.glosses and facts.speed == facts.speed]
    if len(known) < ENOUGH:
        return
    factor = rate_factors(known)
    groups: dict[str, list[int]] = {}
    for i, (item, _) in enumerate(known):
        groups.setdefault(f"signer {item.signer} of {item.split}" if item.signer else item.split, []).append(i)
    rates = {name: float(np.median(factor[members])) for name, members in groups.items() if len(members) >= RATES}
    odd = {name: rate for name, rate in rates.items() if not 1 / SPEED < rate < SPEED} if len(rates) > 1 else {}
    if odd:
        yield warning(
            f"{many(len(odd), 'group of clips moves', 'groups of clips move')} as if at another frame rate",
            some([f"{name}: {rate:.1f} times the usual step from frame to frame" for name, rate in odd.items()]),
            "bring all clips to one frame rate",
        )
    covered = {i for name in odd for i in groups[name]}
    alone = [i for i in range(len(known)) if i not in covered and not 1 / SPEED_ALONE < factor[i] < SPEED_ALONE]
    if alone:
        yield warning(
            f"{many(len(alone), 'clip moves', 'clips move')} as if at another frame rate",
            clips([(known[i][0].id, f"{factor[i]:.1f} times the usual step") for i in alone], "another frame rate"),
            "bring all clips to one frame rate",
        )
    speeds = np.array([facts.speed for _, facts in known])
    low, usual, high = np.quantile(speeds, (0.01, 0.5, 0.99))
    yield note(f"change from frame to frame, in deviations: median {usual:.2f}, from {low:.2f} to {high:.2f}")


def recorded_rates(context: DataContext) -> Iterator[Finding]:
    """Clips that are recorded at another rate than the corpus says, or than the median of the files."""
    told = [(item, facts.fps) for item, facts in context.readable() if facts.fps]
    usual = context.fps or usual_rate(rate for _, rate in told)
    other = [(item, rate) for item, rate in told if pace(rate, usual) != 1]
    if other:
        whose = "corpus.toml says" if context.fps else "the usual one is"
        yield warning(
            f"{many(len(other), 'clip is', 'clips are')} recorded at another frame rate; {whose} {usual:.4g}",
            some([f"{item.id} ({rate:.4g})" for item, rate in other]),
            "training resamples them; if the files say a wrong rate, convert them again with the right one",
        )
    if told:
        silent = len(context.readable()) - len(told)
        rest = f"; {many(silent, 'file does', 'files do')} not say it" if silent else ""
        counts = sorted(Counter(f"{rate:.4g}" for _, rate in told).items(), key=lambda pair: float(pair[0]))
        yield note(f"frame rates: {', '.join(f'{rate} ({count:,})' for rate, count in counts)}{rest}")


def rate_factors(known: Sequence[tuple[Utterance, Facts]]) -> np.ndarray:
    """How many times fewer frames a second each clip seems to have than the median one.

    The smaller of what speed and frames a gloss say, 1 where they disagree about the direction.
    """
    speed = np.log([facts.speed for _, facts in known])
    length = -np.log([facts.frames / len(item.glosses) for item, facts in known])
    speed, length = speed - np.median(speed), length - np.median(length)
    agree = np.sign(speed) == np.sign(length)
    return np.exp(np.where(agree, np.sign(speed) * np.minimum(np.abs(speed), np.abs(length)), 0.0))
