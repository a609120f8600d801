"""The page of licences: no dependency is missing on it, and no copyleft goes unsaid."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from support.licences import direct, licence, needed

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "examples" / "licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([^`]+)` \| ([^|;,]+?)[ ;,|]", PAGE, re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIRED = direct([*PROJECT["dependencies"], *(item for extra in EXTRAS.values() for item in extra)])
COPYLEFT = re.compile(r"GPL|MPL|GNU|Mozilla|EUPL|CDDL|\bEPL|CC-BY-SA")


def test_the_page_has_a_row_for_every_direct_dependency_and_for_no_other():
    assert sorted(ROWS) == REQUIRED


@pytest.mark.parametrize("name", REQUIRED)
def test_the_licence_on_the_page_is_the_one_that_the_package_states(name):
    try:
        stated = distribution(name).metadata.get("License-Expression")
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if stated and name != "torch":  # it states those of all that its wheel contains, in an order of its own
        assert stated.split(" AND ")[0] == ROWS[name]


def test_the_extras_of_a_row_are_those_that_bring_it():
    for name, line in re.findall(r"^\| `([^`]+)` (\|.*)$", PAGE, re.MULTILINE):
        bring = {extra for extra, items in EXTRAS.items() if name in direct(items)}
        if name in direct(PROJECT["dependencies"]):
            assert "every installation" in line, name
        else:
            assert set(re.findall(r"`([a-z]+)`", line)) == bring, name


def test_every_package_under_copyleft_is_named():
    found = needed([*PROJECT["dependencies"], *(item for extra in EXTRAS.values() for item in extra)])
    assert {"torch", "pytest", "pyte"} <= found.keys()
    under = [name for name, each in found.items() if COPYLEFT.search(licence(each))]
    assert "hypothesis" in under
    assert [name for name in under if f"`{name}`" not in PAGE] == []
