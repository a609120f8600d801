"""Tables as spreadsheets and other programs save them, read alike as transcripts and as annotations."""

import codecs
import unicodedata

import numpy as np
import pytest

from slrcli.corpus import open_corpus
from slrcli.corpus.tables import inspect_table
from slrcli.errors import DataError
from slrcli.transcripts import read_transcripts

TABLE = "id,glosses,signer\nü1,A B C,S1\nu2,D,S2\n"
ROWS = {"ü1": ["A", "B", "C"], "u2": ["D"]}
QUOTED = '"id"{0}"glosses"{0}"signer"\n"ü1"{0}"A B C"{0}"S1"\n"u2"{0}"D"{0}"S2"\n'


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("utf-16-le"),
        TABLE.encode("utf-16-be"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"),
        TABLE.encode("utf-32"),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
        TABLE.replace("\n", "\r\n").replace(",", "\t").encode("utf-16"),
        TABLE.replace(",", ";").encode("utf-8-sig"),
        ("sep=;\n" + TABLE.replace(",", ";")).encode(),
        ("sep=,\r\n" + TABLE).encode("utf-8-sig"),
        ('"sep=;"\n' + TABLE.replace(",", ";")).encode(),
        ("sep=\t\n" + TABLE.replace(",", "\t")).encode("utf-16"),
        ("sep=:\n" + TABLE.replace(",", ":")).encode(),
        QUOTED.format(",").encode(),
        QUOTED.format(";").encode(),
        QUOTED.format("\t").encode(),
        b"id,glosses,signer,,\n" + TABLE.split("\n", 1)[1].encode(),
        TABLE.replace("S1", "S1,,").replace("signer", "signer,").encode(),
        (TABLE + ",,\n,,\n\n").encode(),
        ("\n\n" + TABLE).encode(),
        ",id,glosses,signer\n0,ü1,A B C,S1\n1,u2,D,S2\n".encode(),
    ],
)
def test_a_table_is_read_whoever_saved_it(tmp_path, content):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    assert read_transcripts(path) == ROWS
    corpus = open_corpus(tmp_path)
    assert {item.id: list(item.glosses) for item in corpus.split("train")} == ROWS
    assert [item.signer for item in corpus.split("train")] == ["S1", "S2"]
    facts = inspect_table(path)
    assert not facts.damaged and {"id", "glosses", "signer"} <= set(facts.columns)


def test_lines_keep_their_numbers_below_a_line_that_names_the_separator(tmp_path):
    path = tmp_path / "ref.csv"
    path.write_text("sep=;\nid;glosses\nu1;A;B\n")
    with pytest.raises(DataError, match=r"The line has 3 columns, the header 2.*line 3"):
        read_transcripts(path)


@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ".npy", ".avi"])
@pytest.mark.parametrize("folder", ["", "train/", "S1/"])
def test_ids_with_a_suffix_or_a_folder_are_matched_like_paths(tmp_path, suffix, folder):
    file = tmp_path / "features" / (folder if folder != "train/" else "train") / "u1.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.zeros((4, 6), np.float32))
    (tmp_path / "train.csv").write_text(f"id,glosses\n{folder}u1{suffix},A\n")
    assert open_corpus(tmp_path).require_features("train")[0].features == file


@pytest.mark.parametrize(("named", "stored"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_ids_and_names_of_files_may_be_composed_differently(tmp_path, named, stored):
    name, id = (unicodedata.normalize(form, "Übung/grüßen") for form in (stored, named))
    file = tmp_path / "features" / "train" / f"{name}.npy"
    file.parent.mkdir(parents=True)
    np.save(file, np.zeros((4, 6), np.float32))
    (tmp_path / "train.csv").write_text(f"id,glosses\n{id},A\n", encoding="utf-8")
    assert open_corpus(tmp_path).require_features("train")[0].features == file


def test_a_name_that_is_spelt_exactly_goes_before_one_that_looks_the_same(tmp_path):
    for form in ("NFC", "NFD"):
        np.save(tmp_path / unicodedata.normalize(form, "ü1.npy"), np.zeros((4, 6), np.float32))
    for form in ("NFC", "NFD"):
        id = unicodedata.normalize(form, "ü1")
        (tmp_path / "train.csv").write_text(f"id,glosses\n{id},A\n", encoding="utf-8")
        assert open_corpus(tmp_path).require_features("train")[0].features == tmp_path / f"{id}.npy"


def test_a_table_that_is_passed_over_is_named_with_the_reason(tmp_path):
    (tmp_path / "signers.csv").write_text("signer,age\nS1,30\n")
    with pytest.raises(DataError, match=r"signers.csv was passed over: it has no column id or name and none glosses"):
        open_corpus(tmp_path)
    (tmp_path / "all.csv").write_text(TABLE, encoding="utf-8")
    assert any("signers.csv was passed over" in note and "signer, age" in note for note in open_corpus(tmp_path).notes)
