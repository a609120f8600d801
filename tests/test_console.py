"""What is printed, and where."""

import json

from slrcli.console import Console, tally, visible
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
