"""Transcripts written and read back in every format, and what is refused; files that appear whole or not at all."""

import json
import os
import string
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slrcli.errors import DataError, SlrError, UsageError
from slrcli.files import atomic_file, atomic_write_bytes, atomic_write_text, require_place
from slrcli.transcripts import FORMATS, read_segments, read_transcripts, write_transcripts

MANY = [name for name, format in FORMATS.items() if format.many]
UNTIMED = [format for format in MANY if format != "ctm"]
words = st.text(
    st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp"], exclude_characters="\ufeff"), min_size=1, max_size=6
).filter(lambda word: not any(map(str.isspace, word)))
awkward = st.sampled_from(
    ["<unk>", "(a)", "(", ";;", "{A/B}", '"', '"a,b"', "a|b", ",", "loc-A+B", "[red]", "\\", "\x00"]
)
glosses = st.lists(words | awkward, max_size=5)
ids = (words | awkward).filter(lambda word: not word.startswith(";;"))
here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@dataclass(frozen=True)
class Timed:
    glosses: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    confidences: tuple[float, ...]
    score: float = -1.5
    peaks: tuple[int, ...] = ()


def timed(glosses):
    spans = tuple((10 * index, 10 * index + 5) for index in range(len(glosses)))
    return Timed(tuple(glosses), spans, (0.25,) * len(glosses))


@pytest.mark.parametrize("format", UNTIMED)
@given(transcripts=st.dictionaries(ids, glosses, max_size=4))
@here
def test_what_was_written_is_what_is_read(tmp_path, format, transcripts):
    path = tmp_path / f"hyp.{format}"
    write_transcripts(path, transcripts)
    assert read_transcripts(path) == transcripts
    assert list(read_transcripts(path)) == list(transcripts)


@pytest.mark.parametrize("format", MANY)
@given(transcripts=st.dictionaries(ids, glosses, max_size=4))
@here
def test_hypotheses_with_times_are_read_back_too(tmp_path, format, transcripts):
    path = tmp_path / f"hyp.{format}"
    write_transcripts(path, {id: timed(glosses) for id, glosses in transcripts.items()}, fps=25)
    assert read_transcripts(path) == transcripts


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl"])
def test_ids_may_hold_blanks_where_the_format_has_cells(tmp_path, format):
    path = tmp_path / f"hyp.{format}"
    write_transcripts(path, {"my clip 1": ["A"]})
    assert read_transcripts(path) == {"my clip 1": ["A"]}


def test_a_ctm_holds_seconds_and_keeps_empty_utterances(tmp_path):
    path = tmp_path / "hyp.ctm"
    write_transcripts(path, {"a": timed(["X", "Y"]), "b": timed([])}, fps=25)
    lines = path.read_text().splitlines()
    assert lines[:2] == ["a 1 0.000 0.200 X 0.2500", "a 1 0.400 0.200 Y 0.2500"]
    assert lines[2].startswith(";;")  # a comment to every other reader of ctm
    assert read_transcripts(path) == {"a": ["X", "Y"], "b": []}


def test_a_ctm_is_read_in_order_of_time(tmp_path):
    path = tmp_path / "hyp.ctm"
    path.write_text(";; a comment\na 1 2.0 0.1 LATE\nb 1 0.0 0.1 B\na 1 0.5 0.1 EARLY 0.9\n\n")
    assert read_transcripts(path) == {"a": ["EARLY", "LATE"], "b": ["B"]}


def test_a_ctm_needs_times_and_a_frame_rate(tmp_path):
    with pytest.raises(UsageError, match="--fps"):
        write_transcripts(tmp_path / "a.ctm", {"a": timed(["X"])})
    with pytest.raises(DataError, match="needs times"):
        write_transcripts(tmp_path / "a.ctm", {"a": ["X"]}, fps=25)
    assert not list(tmp_path.iterdir())


def test_a_stm_carries_signers_and_drops_labels(tmp_path):
    path = tmp_path / "ref.stm"
    path.write_text(";; comment\na 1 Anna 0.0 1.79769e+308 <O,F0> X Y\nb 1 Bo 0.0 12.5\n")
    segments = read_segments(path)
    assert [(one.id, one.glosses, one.signer, one.line) for one in segments] == [
        ("a", ("X", "Y"), "Anna", 2),
        ("b", (), "Bo", 3),
    ]
    write_transcripts(path, {"a": ["X"], "b": []}, signers={"a": "Anna"})
    assert path.read_text() == "a 1 Anna 0.0 1.79769e+308 X\nb 1 unknown 0.0 1.79769e+308\n"


def test_tables_name_their_columns_and_split_as_their_header_does(tmp_path):
    path = tmp_path / "x.corpus.csv"
    path.write_bytes(b'\xef\xbb\xbfid|folder|signer|annotation\r\na|a/1/*.png|S1|X  "Y\r\n\r\nb|b|S2|\r\n')
    assert read_transcripts(path) == {"a": ["X", '"Y'], "b": []}
    assert [one.signer for one in read_segments(path)] == ["S1", "S2"]
    path.write_text('note,Gloss,ID\n"a, b",X Y,one\n')
    assert read_transcripts(path) == {"one": ["X", "Y"]}


def test_tables_and_json_lines_hold_spans_and_confidences(tmp_path):
    write_transcripts(tmp_path / "h.csv", {"a": timed(["X", "Y"])})
    assert (tmp_path / "h.csv").read_text() == "id,glosses,spans,confidences\na,X Y,0-5 10-15,0.2500 0.2500\n"
    write_transcripts(tmp_path / "h.jsonl", {"a": timed(["X"])})
    record = json.loads((tmp_path / "h.jsonl").read_text())
    assert record == {"id": "a", "glosses": ["X"], "spans": [[0, 5]], "confidences": [0.25], "score": -1.5}


def test_json_lines_take_text_in_place_of_a_list(tmp_path):
    (tmp_path / "h.jsonl").write_text('{"name": "a", "gloss": "X Y"}\n')
    assert read_transcripts(tmp_path / "h.jsonl") == {"a": ["X", "Y"]}


SINGLE = [name for name in FORMATS if name not in MANY]


@pytest.mark.parametrize("format", SINGLE)
@given(glosses=glosses.map(lambda found: [one for one in found if one.isprintable()]))
@here
def test_a_file_of_one_clip_gives_its_glosses_back_under_its_name(tmp_path, format, glosses):
    path = tmp_path / f"my clip.{format}"
    write_transcripts(path, {"my clip": timed(glosses)}, fps=25)
    assert read_transcripts(path) == {"my clip": glosses}


@pytest.mark.parametrize("format", SINGLE)
def test_a_folder_of_files_of_one_clip_is_read_where_its_format_is_named(tmp_path, format):
    wanted = {"a": ["X", "Y"], "deep/b.npy": [], "deep/c": ["Z"]}
    for id, glosses in wanted.items():
        write_transcripts(tmp_path / f"{id}.{format}", {id: timed(glosses)}, fps=25)
    assert read_transcripts(tmp_path, format) == wanted
    with pytest.raises(DataError, match=f"This is a folder.*{format}"):
        read_transcripts(tmp_path)
    with pytest.raises(UsageError, match="holds only one utterance"):
        write_transcripts(tmp_path / f"x.{format}", {id: timed(glosses) for id, glosses in wanted.items()}, fps=25)


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "ctm"])
def test_confidences_come_back_with_and_without_seconds(tmp_path, format):
    for fps in (25, None) if format != "ctm" else (25,):
        write_transcripts(tmp_path / f"h.{format}", {"a": timed(["X", "Y"]), "b": timed([])}, fps=fps)
        assert [one.confidences for one in read_segments(tmp_path / f"h.{format}")] == [(0.25, 0.25), ()]


@pytest.mark.parametrize("mark", ",;\t|")
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_tables_are_parted_by_any_mark_and_may_have_blank_rows(tmp_path, mark, suffix):
    rows = ["", "id,signer,glosses", "", "a,S,X Y", ",,", " , , ", "b,,", ""]
    (tmp_path / f"t.{suffix}").write_text("\n".join(rows).replace(",", mark))
    found = [(one.id, one.signer, one.glosses, one.line) for one in read_segments(tmp_path / f"t.{suffix}")]
    assert found == [("a", "S", ("X", "Y"), 4), ("b", "", (), 7)]
    (tmp_path / f"t.{suffix}").write_text("\n".join([*rows, "c,X"]).replace(",", mark))
    with pytest.raises(DataError, match=rf"2 columns, the header 3.*t\.{suffix}, line 9"):
        read_transcripts(tmp_path / f"t.{suffix}")


def test_an_error_after_a_quoted_cell_of_several_lines_names_the_line_of_its_row(tmp_path):
    (tmp_path / "t.csv").write_text('id;note;glosses\na;"two\nlines";X\nb;Y\n')
    with pytest.raises(DataError, match=r"2 columns, the header 3.*line 4"):
        read_transcripts(tmp_path / "t.csv")


def test_rows_of_single_glosses_are_put_together_in_the_order_of_their_frames(tmp_path):
    write_transcripts(tmp_path / "h.csv", {"a": timed(["X", "Y"]), "b": timed([]), "c": timed(["X"])}, fps=25)
    header, *rows = (tmp_path / "h.csv").read_text().splitlines()
    (tmp_path / "h.csv").write_text("\n".join([header, *sorted(rows, reverse=True)]))  # as a spreadsheet would
    assert read_transcripts(tmp_path / "h.csv") == {"c": ["X"], "b": [], "a": ["X", "Y"]}


def test_subtitles_of_other_programs_are_read(tmp_path):
    (tmp_path / "a.srt").write_bytes(b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nX\r\n Y\r\n\r\n2\r\n"
                                     b"00:00:03,000 --> 00:00:04,000\r\n7\r\n")  # fmt: skip
    assert read_transcripts(tmp_path / "a.srt") == {"a": ["X", "Y", "7"]}
    (tmp_path / "a.vtt").write_text(
        "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE nothing\n\ncue 1\n00:01.000 --> 00:02.000 align:left\n"
        "<v Anna>X</v> &amp;\nY\n\n01:00:03.000 --> 01:00:04.000\nZ\n"
    )
    assert read_transcripts(tmp_path / "a.vtt") == {"a": ["X", "&", "Y", "Z"]}


@pytest.mark.parametrize("gloss", ["", "A B", "A\tB", "A\nB", "A\u00a0B", "\u2028", "\ufeffA", "\ud800"])
@pytest.mark.parametrize("format", UNTIMED)
def test_glosses_that_no_reader_would_find_again_are_refused(tmp_path, format, gloss):
    with pytest.raises(DataError, match="gloss"):
        write_transcripts(tmp_path / f"a.{format}", {"a": [gloss]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("id", ["", " a", "a\n", "a\tb", ";;a", "a\rb"])
@pytest.mark.parametrize("format", UNTIMED)
def test_ids_that_no_reader_would_find_again_are_refused(tmp_path, format, id):
    with pytest.raises(DataError, match="id"):
        write_transcripts(tmp_path / f"a.{format}", {id: ["A"]})


@pytest.mark.parametrize(
    ("format", "text", "said"),
    [
        ("stm", "a 1 s 0.0 1.0 X\na 1 s 0.0 1.0 X\n", "The id a occurs twice, first in line 1.*line 2"),
        ("stm", "a X Y Z W V\n", "does not fit the format stm.*line 1.*channel"),
        ("ctm", "a 1 0.0\n", "does not fit the format ctm"),
        ("ctm", "a 1 nan 0.1 X\n", "does not fit the format ctm"),
        ("trn", "A B\n", "does not fit the format trn"),
        ("trn", "A ()\n", "does not fit the format trn"),
        ("csv", "", "empty"),
        ("csv", "id,words\na,X\n", "No column is named glosses or gloss.*id, words"),
        ("csv", "id,glosses\na,X,Y\n", "3 columns, the header 2.*line 2"),
        ("csv", 'id,glosses\n"a,X\n', "not a table.*line"),
        ("csv", "id,glosses\n,X\n", "has no id.*line 2"),
        ("tsv", "id\tglosses\na\n", "1 columns, the header 2"),
        ("csv", "id,gloss,start_frame\na,X,\n", "does not fit the format csv.*line 2"),
        ("csv", "id,gloss,start_frame\na,X Y,3\n", "does not fit the format csv.*line 2"),
        ("eaf", "<A/>", "No tier has the name glosses"),
        ("eaf", "A", "not an ELAN file"),
        ("srt", "A B\n", "holds no cue"),
        ("vtt", "A B\n", "does not begin with WEBVTT"),
        ("jsonl", '{"id": "a"\n', "not JSON.*line 1"),
        ("jsonl", "[" * 100_000 + "\n", "not JSON"),
        ("jsonl", '["a"]\n', "does not fit"),
        ("jsonl", '{"id": 1, "glosses": ["X"]}\n', "does not fit"),
        ("jsonl", '{"id": "a", "glosses": ["X Y"]}\n', "white space"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path, format, text, said):
    path = tmp_path / f"bad.{format}"
    path.write_text(text)
    with pytest.raises(DataError, match=f"(?s){said}"):
        read_transcripts(path)


def test_a_confidence_beyond_all_numbers_is_none(tmp_path):
    text = f'{{"id": "a", "glosses": ["X", "Y"], "confidences": [{"9" * 400}, 0.5]}}'
    (tmp_path / "a.jsonl").write_text(text)
    (found,) = read_segments(tmp_path / "a.jsonl")
    assert found.glosses == ("X", "Y") and found.confidences == ()


def test_tags_that_do_not_end_are_text_and_cost_no_time(tmp_path):
    (tmp_path / "a.vtt").write_text(f"WEBVTT\n\n00:00.000 --> 00:01.000\n<b>A</b> {'<' * 300_000}\n")
    assert read_transcripts(tmp_path / "a.vtt") == {"a": ["A", "<" * 300_000]}


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"The file cannot be read.*none\.stm"):
        read_transcripts(tmp_path / "none.stm")
    with pytest.raises(UsageError, match=r"There is no transcript format 'doc'.*stm, ctm"):
        read_transcripts(tmp_path / "x.doc")
    (tmp_path / "latin.stm").write_bytes("a 1 s 0 1 GRÜN\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_transcripts(tmp_path / "latin.stm")


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.binary(max_size=80) | st.text(string.printable, max_size=80).map(str.encode))
@here
def test_any_bytes_are_read_or_refused_in_words(tmp_path, format, data):
    path = tmp_path / f"fuzz.{format}"
    path.write_bytes(data)
    try:
        read_transcripts(path)
    except SlrError as error:
        assert str(path) in error.where


def test_a_string_in_place_of_glosses_is_refused(tmp_path):
    with pytest.raises(TypeError, match="list of glosses"):
        write_transcripts(tmp_path / "a.txt", {"a": "A B"})


@pytest.mark.parametrize(("split", "utterances", "tokens"), [("dev", 540, 5540), ("test", 629, 6504)])
def test_the_official_references_of_phoenix_2014(real_data, tmp_path, split, utterances, tokens):
    references = read_transcripts(real_data / "data" / "phoenix2014" / f"phoenix2014-groundtruth-{split}.stm")
    assert len(references) == utterances
    assert sum(map(len, references.values())) == tokens
    for format in UNTIMED:
        write_transcripts(tmp_path / f"copy.{format}", references)
        assert read_transcripts(tmp_path / f"copy.{format}") == references


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    atomic_write_text(path, "één\r\n")
    atomic_write_bytes(path, path.read_bytes() + b"\x00")
    assert path.read_bytes() == "één\r\n".encode() + b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real.txt")
    atomic_write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_regular_file_is_written_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic_write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SlrError, match="The file cannot be written"):
        atomic_write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(SlrError, match="This is a folder, not a file"):
        atomic_write_text(tmp_path, "x")


def test_a_place_is_found_unfit_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_text("")
    require_place(tmp_path / "new" / "deep" / "a.txt")
    require_place(tmp_path / "file")  # would be replaced
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    with pytest.raises(SlrError, match="not a folder"):
        require_place(tmp_path / "file" / "deep" / "a.txt")
    with pytest.raises(SlrError, match="This is a folder, not a file"):
        require_place(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="rights do not bind the superuser")
def test_a_folder_without_rights_is_found_unfit(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SlrError, match="it is not writable"):
        require_place(tmp_path / "locked" / "new" / "a.txt")


@pytest.mark.skipif(os.name == "nt", reason="rights work otherwise there")
def test_a_new_file_has_ordinary_rights(tmp_path):
    atomic_write_text(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
