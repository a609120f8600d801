"""The Python code on the pages for users: it runs as it stands there, and gives what the commands give."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr
from support.quick_corpus import write_corpus

import slrcli

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "examples" / "library.md"
LARGE = ROOT / "examples" / "large-corpora.md"


def code_of(page):
    """The Python blocks of a page, one after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the pages' code finds what it names: `corpus` and `clip.npy`."""
    folder = tmp_path_factory.mktemp("pages")
    write_corpus(folder / "corpus")
    shutil.copy(folder / "corpus" / "features" / "test" / "test2.npy", folder / "clip.npy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def library(folder):
    """What the page about the library prints, and the names that are there afterwards."""
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code_of(LIBRARY), LIBRARY.name, "exec"), names)
    return names, printed.getvalue().splitlines()


def command(*arguments):
    result = slr(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_clip_is_decoded_as_by_the_command(library):
    names, printed = library
    (wanted,) = command("decode", "clip.npy", "--model", "runs/mine")
    glosses = tuple(item["gloss"] for item in wanted["glosses"])
    spans = tuple((item["start"], item["end"]) for item in wanted["glosses"])
    assert glosses and printed[0].startswith(f"{glosses} {spans} ")
    confidences = [item["confidence"] for item in wanted["glosses"]]
    assert [round(value, 4) for value in names["hypothesis"].confidences] == confidences


def test_a_split_is_scored_as_by_the_command(library):
    _, printed = library
    wanted = command("eval", "runs/mine", "--data-dir", "corpus", "--split", "test")
    assert printed[1:] == [f"{wanted['wer']} {wanted['signature']}"]


def test_a_run_is_what_the_page_says(library):
    names, _ = library
    assert names["run"].folder == Path("runs/mine") and len(names["run"].history.epochs) == 10
    assert names["model"].path == names["run"].checkpoint


def test_a_packed_clip_is_read_without_the_package(folder):
    assert slr("pack", "--data-dir", "corpus", "--out", "packed").exit_code == 0
    names = {}
    exec(compile(code_of(LARGE).replace("train-0001", "train7"), LARGE.name, "exec"), names)
    assert np.array_equal(names["x"], np.load(folder / "corpus" / "features" / "train" / "train7.npy"))


def test_every_name_of_the_library_on_the_page_exists():
    text = LIBRARY.read_text("utf-8")
    functions, methods = (set(re.findall(rf"\b{name}\.([a-z_]+)\(", text)) for name in ("slrcli", "model"))
    assert functions >= {"train", "load", "evaluate", "score"} and functions <= set(slrcli.__all__)
    assert methods and all(callable(getattr(slrcli.Model, name)) for name in methods)


def test_no_other_page_has_code_that_nothing_runs():
    pages = [ROOT / "README.md", ROOT / "slrcli" / "README.md", *(ROOT / "examples").rglob("*.md")]
    served = ROOT / "examples" / "web.md"  # run by the tests of the service
    assert {page for page in pages if code_of(page)} == {LIBRARY, LARGE, served}
