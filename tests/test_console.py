"""What is printed, and where."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from support.terminal import on_terminal

from slrcli.console import LETTERS, STYLES, THEME, Console, inert, tally, visible, wrapped
from slrcli.errors import DataError
from slrcli.findings import Finding, Level


def test_results_go_to_stdout_and_everything_else_to_stderr(capsys):
    console = Console()
    console.result("HELLO YOU")
    console.note("a note")
    console.warn("a warning")
    console.error(DataError("wrong", "here", "mend it"))
    out, err = capsys.readouterr()
    assert out == "HELLO YOU\n"
    assert all(text in err for text in ("a note", "Warning: a warning", "Error: wrong", "here", "mend it"))


def test_quiet_silences_notes_but_not_warnings(capsys):
    console = Console(quiet=True)
    console.note("a note")
    console.warn("a warning")
    assert capsys.readouterr().err == "Warning: a warning\n"


def test_findings_without_notes_are_counted_all_the_same(capsys):
    found = [Finding(Level.NOTE, "SLR-D01", "a measurement"), Finding(Level.WARNING, "SLR-D02", "a doubt")]
    Console().findings(found, notes=False)
    assert capsys.readouterr().out == "! SLR-D02 a doubt\n0 errors, 1 warning, 1 note\n"
    Console().findings(found)
    assert "a measurement" in capsys.readouterr().out


def test_text_from_outside_neither_marks_up_nor_acts_on_the_terminal(capsys):
    Console().result("[red]GLOSS[/red] \x1b[31m\x07")
    assert capsys.readouterr().out == "[red]GLOSS[/red] \\x1b[31m\\x07\n"


def test_visible_keeps_letters_of_all_scripts():
    for text in ("ÄPFEL 手话 हाथ", "می\u200cروم", "👩\u200d🔬"):  # the last two hold joiners, which belong to them
        assert visible(text) == text
    assert visible("a\u202eb") == "a\\u202eb"  # turns the direction of writing, and with it what is read


def test_tabs_arrive_as_tabs(capsys):
    Console().result("clip.npy\tHELLO YOU")
    assert capsys.readouterr().out == "clip.npy\tHELLO YOU\n"


def test_long_lines_are_not_wrapped_when_piped(capsys):
    Console().result("WORD " * 100)
    assert capsys.readouterr().out.count("\n") == 1


def test_json_has_no_nan(capsys):
    Console().json({"wer": float("nan"), "list": [float("inf"), 1.5]})
    assert json.loads(capsys.readouterr().out) == {"wer": None, "list": [None, 1.5]}


def test_findings_come_worst_last_with_a_tally(capsys):
    findings = [Finding(Level.NOTE, "SLR-X02", "fine"), Finding(Level.ERROR, "SLR-X01", "broken", "here", "mend")]
    Console().findings(findings)
    out = capsys.readouterr().out
    assert out.index("SLR-X02") < out.index("SLR-X01") and out.endswith("1 error, 0 warnings, 1 note\n")
    assert tally([]) == "0 errors, 0 warnings, 0 notes"


def test_progress_is_silent_where_there_is_no_terminal(capsys):
    with Console().progress("working", 3) as task:
        task.advance()
        task.describe("still")
    assert capsys.readouterr() == ("", "")


def test_square_brackets_in_front_of_a_progress_bar_are_no_markup(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with Console().progress("reading [dev]", 3) as task:
        task.describe("reading [test]")
    assert "reading [test]" in capsys.readouterr().err


LONG_PATH = "/data/" + "/".join(f"folder{number}" for number in range(14)) + "/clip.npy"  # longer than a line
RESULTS_WHILE_IT_WORKS = """
import sys, time
from slrcli.console import LETTERS, STYLES, THEME, Console, inert, tally, visible, wrapped
console = Console()
with console.progress("converting", 3) as task:
    for number in range(3):
        time.sleep(0.25)  # in which the bar is drawn
        console.result(f"clip{number}.npy\\tHELLO YOU")
        sys.stderr.isatty() and console.note(f"a note on clip{number}")
        task.advance()
        time.sleep(0.15)
console.result("the end")
"""


def test_a_result_stands_on_a_line_of_its_own_while_a_progress_bar_is_drawn():
    shown = on_terminal(["-c", RESULTS_WHILE_IT_WORKS], 80)
    assert shown.code == 0
    assert any("converting" in line and "left" in line for frame in shown.frames for line in frame), "no bar was drawn"
    expected = [line for n in range(3) for line in (f"clip{n}.npy\tHELLO YOU".expandtabs(), f"a note on clip{n}")]
    assert shown.lines == [*expected, "the end"]
    for line in {line for frame in shown.frames for line in frame if "converting" in line}:
        assert "clip" not in line and "HELLO" not in line, "a result shares a line with the bar"


def test_results_that_are_piped_are_whole_while_the_bar_stays_on_the_terminal(tmp_path):
    with open(tmp_path / "results", "w") as results:
        shown = on_terminal(["-c", RESULTS_WHILE_IT_WORKS], 80, stdout=results.fileno())
    lines = [*(f"clip{number}.npy\tHELLO YOU" for number in range(3)), "the end"]
    assert (tmp_path / "results").read_text().splitlines() == lines
    assert shown.lines == [f"a note on clip{number}" for number in range(3)]


SENTENCES = f"""
from slrcli.console import LETTERS, STYLES, THEME, Console, inert, tally, visible, wrapped
from slrcli.errors import DataError
from slrcli.findings import Finding, Level
text = "The synthetic corpus says that the tool works, and nothing at all of how it does on real signing. " * 3
console = Console()
console.note(text)
console.warn(text)
console.result(text)
console.heading(text)
console.error(DataError(text, "{LONG_PATH}", text))
console.findings([Finding(Level.ERROR, "SLR-D01", text, "{LONG_PATH}", text)])
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_no_word_is_broken_on_a_terminal_and_a_path_longer_than_a_line_is_left_whole(columns):
    shown = on_terminal(["-c", SENTENCES], columns)
    goes_on = [len(line) == columns and "folder" in line for line in shown.lines]  # a path, in the line below
    screen = "".join(line if more else f"{line} " for line, more in zip(shown.lines, goes_on, strict=True))
    assert screen.count(LONG_PATH) == 2
    known = "The synthetic corpus says that the tool works, and nothing at all of how it does on real signing."
    marks = "Warning: Error: at to do ✗ SLR-D01 1 error, 0 warnings, notes"
    assert set(screen.replace(LONG_PATH, "").split()) <= set(f"{known} {marks}".split()), "a word was broken"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("one two three four", ["one two three", "four"]),
        ("first\nsecond", ["first", "second"]),
        ("", [""]),
    ],
)
def test_lines_are_wrapped_between_words(text, lines):
    found = wrapped(text, 14).split("\n")
    assert found == lines
    assert " ".join(text.split()) == " ".join(" ".join(found).split())
    assert all(cell_len(line) <= 14 for line in found)


@given(st.text("a b界\n", max_size=60), st.integers(4, 30))
def test_no_word_is_lost_or_broken_and_no_line_too_long_unless_a_word_is(text, width):
    found = wrapped(text, width)
    assert found.split() == text.split()
    for line in found.split("\n"):
        assert cell_len(line) <= width or len(line.split()) <= 1


def test_what_follows_a_name_is_continued_below_where_it_began():
    assert wrapped("Most    REGEN 12, WIND 9, NORD 4", 24) == "Most    REGEN 12, WIND\n        9, NORD 4"
    assert wrapped("  to do wait a little longer", 20) == "  to do wait a\n  little longer"


def test_a_number_keeps_its_percent_sign():
    assert wrapped("the rate is 35.0 %, or so", 17) == "the rate is\n35.0 %, or so"


PARAGRAPHS = """# A title

A paragraph of some words that goes
on in a second line.

- a point of a list
- another one

    slr train --data-dir DIR
"""


def test_paragraphs_are_filled_on_a_terminal_and_lists_and_commands_are_left():
    shown = on_terminal(["-c", f"from slrcli.console import Console; Console().page({PARAGRAPHS!r})"], 50)
    paragraph = ["A paragraph of some words that goes on in a second", "line."]
    assert shown.lines[:4] == ["# A title", "", *paragraph]
    assert shown.lines[5:7] == ["- a point of a list", "- another one"] and shown.lines[-1].startswith("    slr train")


def test_wide_characters_count_twice():
    assert wrapped("手话 手话 手话", 10) == "手话 手话\n手话"


def luminance(triplet):
    shares = [value / 255 for value in triplet]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("style", sorted({*STYLES.values(), *THEME.values()} - {""}))
def test_colours_can_be_read_on_a_dark_and_on_a_light_terminal(style):
    """The formula is that of the WCAG; themes of terminals change the sixteen colours with names, so none is used."""
    colour = Style.parse(style).color
    assert colour is not None and colour.triplet is not None
    light = luminance(Color.parse(colour.name).get_truecolor())
    assert (light + 0.05) / 0.05 >= 3.5 and 1.05 / (light + 0.05) >= 3.5


@given(st.text())
def test_json_shows_nothing_that_acts_and_reads_as_before(text):
    shown = inert(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {text: [text]}
    assert all(char in "\n" + LETTERS or char.isprintable() for char in shown)


@pytest.mark.parametrize("char", ["\x9b", "\u202e", "\x7f", "\u2066", "\ufeff", "\u2028", "\xad", "\U000e0001"])
def test_json_of_a_console_escapes_what_a_terminal_would_act_on(capsys, char):
    console = Console(as_json=True)
    console.json({"gloss": f"A{char}B"})
    console.json_line([f"A{char}B"])
    out = capsys.readouterr().out
    assert char not in out and "\\u" in out and json.loads(out.splitlines()[-1]) == [f"A{char}B"]
