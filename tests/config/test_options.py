"""What is said of options and settings: the page of all settings, bounds, choices, plain sentences."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from slrcli.config import Config, check_bounds, option_of, resolve, settings_page
from slrcli.config.names import REGISTRIES
from slrcli.config.options import OPTIONS
from slrcli.errors import UsageError

PAGE = Path(__file__).parents[2] / "examples" / "settings.md"
REGENERATE = (
    """python -c "from slrcli.config import settings_page; print(settings_page(), end='')" > examples/settings.md"""
)
SETTINGS = [f"{part.name}.{item.name}" for part in fields(Config()) for item in fields(getattr(Config(), part.name))]


def test_the_page_of_settings_is_what_the_configuration_says():
    assert PAGE.read_text(encoding="utf-8") == settings_page(), f"Regenerate it: {REGENERATE}"


def test_the_page_has_every_setting_once_and_says_how_it_is_made():
    page = settings_page()
    assert re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE) == SETTINGS
    assert REGENERATE in page


@pytest.mark.parametrize("name", [*OPTIONS, *SETTINGS])
def test_every_option_is_described_in_whole_sentences(name):
    told = option_of(name)
    assert told.text[0].isupper() and told.text.endswith("."), told.text
    assert told.flags[0].startswith("--") and (not isinstance(told.listed, str) or told.listed in REGISTRIES)
    assert not re.search(r"\b(so many|parted by|a second|a core|a step)\b", told.text), told.text


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optim.schedule=foo", "Known: constant, cosine, linear."),
        ("optim.choose=first", "Known: best, last."),
        ("distill.blanks=none", "Known: all, symmetric."),
        ("run.precision=fp8", "Known: auto, bf16, fp32."),
        ("optim.lr=0", "above 0"),
        ("model.dropout=1", "below 1"),
        ("model.dropout=-0.1", "at least 0"),
    ],
)
def test_values_that_a_setting_does_not_allow_are_refused(assignment, said):
    with pytest.raises(UsageError) as caught:
        check_bounds(resolve(assignments=[assignment]))
    assert said in str(caught.value)
