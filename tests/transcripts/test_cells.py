"""Cells whose glosses are lists or have marks between them, and cells that only look like it."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slrcli.errors import DataError
from slrcli.transcripts import read_lines, read_transcripts
from slrcli.transcripts.cells import gloss_cells, one_cell, split_cells, split_columns

SENTENCES = [("C", "C", "B"), ("C",), ("GRÜSSEN", "IX-1"), ()]


def array(glosses):
    """As pandas writes a cell with an array of numpy."""
    return str(np.array(glosses, dtype=object)) if glosses else "[]"


@pytest.mark.parametrize(
    "write",
    [
        lambda glosses: str(list(glosses)),
        lambda glosses: str(tuple(glosses)) if glosses else "",
        lambda glosses: json.dumps(list(glosses)),
        one_cell,
        array,
        lambda glosses: str([np.str_(gloss) for gloss in glosses]),
        lambda glosses: repr(np.array(glosses, dtype=object)),
        lambda glosses: "['" + "'; '".join(glosses) + "']" if glosses else "",
        lambda glosses: f"[{', '.join(glosses)}]",
        lambda glosses: f"[{' '.join(glosses)}]",
        ", ".join,
        ",".join,
        "; ".join,
        ";".join,
        "|".join,
        " | ".join,
        " / ".join,
        "、".join,
        "，".join,
        "، ".join,
        " ".join,
        "  ".join,
        "\u00a0".join,
        "\n".join,
        lambda glosses: "".join(f"{gloss}, " for gloss in glosses),
        lambda glosses: str([[gloss] for gloss in glosses]),
        lambda glosses: json.dumps([list(glosses)]),
        lambda glosses: json.dumps([{"gloss": gloss, "start": 3} for gloss in glosses]),
        lambda glosses: str([{"begin": 0.5, "Gloss": gloss} for gloss in glosses]),
        lambda glosses: json.dumps({"glosses": list(glosses)}),
        lambda glosses: json.dumps({"gloss": " ".join(glosses)}),
        lambda glosses: f"Index({list(glosses)}, dtype='object')",
        lambda glosses: f"deque({list(glosses)})",
        " -> ".join,
        " → ".join,
        " - ".join,
        " + ".join,
        lambda glosses: " ".join(f'"{gloss}"' for gloss in glosses),
        lambda glosses: ", ".join(f"'{gloss}'" for gloss in glosses),
    ],
)
def test_lists_and_marks_are_taken_apart(write):
    assert split_cells([write(glosses) for glosses in SENTENCES]).glosses == SENTENCES


@pytest.mark.parametrize(
    "cells",
    [
        ["A, B", "C D"],  # the column does not agree
        ["A,B C", "D"],
        ["HELLO", "HOME", "HOUSE", "MOTHER,MUM"],  # one gloss of many with a mark in it
        ["A;1"],
        ["3,5"],
        ["HOUSE/HOME", "IX/2"],
        ["(A)", '("A")', "loc-NORD"],
        ["[A] B", "C [D]"],
        [",", "A"],
        ["['A'", "B']"],
        ["['A' B]", "C D"],
        ["A - B", "C D"],
        ["A - B"],  # one cell alone says too little
        ["- A", "B - C"],
        ['"A" B', '"C"'],
        ["[[1, 2]]", "{ A / B }"],
        ["f(['A']", "{'A'"],
    ],
)
def test_what_may_belong_to_a_gloss_is_left(cells):
    assert split_cells(cells) == ([tuple(cell.split()) for cell in cells], "")


def test_an_item_of_a_list_that_is_no_single_gloss_is_refused_where_it_stands(tmp_path):
    path = tmp_path / "ref.csv"
    path.write_text("id,glosses\na,\"['A']\"\nb,\"['A', 'B C']\"\n")
    with pytest.raises(DataError, match=r"The gloss 'B C'.*line 3"):
        read_transcripts(path)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("{'A', 'B'}", "a set, whose glosses have no order"),
        ('[{"sign": "A"}]', "objects without a gloss: sign"),
        ("[['A', 'B C']]", "'B C' is empty or holds white space"),
        ("{}", "objects without a gloss: empty ones"),
    ],
)
def test_what_looks_like_glosses_and_cannot_be_told_is_refused_where_it_stands(cell, said):
    with pytest.raises(DataError, match=said) as caught:
        split_cells(["A", cell], ["t.csv, line 2", "t.csv, line 3"])
    assert caught.value.where == "t.csv, line 3"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1), min_size=1))
def test_json_and_python_agree_with_their_own_readers(glosses):
    for written in (json.dumps(glosses), json.dumps(glosses, ensure_ascii=False), repr(glosses)):
        assert split_cells([written]).glosses == [tuple(glosses)]


@pytest.mark.parametrize("cell", ["A, B, C", "['A', 'B', 'C']", '["A", "B", "C"]', "A|B|C"])
def test_transcripts_and_lines_hold_the_same_glosses(tmp_path, cell):
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["id", "glosses"], ["u1", cell], ["u2", "D"]])
    (tmp_path / "a.csv").write_text(buffer.getvalue(), encoding="utf-8")
    (tmp_path / "a.tsv").write_text(f"id\tglosses\nu1\t{cell}\nu2\tD\n", encoding="utf-8")
    lines = [json.dumps({"id": "u1", "glosses": cell}), json.dumps({"id": "u2", "glosses": ["D"]})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name in ("a.csv", "a.tsv", "a.jsonl") if "|" not in cell else ("a.csv", "a.jsonl"):
        assert read_transcripts(tmp_path / name) == {"u1": ["A", "B", "C"], "u2": ["D"]}
        assert read_lines(tmp_path / name) == {"1": ["A", "B", "C"], "2": ["D"]}


@pytest.mark.parametrize("glosses", [("GO,ON",), ("A|B", "C"), ("['A']",), (",",), ("A", "B"), ()])
def test_what_is_written_is_read_as_it_was(glosses):
    sentences = [glosses, ("X,Y",)]
    assert split_cells(gloss_cells(sentences)).glosses == sentences


@pytest.mark.parametrize(
    ("train", "dev", "read"),
    [
        (["A,B,C", "B,C", "C"], ["A,B", "C", "B"], [["A", "B"], ["C"], ["B"]]),  # a third of dev's cells has a mark
        (["A;B;C", "B;C;A", "C"], ["A;B", "B;C"], [["A", "B"], ["B", "C"]]),  # nowhere three parts
        (["A|B", "B|A", "C|A"], ["A", "B", "C", "A|B"], [["A"], ["B"], ["C"], ["A", "B"]]),
        (["A,1 B", "B C,1", "C"], ["A,1", "B,C"], [["A,1"], ["B,C"]]),  # marks within the glosses of train
        (["A B", "B A C"], ["A, B", "C"], [["A", "B"], ["C"]]),  # written by two people, and plain to see
        (["A, B", "B, C"], ["A B", "C A"], [["A", "B"], ["C", "A"]]),
        (["['A', 'B']", "['C']"], ["A,B,C", "C,B"], [["A", "B", "C"], ["C", "B"]]),
        (["A B", "C"], ["['A', 'B']", "C"], [["A", "B"], ["C"]]),
        (["A B", "C"], [], []),
    ],
)
def test_tables_that_belong_together_are_taken_apart_in_one_way(train, dev, read):
    for swapped in (False, True):
        columns = [dev, train] if swapped else [train, dev]
        found = split_columns(columns)[0 if swapped else 1]
        assert [list(glosses) for glosses in found.glosses] == read


def test_a_table_alone_is_read_as_before():
    cells = ["A,B", "C,A,B", "B"]
    assert split_columns([cells]) == [split_cells(cells)]
