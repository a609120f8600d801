"""Scores and alignments as people and programs see them."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.table import Table
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.report.text.alignment import STYLES, AlignmentView, alignment_lines, alignment_text, utterance_view, visible
from slrcli.report.text.tables import ResponsiveTable, score_line, score_table, score_text, worst_view
from slrcli.scoring.align import align
from slrcli.scoring.wer import by_group, score


@pytest.fixture
def example():
    refs = {"one": ["WETTER", "MORGEN", "REGEN", "NORD"], "two": ["NORD"], "three": []}
    hyps = {"one": ["WETTER", "REGEN", "NORD", "WIND"], "two": ["NORD"], "three": ["SUED"]}
    return score(refs, hyps)


def shown(renderable, width=80, colour=False):
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, color_system="truecolor" if colour else None
    )
    console.print(renderable)
    return console.file.getvalue()


def test_errors_are_named_by_letter_and_gaps_by_stars():
    alignment = align(["WETTER", "MORGEN", "REGEN", "A", "B"], ["WETTER", "REGEN", "A", "X", "SUED"])
    lines = alignment_text(alignment).splitlines()
    assert [line.split() for line in lines] == [
        ["REF", "WETTER", "MORGEN", "REGEN", "A", "***", "B"],
        ["HYP", "WETTER", "***", "REGEN", "A", "X", "SUED"],
        ["D", "I", "S"],
    ]
    assert lines[2].index("D") == lines[0].index("MORGEN")


def test_without_errors_there_is_no_row_of_letters():
    assert alignment_text(align(["A", "B"], ["A", "B"])) == "REF  A B\nHYP  A B"


def test_two_empty_sides_are_shown_as_such():
    assert alignment_text(align([], [])) == "REF\nHYP"


@given(st.data(), st.integers(8, 50))
def test_no_line_is_wider_than_asked_and_no_token_is_lost(data, width):
    tokens = st.lists(st.text("AB界é-", min_size=1, max_size=20), max_size=12)
    ref, hyp = data.draw(tokens), data.draw(tokens)
    lines = alignment_lines(align(ref, hyp), width)
    assert all(line.cell_len <= width for line in lines)
    for label, side in (("REF", ref), ("HYP", hyp)):
        rows = [line.plain for line in lines if line.plain.startswith(label)]
        assert "".join("".join(row[5:].split()) for row in rows).replace("***", "") == "".join(side)


def test_a_narrow_terminal_wraps_into_blocks_of_columns():
    alignment = align(["AAAA", "BBBB", "CCCC"], ["AAAA", "XXXX", "CCCC"])
    assert shown(AlignmentView(alignment), width=15).splitlines() == [
        "REF  AAAA BBBB",
        "HYP  AAAA XXXX",
        "          S",
        "",
        "REF  CCCC",
        "HYP  CCCC",
    ]


def test_markup_and_control_characters_in_glosses_are_shown_and_not_obeyed():
    alignment = align(["[red]", "[/]", "A\x1b[31mB"], ["[bold]", "[/]", "\u202eX"])
    text = shown(AlignmentView(alignment), colour=True)
    plain = shown(AlignmentView(alignment))
    assert "[red]" in plain and "[/]" in plain and "[bold]" in plain
    assert "A\\x1b[31mB" in text and "\x1b[31mB" not in text
    assert "\\u202eX" in plain and "\u202e" not in plain


@given(st.text(max_size=20))
def test_what_is_shown_holds_nothing_that_steers_a_terminal(text):
    result = visible(text)
    categories = {unicodedata.category(character) for character in result if character not in "\u200c\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def luminance(style):
    """Relative luminance as WCAG 2 defines it."""
    channels = [value / 255 for value in Style.parse(style).color.get_truecolor()]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("op", "SDI")
def test_colours_can_be_read_on_black_and_on_white(op):
    light = luminance(STYLES[op])
    assert (light + 0.05) / 0.05 > 3.5
    assert 1.05 / (light + 0.05) > 3.5


def test_errors_are_coloured_and_hits_are_not():
    assert len({STYLES[op] for op in "=SDI"}) == 4
    red = Color.parse(STYLES["D"].split()[-1]).get_truecolor()
    assert f"38;2;{red.red};{red.green};{red.blue}" in shown(AlignmentView(align(["A"], [])), colour=True)
    assert "\x1b[" not in shown(AlignmentView(align(["A"], ["A"])), colour=True)


def test_an_utterance_is_headed_by_its_id_signer_and_counts(example):
    text = shown(utterance_view(example.utterances[0], signer="[s1]"))
    assert text.splitlines()[0] == "one  [s1]  WER 50.00 %  S=0 D=1 I=1"
    assert "n/a" in shown(utterance_view(example.utterances[2]))


def test_the_worst_come_first_and_perfect_ones_not_at_all(example):
    text = shown(worst_view(example, 5, {"one": "Anna"}))
    assert text.index("one  Anna") < text.index("three  WER n/a")
    assert "two" not in text
    assert "three" not in shown(worst_view(example, 1))


def test_the_line_of_a_score(example):
    assert score_line(example) == "WER 60.00 %  (S 0, D 1, I 2; 5 glosses in 3 utterances)"


@pytest.mark.parametrize("colour", [False, True])
def test_the_table_has_a_row_a_signer_and_one_for_all(example, colour):
    groups = by_group(example, {"one": "[red]Anna", "two": "Bo\x1b"})
    for text in (
        score_text(example, groups),
        shown(score_table(example, groups, title="[x] test"), width=100, colour=colour),
    ):
        assert any("[red]Anna" in line and "50.00 %" in line for line in text.splitlines())
        assert any("Bo\\x1b" in line and "0.00 %" in line for line in text.splitlines())
        assert any("(unknown)" in line and "n/a" in line for line in text.splitlines())
        assert any("all" in line and "60.00 %" in line for line in text.splitlines())


def test_the_plain_table_is_aligned(example):
    lines = score_text(example, by_group(example, {"one": "界", "two": "Bo"})).splitlines()
    assert len({cell_len(line) for line in lines}) == 1
    assert lines[0].split() == ["signer", "utterances", "glosses", "hits", "S", "D", "I", "errors", "WER"]


def test_the_dictionary_is_plain_json_with_null_where_there_is_no_rate(example):
    record = json.loads(json.dumps(example.to_dict(by_group(example, {}), utterances=True), allow_nan=False))
    assert (record["wer"], record["errors"], record["ref_tokens"], record["hyp_tokens"]) == (60.0, 3, 5, 6)
    assert (record["utterances"], record["distinct_ref"], record["distinct_hyp"], record["empty_hyp"]) == (3, 4, 5, 0)
    assert record["groups"][""]["wer"] == 60.0
    one, _, three = record["per_utterance"]
    assert (one["id"], one["ref"], one["hyp"], one["ops"]) == (
        "one",
        ["WETTER", "MORGEN", "REGEN", "NORD"],
        ["WETTER", "REGEN", "NORD", "WIND"],
        "=D==I",
    )
    assert three["wer"] is None
    assert "groups" not in example.to_dict()


def test_a_table_that_does_not_fit_becomes_lines_with_every_cell():
    result = score({"a": ["A", "B"]}, {"a": ["A", "C"]})
    for width, lines in ((100, False), (50, True)):
        text = shown(score_table(result, {"signer01": result}), width=width)
        assert "50.00 %" in text and "…" not in text
        assert ("signer01: utterances 1, glosses 2," in text) == lines


def test_many_figures_of_a_few_things_are_turned_before_they_become_lines():
    table = Table("split", *(f"figure{number}" for number in range(9)))
    for name in ("train", "dev"):
        table.add_row(name, *(f"{name}{number}" for number in range(9)))
    wide, turned, lines = (shown(ResponsiveTable(table, turned=True), width=width) for width in (140, 40, 15))
    assert "figure0" in wide.splitlines()[1] and wide.count("train0") == 1
    assert turned.splitlines()[0].split() == ["split", "train", "dev"]
    assert turned.splitlines()[3].split() == ["figure2", "train2", "dev2"]
    assert lines.splitlines()[0] == "train: figure0" and "    dev8" in lines
    assert all(len(line) <= 40 for line in turned.splitlines())


CHARACTERS = ["--protocol", "cer"], ["--normaliser", "characters"], ["--protocol", "sclite+characters"]


@pytest.mark.parametrize("options", CHARACTERS)
def test_a_rate_of_characters_is_called_so_wherever_it_stands(tmp_path, options):
    for name, text in (("ref", "u1 AB C\nu2 D\n"), ("one", "u1 AB\nu2 E\n"), ("two", "u1 AB\nu2 D\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    files = [str(tmp_path / f"{name}.txt") for name in ("ref", "one", "two")]
    done = CliRunner().invoke(app, ["score", *files, "--details", *options])
    assert done.exit_code == 0, done.output
    assert "CER" in done.stdout and "characters" in done.stdout
    assert "WER" not in done.stdout and "gloss" not in done.stdout
    assert json.loads(CliRunner().invoke(app, ["score", *files, "--json", *options]).stdout)["rate"] == "CER"


def test_a_rate_of_glosses_is_called_as_ever(tmp_path):
    (tmp_path / "ref.txt").write_text("u1 AB C\n")
    done = CliRunner().invoke(app, ["score", *[str(tmp_path / "ref.txt")] * 3, "--details"])
    assert "WER" in done.stdout and "glosses" in done.stdout and "CER" not in done.stdout
