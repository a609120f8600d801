"""Beam search at the command line: what is asked for, what stands beside the checkpoint, and tuning."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from support.calling import slr as call
from support.noisy_corpus import write_corpus

from slrcli.cli.decode import ranked_lines
from slrcli.config import DecodeConfig
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import UsageError
from slrcli.recognition.settings import DecoderOptions, read_decoder, write_decoder

QUICK = ("--epochs", 3, "--batch-size", 4, "--lr", "3e-3", "--warmup-epochs", 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A corpus, a run that has seen little of it, and a language model of it."""
    folder = tmp_path_factory.mktemp("beam")
    here = os.getcwd()
    os.chdir(folder)
    try:
        write_corpus(folder / "corpus")
        for arguments in (
            ("train", "--data-dir", "corpus", "--output-dir", "run", *QUICK),
            ("lm", "--data-dir", "corpus", "--out", "lm.arpa"),
        ):
            result = call(*arguments)
            assert result.exit_code == 0, result.output
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def slr(trained, monkeypatch):
    """Run a command in the folder of the run; what a test tunes goes when it is over."""
    monkeypatch.chdir(trained)
    checkpoint = trained / "run" / "best.safetensors"
    before = checkpoint.read_bytes()
    yield call
    checkpoint.write_bytes(before)
    (trained / "run" / "decode.toml").unlink(missing_ok=True)


def decoded(slr, *options):
    """What `slr decode --json` makes of the dev clips."""
    result = slr("decode", "corpus/features/dev", "--model", "run", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_n_best_come_in_order_each_with_its_probability(slr):
    for clip in decoded(slr, "--nbest", 3):
        scores = [clip["log_probability"], *(item["log_probability"] for item in clip["others"])]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
    lines = slr("decode", "corpus/features/dev/dev0.npy", "--model", "run", "--nbest", 2).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["1", "2"]
    assert all(re.fullmatch(r"\d\t-?\d+\.\d{3}\t[A-Z ]*", line) for line in lines)


def test_every_line_has_its_rank_where_several_are_asked_for_and_there_is_one_alone():
    alone = Hypothesis((1, 2), ("HELLO", "YOU"), ((0, 1), (2, 3)), (1.0, 1.0), -0.5)
    assert ranked_lines(alone, ranked=True) == ["1\t-0.500\tHELLO YOU"]
    assert ranked_lines(alone, ranked=False) == ["HELLO YOU"]


def test_every_option_of_the_search_changes_what_comes_out(slr):
    plain = decoded(slr, "--beam", 10)
    assert plain != decoded(slr)
    for options in (
        ("--lm", "lm.arpa"),
        ("--insertion-bonus", 3),
        ("--hot-word", "STOP STOP", "--hot-word-weight", 5),
    ):
        assert decoded(slr, "--beam", 10, *options) != plain, options
    light, heavy = (decoded(slr, "--lm", "lm.arpa", "--lm-weight", weight) for weight in (0.1, 4))
    assert light != heavy


def test_the_signature_of_a_score_names_the_decoder_and_several_processes_give_the_same(slr):
    options = ("--data-dir", "corpus", "--split", "dev", "--lm", "lm.arpa", "--lm-weight", 0.7, "--json")
    one, two = (json.loads(slr("eval", "run", *options, "--jobs", jobs).stdout) for jobs in (1, 2))
    assert re.search(r"\|decoder:beam10;lm=[0-9a-f]{12}\*0\.7\|", one["signature"])
    assert one == two


def test_many_clips_are_searched_by_several_processes_with_the_same_result(slr, monkeypatch):
    from slrcli.decoding.cores import ManyCores

    made = []
    start = ManyCores.__init__

    def counted(self, options, tokens, jobs):
        made.append(jobs)
        start(self, options, tokens, jobs)

    monkeypatch.setattr(ManyCores, "__init__", counted)
    clips = sorted(Path("corpus/features/train").glob("*.npy"))[:12]
    options = ("--model", "run", "--beam", 5, "--nbest", 2)
    several, one = (slr("decode", *clips, *options, "--jobs", jobs) for jobs in (2, 1))
    few = slr("decode", *clips[:3], *options, "--jobs", 2)
    assert made == [2] and several.exit_code == 0 and len(several.stdout.splitlines()) == 24
    assert several.stdout == one.stdout and several.stdout.startswith(few.stdout)


def test_tuning_tries_settings_and_keeps_the_best_beside_the_checkpoint(slr):
    result = slr("eval", "run", "--data-dir", "corpus", "--tune", "--lm", "lm.arpa", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    rows = found["tried"]
    assert found["chosen"]["errors"] == min(row["errors"] for row in rows)
    assert len({row["decoder"] for row in rows}) == len(rows)
    assert {row["lm_weight"] for row in rows} >= {0.0, 0.5, 2.0}
    assert {row["beam"] for row in rows} >= {0, 5, 10, 20, 40}
    assert len({row["insertion_bonus"] for row in rows}) > 5
    table = tomllib.loads(Path("run/decode.toml").read_text())["decode"]
    assert table["beam"] == found["chosen"]["beam"]
    score = json.loads(slr("eval", "run", "--data-dir", "corpus", "--split", "dev", "--json").stdout)
    assert score["errors"] == found["chosen"]["errors"]
    assert f"|decoder:{found['chosen']['decoder']}|" in score["signature"]


def test_nothing_is_fitted_to_what_was_learnt(slr, tmp_path):
    shutil.copytree("corpus", tmp_path / "whole")
    (tmp_path / "whole" / "annotations" / "dev.corpus.csv").unlink()
    all_of_it = ["--set", "data.dev_share=0", "--set", "optim.choose=last", "--epochs", 1]
    made = slr("train", "--data-dir", tmp_path / "whole", "--output-dir", tmp_path / "run", *all_of_it)
    assert made.exit_code == 0, made.output
    before = sorted((tmp_path / "run").iterdir())
    for flag in ("--calibrate", "--tune"):
        done = slr("eval", tmp_path / "run", "--data-dir", tmp_path / "whole", flag)
        assert done.exit_code == 1 and "was trained on 2 of 2 utterances of dev" in " ".join(done.output.split())
    assert sorted((tmp_path / "run").iterdir()) == before
    done = slr("eval", "run", "--data-dir", "corpus", "--calibrate", "--split", "train")
    assert done.exit_code == 1 and "was trained on 24 of 24" in " ".join(done.output.split())


def test_what_is_given_is_not_tuned(slr):
    said = ("--lm", "lm.arpa", "--lm-weight", 0.4, "--beam", 6)
    result = slr("eval", "run", "--data-dir", "corpus", "--tune", *said, "--json")
    rows = json.loads(result.stdout)["tried"]
    assert {(row["beam"], row["lm_weight"]) for row in rows} == {(6, 0.4)}
    assert len({row["insertion_bonus"] for row in rows}) == len(rows) > 5


def test_tuning_shows_a_table_and_says_that_its_numbers_flatter(slr):
    result = slr("eval", "run", "--data-dir", "corpus", "--tune")
    assert result.stdout.count("chosen") == 1
    assert "best path" in result.stdout
    assert "flatters" in result.stderr


def test_settings_beside_the_checkpoint_are_used_until_something_else_is_said(slr):
    plain = decoded(slr)
    Path("run/decode.toml").write_text("[decode]\nbeam = 8\nnbest = 2\n")
    assert all(len(clip["others"]) == 1 for clip in decoded(slr))
    assert all(len(clip["others"]) == 3 for clip in decoded(slr, "--nbest", 4))
    assert decoded(slr, "--beam", 0) == plain
    Path("other.toml").write_text("[decode]\nbeam = 8\nnbest = 3\n")
    assert all(len(clip["others"]) == 2 for clip in decoded(slr, "--decoder", "other.toml"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--beam", 0, "--lm", "lm.arpa"), "The best path does not use lm"),
        (("--lm", "nowhere.arpa"), "nowhere.arpa"),
        (("--hot-word", "STPO"), "Did you mean 'STOP'"),
        (("--beam", 2, "--nbest", 5), "A beam of 2 is too narrow for 5"),
        (("--lm-weight", -1), "lm_weight must be from 0"),
        (("--decoder", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_a_mistake_in_what_is_asked_for_is_told_in_three_lines(slr, options, message):
    result = slr("decode", "corpus/features/dev/dev0.npy", "--model", "run", *options)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[decode]\nbeams = 3\n", "beam"),
        ("[decoder]\nbeam = 3\n", "decode"),
        ("beam = 3\n", "no section"),
        ("[decode]\nbeam = -3\n", "at least 0"),
        ("[decode]\nbeam = 'ten'\n", "Expected int"),
        ("[decode\n", "not TOML"),
    ],
)
def test_a_damaged_file_of_settings_is_refused(tmp_path, text, message):
    (tmp_path / "decode.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        DecoderOptions().settings(tmp_path / "best.safetensors", None)


def test_settings_come_back_as_they_were_written_with_the_model_found_from_the_files_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    inside = DecodeConfig(beam=7, lm="run/lm.arpa", lm_weight=0.25, hot_words=("A B", "C"), margin=9.0)
    write_decoder(Path("run/decode.toml"), inside, ("why",))
    text = Path("run/decode.toml").read_text()
    assert text.startswith("# why\n")
    assert tomllib.loads(text)["decode"]["lm"] == "lm.arpa"
    assert read_decoder(Path("run/decode.toml")) == inside
    write_decoder(Path("run/decode.toml"), DecodeConfig(lm="lm.arpa"))
    monkeypatch.chdir("/")
    assert Path(read_decoder(tmp_path / "run" / "decode.toml").lm) == tmp_path.resolve() / "lm.arpa"
