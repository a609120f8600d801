"""The lines of a run's epochs."""

import math

import pytest

from slrcli.report.text.epochs import HEAD, clock, epoch_line
from slrcli.training.watch.history import EpochNumbers

NUMBERS = EpochNumbers(7, 14.287, 19.83, 82.35, 98.0, 4, 8, 0.16, 1.0)


def test_an_epoch_is_a_line_under_its_head():
    line = epoch_line(NUMBERS, 40, 4.7, 190.0, best=True)
    assert line.split() == ["7/40", "14.287", "19.830", "82.35", "%", "16", "%", "98", "%", "4.7", "s", "3:10", "best"]
    assert HEAD.index("WER") + len("WER") == line.index("82.35 %") + len("82.35 %")
    assert HEAD.index("left") + len("left") == line.index("3:10") + len("3:10")


def test_the_worst_numbers_still_fit_a_terminal_of_80_columns():
    worst = EpochNumbers(1000, 9999.123, math.nan, 1234.56, 1234.0, 4, 8, 1.0, 1.0)
    line = epoch_line(worst, 1000, 35_999.0, 359_999.0, best=True)
    assert len(line) <= 80 and "n/a" in line and "nan" not in line
    assert len(line.split("  best")[0].split()) == 11, "two columns run together"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (190, "3:10"), (7390, "2:03:10")]
)
def test_times_are_short(seconds, text):
    assert clock(seconds) == text
