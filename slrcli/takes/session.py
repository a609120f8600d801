"""A session in front of a camera: prompt, countdown, take, and what becomes of it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from slrcli.config import RecordConfig
from slrcli.console import Console
from slrcli.errors import DataError
from slrcli.takes.folder import Folder, Kept
from slrcli.takes.keys import ENTER, SPACE, Keys
from slrcli.takes.prompts import Prompt, missing
from slrcli.takes.sketch import sketch
from slrcli.takes.take import Take, Taking, doubts, useless
from slrcli.video.frames import Frame
from slrcli.video.holistic import Columns, in_square, seen

ATTEMPTS = 3  # at a take that nobody is asked about
COLUMNS, ROWS = 56, 16  # characters of the live skeleton
KEEP, AGAIN, SKIP, QUIT = "k", "a", "s", "q"
ANSWERS = {KEEP: "keep", AGAIN: "again", SKIP: "skip", QUIT: "quit"}

Points = Callable[[np.ndarray], np.ndarray]  # a picture -> its points [543, 4]


class Quit(Exception):
    """The signer has had enough."""


class Watched(NamedTuple):
    """A frame and its points `[543, 4]`, in fractions of the picture."""

    frame: Frame
    points: np.ndarray


@dataclass
class Outcome:
    """What a session came to.

    Attributes:
        kept: the takes that were kept, in order.
        skipped: sentences that were skipped.
        left: takes that are still missing, those of skipped sentences included.
        frames: of the kept takes.
    """

    kept: list[Kept] = field(default_factory=list)
    skipped: int = 0
    left: int = 0
    frames: int = 0


@dataclass
class Session:
    """One signer in front of one source of frames.

    Args:
        console: where prompts and the live skeleton are shown.
        folder: where takes are kept.
        columns: of the layout of the folder.
        fps: frames per second of the features.
        options: whose takes, how many, how long.
        frames: as they come, with their times.
        points: finds the landmarks of a picture.
        keys: where answers come from.
        clock: seconds; the countdown goes by it.
    """

    console: Console
    folder: Folder
    columns: Columns
    fps: float
    options: RecordConfig
    frames: Iterable[Frame]
    points: Points
    keys: Keys
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._watched = self._watch()

    def run(self, prompts: list[Prompt]) -> Outcome:
        """Record what is missing of the prompts, until all is there or the signer quits.

        Raises:
            DataError: the source of frames ends.
        """
        options = self.options
        wanted = list(missing(prompts, options.takes, self.folder.counts(options.signer, options.split)))
        outcome = Outcome(left=len(wanted))
        try:
            for number, prompt in enumerate(wanted, 1):
                self.console.heading(f"{number} of {len(wanted)}: {' '.join(prompt.glosses)}")
                if prompt.text:
                    self.console.note(prompt.text)
                take = self._good_take(prompt)
                if take is None:
                    outcome.skipped += 1
                    continue
                outcome.kept.append(self.folder.keep(take, prompt.glosses, options.signer, options.split))
                outcome.frames += len(take.features)
                outcome.left -= 1
        except Quit:
            pass
        return outcome

    def _good_take(self, prompt: Prompt) -> Take | None:
        """A take that is to be kept; None where the sentence is skipped. Raises `Quit`."""
        attempts = 0
        while True:
            self._count_down()
            take, attempts = self._record(), attempts + 1
            fault = useless(take, prompt.glosses)
            against = [fault] if fault else list(doubts(take, prompt.glosses))
            self.console.note(str(take))
            for line in against:
                self.console.note(line, "warning")
            if self.options.seconds:
                answer = self._judged(not against, attempts)
            else:
                answer = self._asked(not against, not fault)
            if answer == QUIT:
                raise Quit
            if answer in (KEEP, SKIP):
                return take if answer == KEEP else None

    def _judged(self, good: bool, attempts: int) -> str:
        """What becomes of a take that nobody is asked about."""
        if good:
            return KEEP
        if attempts < ATTEMPTS:
            self.console.note("It is recorded again.")
            return AGAIN
        self.console.note(f"The sentence is skipped after {attempts} takes.", "warning")
        return SKIP

    def _asked(self, good: bool, usable: bool) -> str:
        """The signer's answer; Enter keeps a good take and records another one for a bad one."""
        answers = {key: word for key, word in ANSWERS.items() if key != KEEP or usable}
        usual = KEEP if good else AGAIN
        offered = ", ".join(f"{key} {word}" for key, word in answers.items())
        self.console.note(f"{offered}; Enter: {ANSWERS[usual]}")
        while self.keys.pressed():  # before the question stood there
            pass
        while True:
            answer = self.keys.wait()
            if answer == ENTER:
                return usual
            if answer in answers:
                return answer

    def _count_down(self) -> None:
        start = self.clock()
        with self.console.in_place() as show:
            while (left := self.options.countdown - (self.clock() - start)) > 0:
                watched = next(self._watched)
                self._show(show, watched, f"in {int(np.ceil(left))}")
                if self.keys.pressed() == QUIT:
                    raise Quit

    def _record(self) -> Take:
        """Frames until Enter or the space bar, or as long as takes last."""
        taking = Taking(self.columns, self.fps)
        ending = f"{self.options.seconds:g} s" if self.options.seconds else "Enter ends it"
        with self.console.in_place() as show:
            while True:
                watched = next(self._watched)
                taking.add(watched.frame.time, in_square(watched.points, watched.frame.size))
                self._show(show, watched, f"RECORDING {taking.seconds:.1f} s ({ending})")
                key = self.keys.pressed()
                if key == QUIT:
                    raise Quit
                if key in (ENTER, SPACE) or 0 < self.options.seconds <= taking.seconds:
                    return taking.take()

    def _watch(self) -> Iterator[Watched]:
        for frame in self.frames:
            yield Watched(frame, self.points(frame.image))
        raise DataError("The source of frames has ended.", fix="Check the camera; the same command goes on.")

    def _show(self, show: Callable[[str], None], watched: Watched, line: str) -> None:
        """The skeleton as it is, with a line below it."""
        found = [part.replace("_", " ") for part, there in seen(watched.points).items() if there]
        told = f"{line}  seen: {', '.join(found) or 'nobody'}"
        drawn = sketch(watched.points, watched.frame.size, COLUMNS, ROWS) if self.console.animates else ""
        show(f"{drawn}\n{told}" if drawn else told)
