"""One file decodes as its run does: decoder, language model and calibration travel in the checkpoint and in what is
exported of it."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from support.calling import slr
from support.noisy_corpus import write_corpus

import slrcli
from slrcli.checkpoints.checkpoint import amend_checkpoint, load_checkpoint, read_checkpoint, save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import Config, DecodeConfig
from slrcli.decoding.calibration import weights_hash
from slrcli.errors import CheckpointError, SlrError
from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.language import NgramModel, estimate, write_arpa
from slrcli.models.registry import build_model

QUICK = ("--batch-size", 4, "--warmup-epochs", 1, "--lr", "2e-3")
SAID = ("--beam", 6, "--lm-weight", 2, "--insertion-bonus", 0.5)  # so that nothing is left to search
CLIPS = "corpus/features/dev"


def done(*arguments) -> str:
    """What a command that must succeed writes to stdout."""
    result = slr(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def decoded(model, *options) -> list[dict]:
    """What `slr decode --json` makes of the dev clips."""
    return json.loads(done("decode", CLIPS, "--model", model, "--json", *options))


def same(found: list[dict], wanted: list[dict], within: float) -> bool:
    """Whether two decodings agree in glosses and places, and within so much in confidences."""
    glosses, others = ([item for clip in side for item in clip["glosses"]] for side in (found, wanted))
    places, there = ([(item["gloss"], item["start"], item["end"]) for item in side] for side in (glosses, others))
    return places == there and all(
        abs(one["confidence"] - other["confidence"]) <= within for one, other in zip(glosses, others, strict=True)
    )


def changed(checkpoint: Path, times: float, **known: Any) -> None:
    """Multiply a checkpoint's weights, and let it know something else."""
    model, meta = load_checkpoint(checkpoint)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(times)
    save_checkpoint(checkpoint, model, replace(meta, **known))


@pytest.fixture(scope="module", autouse=True)
def traces():
    """Tracing takes seconds: the same weights are traced once."""
    onnx = pytest.importorskip("onnx")
    export = pytest.importorskip("slrcli.recognition.export")
    kept, traced = {}, export._traced

    def once(model, width):
        key = tuple(float(weights.detach().sum()) for weights in model.parameters())
        if key not in kept:
            kept[key] = traced(model, width).SerializeToString()
        return onnx.ModelProto.FromString(kept[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_traced", once)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a corpus, a language model, an untuned run, and a run of each kind, all of the same weights."""
    folder, here = tmp_path_factory.mktemp("runs"), os.getcwd()
    os.chdir(folder)
    try:
        write_corpus(folder / "corpus")
        done("train", "--data-dir", "corpus", "--output-dir", "frames", *QUICK, "--epochs", 3, "--set", "loss.frames=1")
        shutil.copytree("frames", "plain")
        changed(Path("plain/best.safetensors"), 1, decode=DecodeConfig())
        changed(Path("plain/last.safetensors"), 1.01, decode=DecodeConfig())
        done("lm", "--data-dir", "corpus", "--out", "lm.arpa")
        shutil.copytree("plain", "tuned")
        done("eval", "tuned", "--data-dir", "corpus", "--tune", "--lm", "lm.arpa", *SAID)
        shutil.copytree("plain", "calibrated")
        done("eval", "calibrated", "--data-dir", "corpus", "--calibrate")
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def there(runs, monkeypatch):
    monkeypatch.chdir(runs)
    return runs


COMMANDS = (
    ("decode", CLIPS, "--model", "plain"),
    ("eval", "plain", "--data-dir", "corpus"),
    ("eval", "copy", "--data-dir", "corpus", "--tune", *SAID),
)


@pytest.mark.parametrize("command", COMMANDS, ids=["decode", "eval", "tune"])
def test_a_language_model_that_lacks_glosses_is_told_before_it_decodes(there, tmp_path, command):
    closed = estimate([["LEFT", "right"], ["LEFT"]], 2, "csl-daily@1")[0]
    table = {ngram: values for ngram, values in closed.tables[0].items() if ngram != ("<unk>",)}
    write_arpa(tmp_path / "closed.arpa.gz", NgramModel((table, closed.tables[1]), closed.normaliser))
    shutil.copytree("plain", "copy", dirs_exist_ok=True)
    result = slr(*command, "--lm", tmp_path / "closed.arpa.gz")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "lacks 2 of the vocabulary's 3 glosses (RIGHT, STOP)." in told and "rarest gloss" in told
    assert "after case folding: RIGHT and right." in told and "normaliser csl-daily@1" in told


def test_of_a_language_model_that_knows_all_glosses_nothing_is_said(there):
    result = slr("decode", CLIPS, "--model", "plain", "--lm", "lm.arpa")
    assert result.exit_code == 0 and "language model" not in result.stderr


def test_every_kind_of_run_decodes_otherwise_than_the_plain_one(there):
    plain = decoded("plain")
    for run in ("frames", "tuned", "calibrated"):
        assert not same(decoded(run), plain, 1e-4), run


@pytest.mark.parametrize("run", ["frames", "tuned", "calibrated"])
def test_a_checkpoint_that_is_copied_alone_decodes_as_its_run_does(there, tmp_path, run):
    alone = shutil.copy(Path(run, "best.safetensors"), tmp_path / "alone.safetensors")
    assert same(decoded(alone), decoded(run), 0)


@pytest.mark.parametrize("run", ["frames", "tuned", "calibrated"])
def test_an_exported_file_decodes_as_its_run_does(there, tmp_path, run):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    done("export", run, tmp_path / "model.onnx")
    assert same(decoded(tmp_path / "model.onnx"), decoded(run), 1e-3)
    ours, theirs = (slrcli.load(model).decode(f"{CLIPS}/dev0.npy") for model in (run, tmp_path / "model.onnx"))
    assert ours.glosses and (ours.glosses, ours.spans) == (theirs.glosses, theirs.spans)
    assert ours.confidences == pytest.approx(theirs.confidences, abs=1e-3)


def test_what_was_tuned_or_calibrated_belongs_to_the_one_checkpoint(there):
    for run in ("tuned", "calibrated"):
        assert same(decoded(f"{run}/last.safetensors"), decoded("plain/last.safetensors"), 0)
        for name in ("best", "last"):
            assert weights_hash(Path(run, f"{name}.safetensors")) == weights_hash(Path(f"plain/{name}.safetensors"))


def test_the_weights_of_a_tuned_checkpoint_are_the_same_bit_for_bit(there):
    for run in ("tuned", "calibrated"):
        with (
            safe_open(f"{run}/best.safetensors", "pt") as ours,
            safe_open("plain/best.safetensors", "pt") as before,
        ):
            assert list(ours.keys()) == list(before.keys())
            for name in ours.keys():  # noqa: SIM118 (no mapping)
                assert ours.get_tensor(name).numpy().tobytes() == before.get_tensor(name).numpy().tobytes()


def test_the_signature_of_a_score_names_the_decoder_that_the_file_carries(there, tmp_path):
    alone = shutil.copy("tuned/best.safetensors", tmp_path / "alone.safetensors")
    options = ("--data-dir", "corpus", "--split", "dev", "--json")
    scores = [json.loads(done("eval", model, *options)) for model in (alone, "tuned")]
    assert scores[0]["signature"] == scores[1]["signature"]
    assert scores[0]["decoder"].startswith("beam6;lm=")


def test_settings_beside_overrule_those_within_and_are_exported(there, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    shutil.copy("tuned/best.safetensors", tmp_path / "best.safetensors")
    (tmp_path / "decode.toml").write_text("[decode]\nbeam = 8\nnbest = 2\n")
    wanted = decoded(tmp_path)
    assert all(len(clip["others"]) == 1 for clip in wanted)
    done("export", tmp_path, tmp_path / "there" / "model.onnx")
    assert same(decoded(tmp_path / "there" / "model.onnx"), wanted, 1e-3)
    assert all(len(clip["others"]) == 1 for clip in decoded(tmp_path / "there" / "model.onnx"))


def test_settings_that_were_tuned_for_other_weights_are_left_aside_and_that_is_said(there):
    told = slr("decode", CLIPS, "--model", "tuned/last.safetensors")
    assert "tuned for other weights" in " ".join(told.stderr.split())
    assert "tuned for other weights" not in " ".join(slr("decode", CLIPS, "--model", "tuned").stderr.split())


def test_a_large_language_model_is_referred_to_and_missed_in_plain_words(there, tmp_path, monkeypatch):
    monkeypatch.setattr("slrcli.language.stored.stored.__defaults__", (10,))
    shutil.copytree("plain", tmp_path / "run")
    shutil.copy("lm.arpa", tmp_path / "run" / "lm.arpa")
    done("eval", tmp_path / "run", "--data-dir", "corpus", "--tune", "--lm", tmp_path / "run" / "lm.arpa", *SAID)
    (tmp_path / "run" / "decode.toml").unlink()
    assert load_checkpoint(tmp_path / "run" / "best.safetensors")[1].tuned.lm == "lm.arpa"
    moved = shutil.copytree(tmp_path / "run", tmp_path / "moved")
    assert same(decoded(moved), decoded("tuned"), 0)
    (moved / "lm.arpa").unlink()
    for command in (("decode", CLIPS, "--model", moved), ("eval", moved, "--data-dir", "corpus", "--split", "dev")):
        failed = slr(*command)
        text = " ".join(failed.stderr.split())
        assert failed.exit_code == 1 and "was tuned with the language model lm.arpa, which is missing" in text
        assert "--lm FILE" in text and "Traceback" not in text
    assert same(decoded(moved, "--lm", "lm.arpa"), decoded("tuned"), 0)
    assert same(decoded(moved, "--beam", 0), decoded("plain"), 0)


def with_tensors(folder, change):
    """A small checkpoint whose tensors, by their names, `change` replaces."""
    layout = load_layout("kinect-20")
    model = build_model("tcn", layout, 3, options={"width": 8, "first": 8})
    save_checkpoint(folder / "a.safetensors", model, Meta(Config(), Vocabulary.build([["A", "B"]]), layout))
    with safe_open(folder / "a.safetensors", framework="pt") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(tensors | change(tensors), folder / "b.safetensors", about)
    return folder / "b.safetensors"


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int32])
def test_a_checkpoint_with_tensors_of_another_type_is_inconsistent(tmp_path, kind):
    def first_as_kind(tensors):
        name = next(iter(tensors))
        return {name: tensors[name].to(kind)}

    with pytest.raises(CheckpointError, match="inconsistent"):
        load_checkpoint(with_tensors(tmp_path, first_as_kind))


@pytest.mark.parametrize("name", ["config", "layout", "data_hash", "vocabulary"])
@pytest.mark.parametrize("value", [None, 3, [], ["x"]])
def test_a_damaged_checkpoint_is_not_amended(tmp_path, name, value):
    path = with_tensors(tmp_path, dict)
    with safe_open(path, framework="pt") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    known = {**json.loads(about["slr"]), name: value}
    known = {key: item for key, item in known.items() if item is not None}
    save_file(tensors, path, about | {"slr": json.dumps(known)})
    before = path.read_bytes()
    with pytest.raises(SlrError):
        amend_checkpoint(path, tuned={"beam": 5})
    assert path.read_bytes() == before


def test_a_checkpoint_of_a_corpus_whose_name_is_not_utf8_is_written_and_amended(tmp_path):
    path, layout = tmp_path / "a.safetensors", load_layout("kinect-20")
    model = build_model("tcn", layout, 3, options={"width": 8, "first": 8})
    config = replace(Config(), data=replace(Config().data, data_dir="/x/a\udcff"))
    save_checkpoint(path, model, Meta(config, Vocabulary.build([["A", "B"]]), layout))
    amend_checkpoint(path, tuned={"beam": 5})
    meta = Meta.from_dict(read_checkpoint(path)[1], str(path))
    assert meta.config.data.data_dir == "/x/a\udcff" and meta.tuned.beam == 5


@pytest.mark.parametrize("number", [-1, 60, 2**40])
def test_a_checkpoint_of_columns_that_its_layout_does_not_choose_is_inconsistent(tmp_path, number):
    def of_others(tensors):
        columns = tensors["frontend.columns"].clone()
        columns[3] = number
        return {"frontend.columns": columns}

    with pytest.raises(CheckpointError, match="columns are not those of the layout kinect-20"):
        load_checkpoint(with_tensors(tmp_path, of_others))
