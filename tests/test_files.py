"""Files: what data may be called, and what becomes of those that cannot be written."""

from pathlib import Path

import pytest

from slrcli import files
from slrcli.errors import DataError
from slrcli.files import below, require_apart

OUTSIDE = ["", ".", "..", "/x", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "C:x", "a\x1b", "\u202ea", "a\0", "a\nb"]
RESERVED = ["con", "CON", "nul.tar", "COM1", "lpt9.x", "com\u00b9", "aux /b", "a/prn", "conin$", "a./b", "a /b"]


@pytest.mark.parametrize("name", OUTSIDE + RESERVED)
def test_names_that_lead_elsewhere_or_are_devices_somewhere_become_no_path(tmp_path, name):
    with pytest.raises(DataError, match="cannot be a file name") as caught:
        below(tmp_path, name, ".npy", "table.csv, line 3")
    assert caught.value.where == "table.csv, line 3" and caught.value.fix


@pytest.mark.parametrize(
    "name", ["a", "a/b", "..a", "a.b", "con-1", "console", "Ä b", "\u4eca\u3000\u65e5", "<b>", "-rf", "COM10", "Oh."]
)
def test_other_names_are_paths_below_the_folder(tmp_path, name):
    path = below(tmp_path, name, ".npy")
    assert path == Path(f"{tmp_path}/{name}.npy") and path.resolve().is_relative_to(tmp_path.resolve())


def test_a_name_without_suffix_must_not_end_with_what_windows_drops(tmp_path):
    for name in ("a.", "a "):
        with pytest.raises(DataError):
            below(tmp_path, name)


def test_a_long_name_is_quoted_in_part(tmp_path):
    with pytest.raises(DataError) as caught:
        below(tmp_path, "../" + "x" * 100_000)
    assert len(str(caught.value)) < 400


def test_names_that_differ_in_case_alone_are_two_files_or_an_error(tmp_path, monkeypatch):
    require_apart(tmp_path / "not" / "there", ["a", "A", "a"])  # of a disk that knows case, as this one does
    monkeypatch.setattr(files, "folds_case", lambda folder: True)
    require_apart(tmp_path, ["a", "b", "a"])
    for pair in (["clip", "Clip"], ["stra\u00dfe", "STRASSE"], ["\u00e9", "e\u0301"]):
        with pytest.raises(DataError, match="one file"):
            require_apart(tmp_path, pair)
