"""What a run says last: nothing where it went well, else what to look at."""

from dataclasses import replace

import pytest

from slrcli.training.watch.closing import Ending, closing
from slrcli.training.watch.history import EpochNumbers

WELL = Ending(EpochNumbers(40, 0.4, 0.6, 20.0, 98.0, 40, 60, 0.7, 1.0), 19.0, (), "DATA")


def said(**changes):
    return list(closing(replace(WELL, **changes)))


def test_a_run_that_went_well_says_nothing():
    assert said() == []


def test_a_diagnostic_that_is_only_a_note_is_nothing_to_look_at():
    assert said(said=["SLR-T14"]) == []


def test_a_rate_near_a_hundred_is_named_with_the_commands_that_look_into_it():
    first, *rest = said(wer=98.3)
    assert "has not learnt" in first and "98.30 %" in first
    assert "  slr check overfit --data-dir DATA" in rest and "  slr check data --data-dir DATA" in rest


def test_an_output_of_blanks_is_named():
    lines = said(last=replace(WELL.last, emission=0.2))
    assert lines[0] == "The output is blank: it has 0.2 % of the reference's glosses."
    assert "  slr check overfit --data-dir DATA" in lines


def test_each_diagnostic_that_was_raised_is_named_with_its_page():
    lines = said(said=["SLR-T04", "SLR-T14", "SLR-T15"])
    assert lines == [
        "Diagnostics were raised: SLR-T04, SLR-T15.",
        "Look at:",
        "  slr check --explain SLR-T04",
        "  slr check --explain SLR-T15",
    ]


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_run_of_very_few_epochs_is_to_be_trained_longer_and_not_to_be_searched(epochs):
    lines = said(wer=100.0, last=replace(WELL.last, epoch=epochs))
    assert len(lines) == 2 and "--epochs N" in lines[1] and not any("slr check" in line for line in lines)
