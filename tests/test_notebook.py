"""The notebook among the examples: its cells run in order, and what it shows is what they give."""

import ast
import contextlib
import io
import json
import re
import tempfile
from pathlib import Path

import pytest

import slrcli

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"


def executed(source, names):
    """What a cell prints, and the value of its last expression, as a notebook shows them."""
    tree, printed, value = ast.parse(source), io.StringIO(), None
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, NOTEBOOK.name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)
    return printed.getvalue() + ("" if value is None else repr(value))


def stored(cell):
    """What the notebook shows below a cell."""
    texts = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
    return "".join(line for text in texts for line in text)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The cells of code, each with what it gave just now, and the names that are there at the end."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        patch.setattr(tempfile, "tempdir", str(Path.cwd()))
        return [(cell, executed("".join(cell["source"]), names)) for cell in cells], names


def test_the_recogniser_of_the_notebook_learns(book):
    _, names = book
    assert names["result"].wer < 25 and names["history"]["wer"].iloc[-1] < 25
    assert names["hypothesis"].glosses == ("WHERE", "HOUSE", "YOU")


def test_its_frames_hold_what_the_library_says(book):
    _, names = book
    assert len(names["utterances"]) == 60 + 12 + 16 and names["checked"].passed
    scores, result = names["scores"], names["result"]
    assert scores["id"].tolist() == [item.id for item in result.score.utterances]
    assert 100 * scores["errors"].sum() / scores["tokens"].sum() == pytest.approx(result.wer)
    assert names["by_sentence"]["errors"].sum() == scores["errors"].sum()
    assert slrcli.score(["A B"], ["A"]).wer == 50 and names["theirs"].wer == pytest.approx(100 / 3)


def test_what_it_shows_before_training_is_what_its_cells_give(book):
    cells, _ = book
    sources = ["".join(cell["source"]) for cell, _ in cells]
    training = next(number for number, source in enumerate(sources) if "slrcli.train(" in source)
    assert [stored(cell) for cell, _ in cells[:training]] == [given for _, given in cells[:training]]


def test_what_it_shows_after_training_has_the_same_form(book):
    cells, _ = book
    assert all(bool(stored(cell)) == bool(given) for cell, given in cells)
    shown = {cell["execution_count"] for cell, given in cells if given}
    assert len(shown) > 8 and not any(re.search("Traceback|Warning", stored(cell)) for cell, _ in cells)
