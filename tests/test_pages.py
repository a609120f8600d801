"""The pages for users: what their commands ask for exists, and their links lead somewhere."""

import re
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from slrcli.cli import app
from slrcli.config import Config
from slrcli.models.registry import ARCHITECTURES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "slrcli" / "README.md", *sorted((ROOT / "examples").rglob("*.md"))]
LOG = ROOT / "examples" / "experiments" / "README.md"  # names settings that were removed since
CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`|^ {4}(slr .*)$", re.DOTALL | re.MULTILINE)
CALL = re.compile(r"(?:\b|-m )slr(?:cli)? (?=[a-z])")
OPTION = re.compile(r"--[a-z][a-z0-9-]*|-[a-z]")
SETTINGS = {section.name: {item.name for item in fields(section.default_factory)} for section in fields(Config)}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def words(line: str) -> list[str]:
    """The words of a line of shell up to the end of its first command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    found = []
    for word in lexer:
        if set(word) <= set("|;&<>"):
            break
        found.append(word)
    return found


def calls(text: str) -> list[list[str]]:
    """The arguments of every call of `slr` in the code of a page: blocks, spans within a line, indented lines."""
    found = []
    for code in CODE.finditer(text):
        body = next(part for part in code.groups() if part)
        whole = body.replace("\\\n", " ") if code[1] else body.replace("\n", " ")
        for line in whole.splitlines():
            begin = CALL.search(line)
            if begin and not line.lstrip().startswith(("#", "import", "from")):
                found.append(words(line[begin.end() :]))
    return found


def unknown(call: list[str]) -> list[str]:
    """What a call names that does not exist: its command, or options of it."""
    command, rest = get_command(app), call
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return [rest[0]]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {"--help", "-h"} | {name for item in command.params for name in (*item.opts, *item.secondary_opts)}
    return [word for word in rest if OPTION.fullmatch(word.partition("=")[0]) and word.partition("=")[0] not in known]


def unknown_setting(name: str) -> bool:
    """Whether no section has the setting `section.key`, or no architecture the option `model.options.key...`."""
    section, *keys = name.split(".")
    if keys[:1] != ["options"]:
        return len(keys) != 1 or keys[0] not in SETTINGS.get(section, ())
    places = [item.options for item in ARCHITECTURES.values()]
    if keys[1:2] == ["arguments"]:  # of a network of somebody's own
        return False
    for key in keys[1:]:
        held = [item for place in places if is_dataclass(place) for item in fields(place) if item.name == key]
        if not held:
            return True
        places = [item.default_factory() for item in held if callable(item.default_factory)]
    return False


@each_page
def test_commands_and_options_of_a_page_exist(page):
    text = page.read_text(encoding="utf-8")
    assert not [(call, missing) for call in calls(text) if (missing := unknown(call))]


@pytest.mark.parametrize("page", [page for page in PAGES if page != LOG], ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_of_a_page_exist(page):
    given = re.findall(r"--set '?([a-z_.]+)=", page.read_text(encoding="utf-8"))
    assert not [name for name in given if unknown_setting(name)]


@each_page
def test_no_page_trains_the_default_model_at_the_forerunners_learning_rate(page):
    trained = [call for call in calls(page.read_text(encoding="utf-8")) if call[:1] == ["train"] and "3e-4" in call]
    assert not [call for call in trained if not {"mobilenetv3", "forerunner"} & set(call)]


@each_page
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """Of every heading, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_the_command_of_the_demo_and_then_that_of_the_tests():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    demo, tests = [line for line in lines if line.startswith("python3 -m venv")]
    assert demo.endswith("slr demo") and tests.endswith("-m pytest")


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("slr train --data-dir DIR --set optim.ema=0", []),
        ("slr train --data-dirr DIR", ["--data-dirr"]),
        ("slr check dta --data-dir DIR", ["dta"]),
        ("torchrun --nproc-per-node 2 -m slrcli evaluate RUN", ["evaluate"]),
        ("tail -f x | slr decode --stream --patienc 5 | head", ["--patienc"]),
    ],
)
def test_what_a_page_must_not_ask_for_is_found(line, missing):
    (call,) = calls(f"```sh\n{line}\n```")
    assert unknown(call) == missing


def test_settings_that_do_not_exist_are_found():
    assert not unknown_setting("model.options.frontend.centre") and not unknown_setting("optim.ema")
    assert unknown_setting("model.options.frontend.center") and unknown_setting("optim.average")
