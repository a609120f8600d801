"""`slr train --teacher`: from a run or a folder of log-probabilities to a student, and what goes wrong on the way."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.checkpoints.learnt import require_unlearnt
from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.corpus.clips import Clips, collate
from slrcli.corpus.opening import open_data
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.training.loss import teach
from slrcli.training.loss.teach import spike_offset
from slrcli.training.loss.teacher import StoredTeacher

STUDENT = ["--set", "model.options.width=16", "--batch-size", "4", "--lr", "5e-3", "--warmup-epochs", "1"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A corpus, and the run of a teacher that has learnt it."""
    folder = tmp_path_factory.mktemp("taught")
    corpus = write_corpus(folder / "corpus")
    result = slr("train", "--data-dir", corpus, "--output-dir", folder / "teacher", *QUICK)
    assert result.exit_code == 0, result.output
    return corpus, folder / "teacher"


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("blanks", ["all", "symmetric"])
def test_a_student_learns_from_a_run(taught, tmp_path, blanks):
    corpus, teacher = taught
    more = ["--set", f"distill.blanks={blanks}", "--set", "distill.sequence=0.1", "--epochs", 8]
    result = slr("train", "--data-dir", corpus, "--teacher", teacher, "--output-dir", tmp_path / "s", *STUDENT, *more)
    assert result.exit_code == 0, result.output
    assert "teacher: " in result.output and ", 0 parameters" not in result.output
    facts = json.loads((tmp_path / "s" / "teacher.json").read_text())
    assert facts["wer"] < 50 and len(facts["sha256"]) == 64
    lines = metrics(tmp_path / "s")
    assert lines[-1]["distillation"] < lines[0]["distillation"] and "sequence" in lines[-1]
    assert lines[-1]["wer"] < 60


def test_a_taught_run_resumes_to_the_same_bits(taught, tmp_path):
    corpus, teacher = taught
    all_on = ["--teacher", teacher, "--set", "loss.consistency=0.2", *STUDENT]
    start = ["train", "--data-dir", corpus, *all_on, "--set", "optim.schedule=constant", "--warmup-epochs", 0]
    assert slr(*start, "--output-dir", tmp_path / "whole", "--epochs", 3).exit_code == 0
    assert slr(*start, "--output-dir", tmp_path / "half", "--epochs", 2).exit_code == 0
    assert slr("train", "--resume", tmp_path / "half", "--epochs", 3).exit_code == 0
    whole, half = (load_file(tmp_path / name / "last.state.safetensors") for name in ("whole", "half"))
    assert whole.keys() == half.keys() and "average.steps" in whole
    for name in whole:
        np.testing.assert_array_equal(whole[name], half[name], err_msg=name)


def test_stored_log_probabilities_teach_as_well(taught, tmp_path):
    corpus, teacher = taught
    recogniser = Recogniser.from_checkpoint(teacher / "best.safetensors")
    folder = tmp_path / "posteriors"
    folder.mkdir()
    utterances = open_data(DataConfig(data_dir=str(corpus))).split("train")
    clips = Clips(utterances, recogniser.meta.layout)
    for index, item in enumerate(utterances):
        output = recogniser.posteriors(collate([clips[index]], [()], [0]))
        np.save(folder / f"{item.id}.npy", output.log_probs[0].numpy())
    start = ["train", "--data-dir", corpus, "--teacher", folder, *STUDENT, "--epochs", 3]
    result = slr(*start, "--output-dir", tmp_path / "s")
    assert result.exit_code == 0, result.output
    assert "not varied" in result.output
    assert metrics(tmp_path / "s")[-1]["distillation"] < metrics(tmp_path / "s")[0]["distillation"]

    exchanged = slr(*start, "--output-dir", tmp_path / "no", "--set", "augment.recombine=0.5")
    assert exchanged.exit_code == 2 and "cannot be exchanged" in exchanged.output and not (tmp_path / "no").exists()
    np.save(folder / f"{utterances[0].id}.npy", np.zeros((5, 9), np.float32))
    result = slr(*start, "--output-dir", tmp_path / "wrong")
    assert result.exit_code == 1 and "instead of [frames, 4]" in " ".join(result.output.split())
    (folder / f"{utterances[1].id}.npy").unlink()
    result = slr(*start, "--output-dir", tmp_path / "missing")
    assert result.exit_code == 1 and "1 of 24 training utterances" in " ".join(result.output.split())
    assert not (tmp_path / "missing").exists()


def test_teachers_that_cannot_teach_are_refused(taught, tmp_path, monkeypatch):
    corpus, teacher = taught
    nothing = slr("train", "--data-dir", corpus, "--teacher", tmp_path / "nowhere", *STUDENT)
    assert nothing.exit_code == 1 and "no such checkpoint" in nothing.output
    rule = slr("train", "--data-dir", corpus, "--teacher", teacher, *STUDENT, "--set", "distill.blanks=some")
    assert rule.exit_code == 2 and "symmetric" in rule.output
    beginner = tmp_path / "beginner"
    early = ["--epochs", "1", "--lr", "1e-6", "--warmup-epochs", "0"]
    assert slr("train", "--data-dir", corpus, "--output-dir", beginner, *early).exit_code == 0
    monkeypatch.setattr(teach, "HOPELESS", 10.0)
    result = slr("train", "--data-dir", corpus, "--teacher", beginner, *STUDENT)
    assert result.exit_code == 2 and "nothing can be learnt from it" in " ".join(result.output.split())


def test_a_teacher_that_has_learnt_what_is_held_out_is_refused(taught, tmp_path):
    corpus, teacher = taught
    for split in ("dev", "test"):
        other = tmp_path / split
        shutil.copytree(corpus, other)
        tables = {name: other / "annotations" / f"{name}.corpus.csv" for name in ("train", "dev", "test")}
        head, *rows = tables["train"].read_text().splitlines()
        tables["train"].write_text("\n".join([head, *rows[3:]]) + "\n")
        tables[split].write_text("\n".join([head, *rows[:3]]) + "\n")
        for file in (other / "features" / "train").iterdir():
            (other / "features" / split).mkdir(exist_ok=True)
            shutil.copy(file, other / "features" / split)
        result = slr("train", "--data-dir", other, "--teacher", teacher, *STUDENT, "--output-dir", tmp_path / "s")
        said = " ".join(result.output.split())
        assert result.exit_code == 1 and "The teacher was trained on 3 of" in said and "held out" in said
        assert not (tmp_path / "s").exists()


def test_teachers_of_folds_are_refused_for_what_any_fold_holds_out(taught, tmp_path):
    corpus, teacher = taught
    result = slr("train", "--data-dir", corpus, "--teacher", teacher, "--folds", "utterance:3", "-o", tmp_path / "f")
    said = " ".join(result.output.split())
    assert result.exit_code == 1 and "The teacher was trained on 24 of" in said and not (tmp_path / "f").exists()


def test_a_checkpoint_that_does_not_say_what_it_learnt_is_taken_with_a_warning(capsys):
    silent = SimpleNamespace(utterances=())
    require_unlearnt(silent, ["0" * 16], "utterances of dev", "--tune", "", Console())
    assert "does not record its training utterances" in " ".join(capsys.readouterr().err.split())


def test_offsets_of_spikes_by_hand():
    def read(glosses, spans):
        return Hypothesis(tuple(range(1, len(glosses) + 1)), glosses, spans, (1.0,) * len(glosses), 0.0)

    teacher = {"u": read(("A", "B", "C"), ((0, 4), (8, 12), (20, 24)))}
    student = {"u": read(("A", "X", "C"), ((4, 8), (8, 12), (16, 20))), "v": read(("A",), ((0, 4),))}
    assert spike_offset(student, teacher) == (0.0, 4.0)
    assert spike_offset({"v": student["v"]}, teacher) is None


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 9), "U3"), "not real numbers"),
        (np.zeros((2, 9), object), "pickled"),
        (np.zeros((2, 9), complex), "not real numbers"),
        (np.zeros((2, 8)), "instead of"),
        (np.zeros((0, 9)), "instead of"),
        (np.zeros(()), "instead of"),
        (np.full((2, 9), np.nan), "not finite"),
    ],
)
def test_stored_log_probabilities_that_are_none_are_refused(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=said):
        nine_classes(tmp_path)


def test_no_memory_is_taken_for_log_probabilities_that_are_not_there(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 9)))
    data = (tmp_path / "a.npy").read_bytes().replace(b"(2, 9), }" + b" " * 9, b"(2000000000, 9), }")
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match="announces 144,000,000,000 bytes, and there are 144"):
        nine_classes(tmp_path)


def nine_classes(folder):
    """What a teacher of nine classes reads of the one clip in a folder."""
    clips = SimpleNamespace(utterances=[SimpleNamespace(id="a")])
    teacher = StoredTeacher(folder, Vocabulary.build([list("ABCDEFGH")]), clips, "cpu")
    return teacher(SimpleNamespace(index=[0]))
