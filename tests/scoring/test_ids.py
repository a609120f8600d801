"""Ids that differ only in folders or file extensions name the same utterance, and nothing is guessed."""

import json

import pytest
from typer.testing import CliRunner

import slrcli
from slrcli.cli import app
from slrcli.errors import SlrError
from slrcli.scoring.ids import same_ids


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def both(tmp_path, refs, hyps):
    """Files of references and hypotheses, each as id -> glosses."""
    paths = tmp_path / "ref.txt", tmp_path / "hyp.txt"
    for path, side in zip(paths, (refs, hyps), strict=True):
        path.write_text("".join(f"{id} {glosses}\n" for id, glosses in side.items()), encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    ("ref", "hyp"),
    [
        ("u1", "u1.mp4"),
        ("u1.mp4", "u1"),
        ("u1", "dev/u1"),
        ("dev/u1", "u1"),
        ("dev/u1", "u1.npy"),
        ("u1", "./dev/u1.MP4"),
        ("dev/u1.npz", "/data/features/dev/u1.pose"),
        ("u1", "C:\\clips\\u1.avi"),
        ("u1.mov", "u1.npy"),
        ("u1", "u1.csv.gz"),
        ("u1", "u1/1/*.png"),
        ("dev/u1/1/*.png", "u1"),
        ("a.b", "a.b.mkv"),
        ("dev/Ü1", "U\u03081.mp4"),
    ],
)
def test_folders_and_extensions_do_not_part_an_utterance_from_its_hypothesis(tmp_path, ref, hyp):
    done = run(*both(tmp_path, {ref: "A B", "v2": "C"}, {hyp: "A", "v2": "C"}), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["errors"], found["ref_tokens"], found["left_out"]) == (1, 3, [])
    assert found["per_utterance"][0]["id"] == ref
    said = " ".join(done.stderr.split())
    assert "Ids matched without folders and file extensions" in said and f"(1): {hyp} with {ref}" in said


@pytest.mark.parametrize(
    ("refs", "hyps"),
    [
        (["dev/u1", "test/u1"], ["u1", "v"]),  # which of the two?
        (["u1", "w"], ["u1.mp4", "u1.npy"]),
        (["dev/u1"], ["test/u1"]),  # another folder is another clip
        (["u1"], ["u1.take2"]),  # not the extension of a file
        (["u1"], ["u10.mp4"]),
        (["u1"], ["xu1"]),
        (["u1"], ["u1", "dev/u1"]),  # taken already
        (["mp4"], [".mp4"]),
    ],
)
def test_what_could_be_another_utterance_is_not_matched(refs, hyps):
    assert same_ids(refs, hyps) == {}


def test_an_equal_id_goes_before_a_similar_one():
    assert same_ids(["u1", "dev/u1"], ["u1", "dev/u1.mp4"]) == {"dev/u1.mp4": "dev/u1"}
    assert same_ids(["a/u1", "b/u1"], ["a/u1.npy", "b/u1.npy"]) == {"a/u1.npy": "a/u1", "b/u1.npy": "b/u1"}


def test_tables_of_a_program_are_matched_as_files_are(tmp_path):
    refs, hyps = {"u1": "A B", "u2": "C"}, {"dev/u1.mp4": "A", "u2.mp4": "C"}
    assert slrcli.score(refs, hyps).score.errors == slrcli.score(*both(tmp_path, refs, hyps)).score.errors == 1


@pytest.mark.parametrize("protocol", ["plain", "phoenix2014-sclite", "cer"])
def test_what_was_filled_in_is_named_to_programs(tmp_path, protocol):
    refs, hyps = {"u1": "A B", "dev/u2": "C", "u3": "D"}, {"u2.mp4": "C"}
    files = both(tmp_path, refs, hyps)
    (tmp_path / "b.txt").write_text("u1 A B\nu2 C\n", encoding="utf-8")
    done = run(*files, tmp_path / "b.txt", "--missing-as-empty", "--json", "--protocol", protocol)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["filled_in"] == ["u1", "u3"] and found["others"][0]["filled_in"] == ["u3"]
    for sides in (files, (refs, hyps)):
        one = slrcli.score(*sides, protocol, missing_as_empty=True)
        assert one.filled_in == ("u1", "u3") and one.wer == found["wer"]
        with pytest.raises(SlrError, match="no hypothesis: u1, u3"):
            slrcli.score(*sides, protocol)
    assert json.loads(run(*files[:1] * 2, "--json").stdout)["filled_in"] == []
    with pytest.raises(SlrError, match="2 references and 1 hypotheses"):
        slrcli.score(["A", "B"], ["A"], missing_as_empty=True)


def test_utterances_paired_by_line_keep_their_numbers(tmp_path):
    done = run(*both(tmp_path, {"A": "B"}, {"A": "C"}), "--by", "line", "--json")
    assert json.loads(done.stdout)["per_utterance"][0]["id"] == "1" and "matched" not in done.stderr
