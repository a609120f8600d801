"""`slr score` as a user meets it: every format, ids that do not agree, protocols, significance, JSON."""

import json

import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.report.text.scores import chance

REFS = {"u1": ("s1", "REGEN MORGEN NORD"), "u2": ("s2", "WIND WIND"), "u3": ("s2", "SONNE")}
HYPS = {"u1": "REGEN NORD", "u2": "WIND", "u3": "SONNE WOLKE"}


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["score", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def files(tmp_path):
    """The same transcripts in every format, references and hypotheses."""
    made = {
        "ref.stm": "".join(f"{id} 1 {signer} 0.0 9.0 {text}\n" for id, (signer, text) in REFS.items()),
        "ref.trn": "".join(f"{text} ({id})\n" for id, (_, text) in REFS.items()),
        "ref.csv": "id|folder|signer|annotation\n"
        + "".join(f"{id}|x|{signer}|{text}\n" for id, (signer, text) in REFS.items()),
        "ref.tsv": "id\tglosses\n" + "".join(f"{id}\t{text}\n" for id, (_, text) in REFS.items()),
        "ref.jsonl": "".join(json.dumps({"id": id, "glosses": t.split()}) + "\n" for id, (_, t) in REFS.items()),
        "ref.txt": "".join(f"{id} {text}\n" for id, (_, text) in REFS.items()),
        "hyp.ctm": "".join(
            f"{id} 1 {number}.0 0.5 {gloss} 0.9\n"
            for id, text in HYPS.items()
            for number, gloss in enumerate(text.split())
        ),
        "hyp.txt": "".join(f"{id} {text}\n" for id, text in HYPS.items()),
        "perfect.txt": "".join(f"{id} {text}\n" for id, (_, text) in REFS.items()),
        "partial.txt": "u1 REGEN NORD\nu9 X\n",
        "lines.txt": "".join(f"{text}\n" for _, text in REFS.values()),
        "hyplines.txt": "".join(f"{text}\n" for text in HYPS.values()),
    }
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("ref", ["ref.stm", "ref.trn", "ref.csv", "ref.tsv", "ref.jsonl", "ref.txt"])
@pytest.mark.parametrize("hyp", ["hyp.ctm", "hyp.txt"])
def test_every_format_gives_the_same_score(files, ref, hyp):
    found = json.loads(run(files / ref, files / hyp, "--json").stdout)
    assert (found["errors"], found["ref_tokens"], found["deletions"], found["insertions"]) == (3, 6, 2, 1)
    assert set(found.get("groups") or {}) == ({"s1", "s2"} if ref in ("ref.stm", "ref.csv") else set())


def test_files_without_ids_are_paired_by_line(files):
    found = json.loads(run(files / "lines.txt", files / "hyplines.txt", "--by", "line", "--json").stdout)
    assert found["errors"] == 3
    (files / "hyplines.txt").write_text("REGEN NORD\n\n", encoding="utf-8")
    assert (
        "hold one utterance per line" in run(files / "lines.txt", files / "hyplines.txt", "--by", "line", code=1).stderr
    )


def test_half_a_set_is_refused_and_scored_only_when_asked(files):
    said = run(files / "ref.txt", files / "partial.txt", code=1).stderr
    assert "2 of 3 references have no hypothesis: u2, u3" in said and "1 of 2 hypotheses have no reference: u9" in said
    assert "--partial" in said
    partial = run(files / "ref.txt", files / "partial.txt", "--partial", "--json")
    found = json.loads(partial.stdout)
    assert (found["utterances"], found["errors"], found["left_out"]) == (1, 1, ["u2", "u3", "u9"])
    assert "3 utterances are on one side only" in partial.stderr


def test_ids_with_nothing_in_common_are_told_of_pairing_by_line(files):
    (files / "other.txt").write_text("x1 A\n", encoding="utf-8")
    assert "--by line" in run(files / "ref.txt", files / "other.txt", "--partial", code=1).stderr


def test_ids_name_signers_only_when_asked(files):
    lines = [f"{text} ({signer}-{id})\n" for id, (signer, text) in REFS.items()]
    (files / "named.trn").write_text("".join(lines), encoding="utf-8")
    (files / "said.trn").write_text("".join(lines), encoding="utf-8")
    sides = (files / "named.trn", files / "said.trn", "--json")
    assert not json.loads(run(*sides).stdout).get("groups")
    found = json.loads(run(*sides, "--signers-from-ids").stdout)
    assert {name: group["ref_tokens"] for name, group in found["groups"].items()} == {"s1": 3, "s2": 3}
    said = run(files / "ref.trn", files / "ref.trn", "--signers-from-ids", code=1).stderr
    assert "No id names a signer" in said and "signer-utterance" in said


def test_two_segments_of_one_id_are_refused_with_a_way_out(files):
    (files / "two.stm").write_text("u1 1 s1 0.0 1.0 REGEN\nu1 1 s1 1.0 2.0 NORD\n", encoding="utf-8")
    said = run(files / "two.stm", files / "hyp.ctm", code=1).stderr
    assert "The id u1 occurs twice, first in line 1" in said and "not divided among segments by time" in said


def test_a_signer_of_two_words_is_named_as_what_it_is(files):
    (files / "names.stm").write_text("u1 1 s1 0.0 9.0 A\nu2 1 Ann Lee 0.0 1.79769e+308 A B\n", encoding="utf-8")
    said = run(files / "names.stm", files / "hyp.ctm", code=1).stderr
    assert "The signer's name has spaces" in said and "names.stm, line 2" in said and "with _" in said


def test_all_protocols_stand_side_by_side_with_their_floors(files):
    result = run(files / "ref.stm", files / "hyp.ctm", "--protocol", "all", "--json")
    found = {item["protocol"]: item for item in json.loads(result.stdout)["protocols"]}
    assert found["vac@1"]["floor_errors"] == 1 and found["plain@1"]["floor_errors"] == 0
    assert found["phoenix2014-sentence@1"]["errors_by_step"] == {}  # either of two rules would have merged it
    assert found["phoenix2014-sentence@1"]["errors"] == 2  # WIND WIND is one gloss there
    shown = run(files / "ref.stm", files / "hyp.ctm", "--protocol", "all").stdout
    assert "phoenix2014-sentence@1" in shown and "capital-repeats 1/0" in shown


def test_steps_stand_with_the_errors_that_they_hide(files):
    (files / "marked.txt").write_text("u1 REGEN __PU__ MORGEN loc-NORD\nu2 WIND WIND\nu3 SONNE\n", encoding="utf-8")
    result = run(files / "ref.txt", files / "marked.txt", "--protocol", "all", "--json")
    found = {item["protocol"]: item for item in json.loads(result.stdout)["protocols"]}
    assert found["phoenix2014-sclite@1"]["errors_by_step"] == {"prefixes": -1, "marks": -1}
    assert found["vac@1"]["errors_by_step"] == {"prefixes": -1, "marks": -1, "merge-repeats": 1}
    shown = run(files / "ref.txt", files / "marked.txt", "--protocol", "all").stdout
    assert "prefixes 0/0 -1, marks 0/1 -1, merge-repeats 0/1 +1" in shown.replace("\n", " ")


def test_a_vocabulary_adds_what_cannot_be_said_to_the_floor(files, tmp_path):
    from slrcli.glosses.vocabulary import Vocabulary

    Vocabulary.build([["REGEN", "NORD", "WIND", "SONNE"]]).save(tmp_path / "v.json")
    found = json.loads(run(files / "ref.stm", files / "hyp.ctm", "--vocab", tmp_path / "v.json", "--json").stdout)
    assert found["protocols"][0]["floor_errors"] == 1  # MORGEN


def test_a_file_without_utterances_is_refused(files):
    (files / "none.txt").write_text("", encoding="utf-8")
    assert "file holds no utterance" in run(files / "none.txt", files / "none.txt", code=1).stderr


def test_explain_shows_what_each_rule_changed(files):
    shown = run(files / "ref.stm", files / "hyp.ctm", "-p", "phoenix2014-sentence", "--explain").stdout
    assert "capital-repeats, reference: 1 utterances changed" in shown and "u2: WIND WIND  ->  WIND" in shown


def test_a_second_system_is_compared_with_the_first(files):
    shown = run(files / "ref.stm", files / "hyp.ctm", files / "perfect.txt").stdout
    assert "paired bootstrap" in shown and "-50.00 points" in shown and "better in 3, worse in 0" in shown


def test_the_signature_stands_in_text_and_json(files):
    line = json.loads(run(files / "ref.stm", files / "hyp.ctm", "-p", "sclite", "--json").stdout)["signature"]
    assert "protocol:sclite@1" in line
    assert line in run(files / "ref.stm", files / "hyp.ctm", "-p", "sclite").stdout.replace("\n", "")
    assert line in run(files / "ref.csv", files / "hyp.txt", "-p", "sclite").stdout.replace("\n", "")


def test_tokens_that_sclite_would_read_are_named(files):
    (files / "odd.txt").write_text("u1 REGEN* NORD\nu2 WIND\nu3 (SONNE)\n", encoding="utf-8")
    said = run(files / "ref.txt", files / "odd.txt", "-p", "sclite").stderr
    assert "REGEN* (a star at the end is left out)" in said and "(SONNE) (" not in said
    assert "sclite" not in run(files / "ref.txt", files / "odd.txt").stderr


def test_another_normaliser_takes_the_protocols_place_and_says_so(files):
    sides = (files / "ref.stm", files / "hyp.ctm", "--json")
    found = json.loads(run(*sides, "--normaliser", "phoenix2014-sentence").stdout)
    assert found["errors"] == 2
    assert (
        found["protocol"] == "plain@1+phoenix2014-sentence@1"
        and f"|protocol:{found['protocol']}|" in found["signature"]
    )
    assert json.loads(run(*sides, "--protocol", found["protocol"]).stdout) == found
    said = run(files / "ref.stm", files / "hyp.ctm", "-p", "all", "--normaliser", "none", code=2).stderr
    assert "has its own" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ref.stm", "hyp.ctm", "-p", "sclit"], 2, "sclite"),
        (["ref.stm", "nowhere.ctm"], 1, "nowhere.ctm"),
        (["ref.stm", "hyp.ctm", "--by", "name"], 2, "id or line"),
        (["ref.stm", "hyp.ctm", "--ref-format", "xml"], 2, "stm"),
        (["ref.stm", "."], 1, "This is a folder"),
        (["ref.stm", "hyp.ctm", "-p", "all+none"], 2, "Every protocol has its own"),
        (["ref.stm", "hyp.ctm", "-p", "all@1"], 2, "Every protocol has its own"),
    ],
)
def test_mistakes_are_answered(files, arguments, code, said):
    paths = [files / item if "." in item else item for item in arguments]
    assert said in run(*paths, code=code).stderr


def test_details_name_glosses_lengths_and_calibration(files):
    shown = run(files / "ref.stm", files / "hyp.ctm", "--details").stdout
    for text in (
        "glosses with most errors",
        "by length",
        "deleted: MORGEN 1",
        "inserted: WOLKE 1",
        "calibration error",
    ):
        assert text in shown, text


def test_a_chance_too_small_for_four_digits_is_not_called_zero():
    assert [chance(p) for p in (0.0213, 0.0001, 0.00002, 0.0)] == ["= 0.0213", "= 0.0001", "< 0.0001", "< 0.0001"]
