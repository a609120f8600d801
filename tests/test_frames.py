"""Data frames: what holds results, and what is said where pandas is missing."""

import sys

import pytest

import slrcli
from slrcli.corpus import Corpus, Utterance
from slrcli.errors import DataError, DependencyError
from slrcli.frames import frame_of

SCORED = slrcli.score({"a": "LEFT RIGHT"}, {"a": "LEFT"})
CORPUS = Corpus("table", ".", {"train": [Utterance("a", ("LEFT", "RIGHT"), signer="ann")]})
FRAMES = {
    "corpus": CORPUS.to_frame,
    "history": slrcli.History(({"epoch": 1},)).to_frame,
    "score": SCORED.to_frame,
    "confusions": lambda: SCORED.confusions,
    "by_signer": lambda: SCORED.by_signer,
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_without_pandas_say_what_is_missing(name, monkeypatch):
    assert len(FRAMES[name]().columns)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyError, match="pandas"):
        FRAMES[name]()


@pytest.mark.parametrize("rows", [[{"\ud800": 1}], [{"a": "\ud800"}], [("\ud800",)]])
def test_what_pandas_cannot_hold_is_named(rows):
    try:
        found = frame_of(rows)
    except DataError as error:
        assert "ud800" in error.what
    else:
        assert found.shape == (1, 1)  # of pandas that holds texts as objects


def test_columns_stand_in_the_order_asked_for_where_there_is_no_row():
    assert list(frame_of([], ("b", "a")).columns) == ["b", "a"]
    assert frame_of([{"a": 1}, {"a": 2, "b": 3}])["b"].isna().tolist() == [True, False]


def test_a_score_has_its_tokens_before_its_errors():
    (row,) = SCORED.to_frame().to_dict("records")
    assert list(row)[:8] == [
        "id",
        "signer",
        "reference",
        "hypothesis",
        "tokens",
        "substitutions",
        "deletions",
        "insertions",
    ]
    assert (row["tokens"], row["deletions"]) == (2, 1)
