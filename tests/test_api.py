"""The front door of the library: what it gives is what the commands give, and what goes wrong is an SlrError."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr
from support.quick_corpus import write_corpus

import slrcli
from slrcli.console import Console
from slrcli.decoding.calibration import weights_hash
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.scoring.table import COUNTS

SETTINGS = {"epochs": 8, "batch_size": 4, "lr": 5e-3, "warmup_epochs": 1.0, "arch": "conv-bilstm"}
SMALL = {"options": {"width": 24, "layers": 1}}
FLAGS = ("--epochs", 8, "--batch-size", 4, "--lr", 5e-3, "--warmup-epochs", 1, "--arch", "conv-bilstm",
         "--set", "model.options.width=24", "--set", "model.options.layers=1")  # fmt: skip


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("api") / "corpus")


@pytest.fixture(scope="session")
def told():
    """What `progress` was called with while the run was trained."""
    return []


@pytest.fixture(scope="session")
def run(corpus, told):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(corpus.parent)
        return slrcli.train(
            corpus, output_dir=corpus.parent / "run", model=SMALL, progress=lambda *said: told.append(said), **SETTINGS
        )


@pytest.fixture(scope="session")
def model(run):
    return run.load()


@pytest.fixture
def clip(corpus):
    return corpus / "features" / "test" / "test2.npy"


def printed(*arguments):
    """The JSON that a command writes."""
    result = slr(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(hypothesis):
    """A hypothesis as `slr decode --json` writes its glosses."""
    parts = zip(hypothesis.glosses, hypothesis.spans, hypothesis.confidences, strict=True)
    return [{"gloss": g, "start": s, "end": e, "confidence": round(c, 4)} for g, (s, e), c in parts]


# Importing.


def test_importing_the_package_loads_no_library():
    code = "import sys, slrcli; slrcli.__version__; dir(slrcli); print(*{n.split('.')[0] for n in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "slrcli" in loaded
    assert not {"numpy", "torch", "pandas", "rich", "typer"} & set(loaded)


def test_scoring_loads_neither_torch_nor_pandas():
    code = "import sys, slrcli; slrcli.score(['A B'], ['A']).wer; print(*{n.split('.')[0] for n in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas"} & set(loaded)


def test_every_name_is_there_and_no_other_one():
    for name in slrcli.__all__:
        assert getattr(slrcli, name) is not None
    assert set(slrcli.__all__) <= set(dir(slrcli))
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = slrcli.tarin
    assert Path(slrcli.__file__).with_name("py.typed").is_file()


def test_nobody_has_to_bring_a_console():
    found = [getattr(slrcli, name) for name in slrcli.__all__ if name != "__version__"]
    methods = [item for one in found if inspect.isclass(one) for _, item in inspect.getmembers(one, callable)]
    for item in (*found, *methods):
        if inspect.isfunction(item):
            hints = [str(part.annotation) for part in inspect.signature(item).parameters.values()]
            assert not any("Console" in hint for hint in hints) and "console" not in inspect.signature(item).parameters


def test_an_error_keeps_a_path_as_a_text():
    assert SlrError("what", Path("a") / "b").where == str(Path("a") / "b")


# Training and runs.


def test_training_gives_the_very_weights_that_the_command_gives(corpus, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = printed("train", "--data-dir", corpus, "--output-dir", "mine", *FLAGS)
    assert weights_hash(Path(found["checkpoint"])) == weights_hash(run.checkpoint)


def test_training_tells_its_progress_and_prints_nothing(run, told):
    steps = [(done, total) for what, done, total in told if what.startswith("epoch 8/8")]
    assert steps and steps[-1][0] == steps[-1][1] == 8 * 6


def test_the_history_of_a_run_is_what_it_wrote_down(run):
    frame = slrcli.open_run(run.folder).history.to_frame()
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert frame["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert frame["wer"].tolist() == [json.loads(line)["wer"] for line in lines]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(SlrError, match="contains no run"):
        slrcli.open_run(tmp_path)


def test_a_setting_that_does_not_exist_is_named_with_the_nearest_one(corpus):
    with pytest.raises(UsageError, match="epohcs") as told:
        slrcli.train(corpus, epohcs=3)
    assert "epochs" in told.value.fix
    with pytest.raises(UsageError, match="widht"):
        slrcli.train(corpus, model={"options": {"widht": 3}}, arch="conv-bilstm")


# Decoding.


def test_a_file_an_array_a_folder_and_a_list_are_decoded_as_the_command_decodes_them(corpus, run, model, clip):
    folder = clip.parent
    wanted = {Path(item["file"]).stem: item["glosses"] for item in printed("decode", folder, "--model", run.folder)}
    assert any(wanted.values())
    (alone,) = printed("decode", clip, "--model", run.folder)
    assert rows(model.decode(clip)) == rows(model.decode(str(clip))) == alone["glosses"]
    assert rows(model.decode(np.load(clip))) == alone["glosses"]
    assert {id: rows(item) for id, item in model.decode(folder).items()} == wanted
    mixed = model.decode([np.load(clip), clip, np.load(clip)[:30]])
    assert [item.glosses for item in mixed[:2]] == [model.decode(clip).glosses] * 2 and len(mixed) == 3


def test_the_decoder_may_be_named(run, clip):
    (found,) = printed("decode", clip, "--model", run.folder, "--beam", 5, "--nbest", 2)
    hypothesis = slrcli.load(run.folder, beam=5, nbest=2).decode(clip)
    assert rows(hypothesis) == found["glosses"]
    assert [rows(item) for item in hypothesis.others] == [item["glosses"] for item in found["others"]]
    with pytest.raises(UsageError, match="baem"):
        slrcli.load(run.folder, baem=5)


def test_a_folder_without_clips_is_an_error(model, tmp_path):
    with pytest.raises(DataError, match="neither feature files nor videos"):
        model.decode(tmp_path)
    for name in ("folder", "folder.npy", "folder.safetensors"):
        (tmp_path / name).mkdir()
        with pytest.raises(DataError):
            model.align(tmp_path / name, "LEFT")
    with pytest.raises(SlrError, match="contains no checkpoint"):
        slrcli.load(tmp_path / "folder")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((30, 5), np.float32), "5 columns, but layout generic-4 expects 4"),
        (np.full((30, 4), np.nan, np.float32), "person was seen"),
        (np.zeros((0, 4), np.float32), "no frame"),
        (np.zeros((2, 30, 4), np.float32), r"shape \[2, 30, 4\]"),
        (np.array([["a", "b", "c", "d"]]), "not numeric"),
        (np.full((30, 4), np.inf, np.float32), "infinite"),
    ],
)
def test_an_array_that_is_no_clip_is_an_error(model, array, message):
    for decode in (model.decode, lambda x: model.decode([x]), lambda x: model.align(x, "LEFT")):
        with pytest.raises(DataError, match=message) as told:
            decode(array)
        assert "array 0" in told.value.where


def test_the_recogniser_itself_refuses_arrays_of_another_width(model):
    with pytest.raises(DataError, match="5 columns"):
        model._recogniser.recognise([np.zeros((30, 5), np.float32)])


def test_files_that_are_missing_are_errors(model, tmp_path):
    for call in (lambda: model.decode(tmp_path / "none.npy"), lambda: slrcli.load(tmp_path / "none"),
                 lambda: slrcli.read_corpus(tmp_path / "none")):  # fmt: skip
        with pytest.raises(SlrError):
            call()


def test_known_glosses_are_placed_as_the_command_places_them(run, model, clip):
    glosses = " ".join(model.decode(clip).glosses)
    assert glosses
    result = slr("align", clip, "--glosses", glosses, "--model", run.folder, "--fps", 1)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    for found in (model.align(clip, glosses), model.align(np.load(clip), glosses.split())):
        assert [(float(start), float(end), gloss) for start, end, _, gloss, _ in lines] == [
            (*span, gloss) for gloss, span in zip(found.glosses, found.spans, strict=True)
        ]
    with pytest.raises(SlrError):
        model.align(clip, "NOBODY")


def test_a_stream_says_what_the_command_says_of_it(run, model, clip):
    result = slr("decode", "--stream", clip, "--patience", 0, "--model", run.folder, "--json")
    wanted = [json.loads(line) for line in result.stdout.splitlines()]
    stream, x = model.stream(), np.load(clip)
    found = [item for start in range(0, len(x), 7) for item in stream.push(x[start : start + 7])] + stream.finish()
    assert [item.to_dict(25.0) for item in found] == wanted and wanted
    with pytest.raises(DataError, match="columns"):
        model.stream().push(np.zeros((3, 9)))
    with pytest.raises(UsageError):
        model.stream(window=1.0, hop=2.0)


# Corpora, checks and scores.


def test_a_corpus_is_a_frame_of_its_utterances(corpus):
    opened = slrcli.read_corpus(corpus)
    frame = opened.to_frame()
    assert frame["split"].value_counts().to_dict() == {"train": 24, "dev": 6, "test": 6}
    row = frame.set_index("id").loc["test0"]
    lines = (corpus / "annotations" / "test.corpus.csv").read_text().splitlines()
    assert lines[1] == f"test0|test0|{row.signer}|{row.glosses}" and row.tokens == len(row.glosses.split())
    assert Path(row.features) == corpus / "features" / "test" / "test0.npy"


def test_an_evaluation_is_that_of_the_command(corpus, run, model):
    wanted = printed("eval", run.folder, "--data-dir", corpus, "--split", "test")
    for named in (run.folder, model):
        found = slrcli.evaluate(named, slrcli.read_corpus(corpus), split="test")
        assert (found.wer, found.signature) == (wanted["wer"], wanted["signature"])
    frame = found.to_frame()
    for row, other in zip(frame.to_dict("records"), wanted["per_utterance"], strict=True):
        assert (row["id"], row["seen_in_train"]) == (other["id"], other["seen"])
        assert row["hypothesis"] == wanted["hypotheses"][row["id"]]
        assert [row[kind] for kind in COUNTS] == [other[kind] for kind in COUNTS]
    assert 100 * frame[list(COUNTS)].sum().sum() / frame["tokens"].sum() == pytest.approx(wanted["wer"])
    assert repr(found) == f"Evaluation(WER {found.wer:.2f} %, {len(frame)} utterances, {found.signature})"
    assert found.by_signer["wer"].to_dict() == {name: part["wer"] for name, part in wanted["groups"].items()}
    assert found.confusions.values.tolist() == wanted["breakdown"]["confusions"]


def test_transcripts_are_scored_as_the_command_scores_their_files(tmp_path):
    refs, hyps = {"a": "LEFT RIGHT STOP", "b": "STOP"}, {"a": ["LEFT", "STOP"], "b": ["RIGHT"]}
    for name, side in (("refs", refs), ("hyps", {id: " ".join(glosses) for id, glosses in hyps.items()})):
        (tmp_path / f"{name}.txt").write_text("".join(f"{id} {text}\n" for id, text in side.items()))
    files = tmp_path / "refs.txt", tmp_path / "hyps.txt"
    wanted = printed("score", *files, "--protocol", "sclite")
    for sides in ((refs, hyps), files, (list(refs.values()), list(hyps.values()))):
        found = slrcli.score(*sides, protocol="sclite")
        assert found.wer == wanted["protocols"][0]["wer"] == 50.0
        assert found.to_frame()["deletions"].tolist() == [1, 0] and found.to_frame()["seen_in_train"].isna().all()
        assert found.confusions.values.tolist() == [["STOP", "RIGHT", 1]]
    assert slrcli.score(refs, hyps, protocol="sclite").signature == slrcli.score(*files, protocol="sclite").signature
    assert slrcli.score(refs, hyps).by_signer.empty
    for wrong in (({"a": "X"}, {"b": "X"}), (["X"], ["X", "Y"]), (refs, ["X"]), (files[0], hyps)):
        with pytest.raises(SlrError):
            slrcli.score(*wrong)


def test_checks_find_what_the_commands_find(corpus, run, model):
    wanted = printed("check", "data", "--data-dir", corpus, "--only", "D0")
    assert json.loads(json.dumps(slrcli.check_data(corpus, only="D0").to_dict()["findings"])) == wanted["findings"]
    wanted = slr("check", "model", run.folder, "--only", "M01", "--json").stdout
    assert slrcli.check_model(model, only=["M01"]).to_dict()["findings"] == json.loads(wanted)["findings"]
    with pytest.raises(UsageError, match="No check has the code"):
        slrcli.check_data(corpus, only="X")


def test_nothing_is_printed(corpus, model, clip, capfd):
    model.decode(clip)
    slrcli.evaluate(model, corpus)
    slrcli.check_data(corpus, only="D01")
    assert capfd.readouterr() == ("", "")
    assert not isinstance(sys.stdout, Console)
