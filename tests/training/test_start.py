"""Runs that start from another recogniser's weights, which are carried over by gloss and by the name of a point."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.checkpoints.checkpoint import load_checkpoint, read_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import Config, Facts, ModelConfig, fine_tuning
from slrcli.errors import SlrError
from slrcli.features.layout import Layout, generic_layout, load_layout
from slrcli.features.recording import Recording, fit
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.registry import ARCHITECTURES, build_model
from slrcli.training.start import Source, carry_over

SMALL = {
    "tcn": {"width": 16, "first": 8},
    "conv-bilstm": {"width": 16, "layers": 1},
    "ensemble": {"width": 16, "layers": 1, "members": 2},
    "conformer": {"width": 16, "layers": 2, "heads": 2},
    "streaming": {"width": 16, "layers": 1},
    "mobilenetv3": {"width": 0.1},
    "mobilenetv3-collapsed": {"width": 0.1},
}
HAND = ("wrist", "thumb_tip", "index_tip", "middle_tip")


def hands(*points, left=True):
    """A layout of one or two hands without a body."""
    names = ("left_hand", "right_hand") if left else ("right_hand",)
    groups = [{"name": n, "kind": "hand", "coordinates": ["x", "y"], "points": list(points), "anchor": ["wrist"]}
              for n in names]  # fmt: skip
    return Layout.from_dict({"name": f"hands-{len(points)}", "units": "image", "groups": groups}, "test")


def vocabulary(*glosses):
    return Vocabulary(("<blank>", *glosses), (0, *(1 for _ in glosses)))


def recogniser(arch, layout, known, seed=0):
    torch.manual_seed(seed)
    model = build_model(arch, layout, len(known), dropout=0.0, options=SMALL[arch]).eval()
    config = Config(model=ModelConfig(arch=arch, options=SMALL[arch]))
    return Source(Path("source.safetensors"), model, Meta(config, known, layout))


def read(model, x):
    with torch.inference_mode():
        return model(torch.from_numpy(x)[None], torch.tensor([len(x)])).log_probs[0]


def clip(layout, frames=40, seed=0):
    return np.random.default_rng(seed).random((frames, layout.width)).astype(np.float32)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_recogniser_of_the_same_glosses_and_points_is_the_same_one(arch):
    layout, known = hands(*HAND), vocabulary("A", "B", "C")
    source, model = recogniser(arch, layout, known), recogniser(arch, layout, known, seed=1).model
    carried = carry_over(source, model, known)
    assert not (carried.new_glosses or carried.new_columns or carried.anew or carried.dropped)
    for name, tensor in source.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_glosses_keep_their_scores_in_another_order_and_beside_new_ones(arch):
    layout = hands(*HAND)
    source = recogniser(arch, layout, vocabulary("A", "B", "C", "D"))
    wider = vocabulary("D", "NEW", "B", "A")
    model = recogniser(arch, layout, wider, seed=1).model
    carried = carry_over(source, model, wider)
    assert (carried.new_glosses, carried.dropped) == (["NEW"], ["C"])
    before, after = read(source.model, clip(layout)), read(model, clip(layout))
    ratio = after[:, [0, 4, 3, 1]] - before[:, [0, 1, 2, 4]]  # blank, A, B, D: only the sum over all classes differs
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_vocabulary_of_the_same_size_is_mapped_by_gloss_and_not_by_place(arch):
    layout = hands(*HAND)
    source = recogniser(arch, layout, vocabulary("A", "B", "C"))
    model = recogniser(arch, layout, vocabulary("C", "A", "B"), seed=1).model
    carry_over(source, model, vocabulary("C", "A", "B"))
    assert torch.allclose(read(source.model, clip(layout))[:, [0, 3, 1, 2]], read(model, clip(layout)), atol=1e-5)


@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if not arch.startswith("mobilenetv3")])
def test_points_are_mapped_by_name_and_not_by_place(arch):
    full, part = hands(*HAND), hands("middle_tip", "wrist", "index_tip")
    known = vocabulary("A", "B")
    source, model = recogniser(arch, full, known), recogniser(arch, part, known, seed=1).model
    carried = carry_over(source, model, known)
    assert not carried.new_columns and len(carried.columns) == model.frontend.width < source.model.frontend.width
    x = clip(full)
    for group in full.groups:
        x[:, [group.column("thumb_tip", axis) for axis in "xy"]] = np.nan
    y = fit(Recording(x, full), part).values
    # a missing point counts as the mean; only the share of each hand that is there differs, and it is left out
    drop = [i for i, name in enumerate(carried.columns) if name.startswith("share")]
    for network in (source.model, model):
        network.frontend.mean[-2:], network.frontend.std[-2:] = 0, 1e6
    assert drop
    assert torch.allclose(read(source.model, x), read(model, y), atol=1e-4)


def test_columns_of_one_name_hold_the_same_numbers_in_every_layout():
    rng = np.random.default_rng(0)
    full, part = load_layout("mediapipe-1629"), load_layout("mediapipe-258")
    x = rng.random((30, full.width)).astype(np.float32)
    y = fit(Recording(x, full), part).values
    options = FrontendOptions(derivatives=2)
    lengths = torch.tensor([30])
    found = []
    for layout, values in ((full, x), (part, y)):
        frontend = Frontend(layout, options)
        names = [name for block in frontend.names().values() for name in block]
        assert [len(block) for block in frontend.names().values()] == list(frontend.groups.values())
        assert len(set(names)) == len(names) == frontend.width
        found.append(dict(zip(names, frontend.raw(torch.from_numpy(values)[None], lengths)[0][0].T, strict=True)))
    common = [name for name in found[0] if name in found[1] and not name.startswith("share")]
    assert len(common) > 200
    for name in common:
        assert torch.allclose(found[0][name], found[1][name], atol=1e-4, equal_nan=True), name


@pytest.mark.parametrize("layout", ["mediapipe-6516", "holistic-576", "generic-7"])
@pytest.mark.parametrize("options", [FrontendOptions(), FrontendOptions(False, False, False, derivatives=3)])
def test_every_column_has_a_name_of_its_own(layout, options):
    frontend = Frontend(load_layout(layout), options)
    assert {name: len(block) for name, block in frontend.names().items()} == frontend.groups
    names = [name for block in frontend.names().values() for name in block]
    assert len(set(names)) == frontend.width


def test_new_points_need_to_be_asked_for():
    known = vocabulary("A", "B")
    source = recogniser("tcn", hands(*HAND[:3]), known)
    model = recogniser("tcn", hands(*HAND), known, seed=1).model
    before = model.project.weight.clone()
    with pytest.raises(SlrError, match="middle_tip") as told:
        carry_over(source, recogniser("tcn", hands(*HAND), known).model, known)
    assert "--init-partial" in told.value.fix
    carried = carry_over(source, model, known, partial=True)
    new = torch.tensor([not kept for kept in carried.columns.values()])
    after = model.project.weight
    assert new.any() and not new.all()
    assert torch.equal(after[:, new], before[:, new]) and not torch.equal(after[:, ~new], before[:, ~new])


def test_units_have_to_agree_where_nothing_normalises_them():
    known, layout = vocabulary("A", "B"), hands(*HAND)
    pixels = replace(layout, units="pixels")
    source = recogniser("mobilenetv3", layout, known)
    with pytest.raises(SlrError, match="pixels units cannot replace"):
        carry_over(source, recogniser("mobilenetv3", pixels, known).model, known)


# The command

FINE = ["--epochs", "3", "--batch-size", "4", "--lr", "2e-3", "--device", "cpu"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A corpus and a run on it."""
    root = tmp_path_factory.mktemp("start")
    corpus = write_corpus(root / "corpus")
    assert slr("train", "--data-dir", corpus, "--output-dir", root / "run", *QUICK).exit_code == 0
    return corpus, root / "run"


def new_corpus(root, gloss="WAVE"):
    """Other sentences of other recordings, in which one gloss is new."""
    corpus = write_corpus(root)
    for number, path in enumerate(sorted((root / "features").rglob("*.npy"))):
        x = np.load(path)
        np.save(path, (x + 0.01 * np.random.default_rng(number).normal(size=x.shape)).astype(np.float32))
    for path in (root / "annotations").iterdir():
        text = path.read_text().replace("STOP", gloss)
        path.write_text("\n".join(line.replace("|ann|", "|cleo|").replace("|bob|", "|dan|") for line in
                                  text.splitlines()) + "\n")  # fmt: skip
    return corpus


@pytest.fixture(scope="session")
def tuned(trained, tmp_path_factory):
    """A run that started from the other one, on a corpus with a new gloss."""
    _, source = trained
    root = tmp_path_factory.mktemp("tuned")
    corpus = new_corpus(root / "corpus")
    done = slr("train", "--data-dir", corpus, "--init", source, "--output-dir", root / "run", *FINE)
    assert done.exit_code == 0, done.output
    return corpus, root / "run", done


def test_a_run_says_what_it_starts_from_and_what_is_new(trained, tuned):
    _, run, done = tuned
    assert "3 of 4 glosses" in done.output and "New glosses: WAVE" in done.output
    rows = [line.split("\t") for line in (run / "start.tsv").read_text().splitlines()]
    assert [row[1:] for row in rows if row[0] == "gloss"] == [
        ["LEFT", "kept"], ["RIGHT", "kept"], ["STOP", "kept"], ["WAVE", "new"],
    ]  # fmt: skip
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["start"]["init"] == str(trained[1])
    log = (run / "training.log").read_text()
    assert "Before the first step: WER" in log


def test_old_glosses_keep_their_ids_and_are_not_forgotten(trained, tuned):
    corpus, source = trained
    _, run, _ = tuned
    before, after = (load_checkpoint(folder / "best.safetensors")[1] for folder in (source, run))
    assert after.vocabulary.tokens == (*before.vocabulary.tokens, "WAVE")
    done = slr("eval", run, "--data-dir", corpus, "--json")
    assert '"wer"' in done.output and done.exit_code == 0


def test_a_checkpoint_knows_what_its_ancestors_have_learnt(trained, tuned):
    _, source = trained
    _, run, _ = tuned
    before, after = (load_checkpoint(folder / "last.safetensors")[1] for folder in (source, run))
    assert set(before.utterances) < set(after.utterances)
    assert set(before.sentences) < set(after.sentences)
    [ancestor] = after.ancestry
    assert ancestor["data_hash"] == before.data_hash and ancestor["glosses"] == 3
    assert Meta.from_dict(after.to_dict(), "test").ancestry == after.ancestry


def test_the_statistics_of_the_features_stay_unless_they_are_to_be_measured(trained, tuned, tmp_path):
    corpus, run, _ = tuned
    _, source = trained
    old, kept = (read_checkpoint(folder / "last.safetensors")[0]["frontend.mean"] for folder in (source, run))
    assert torch.equal(old, kept)
    again = ["--set", "start.statistics=measured", "--epochs", "1"]
    assert slr("train", "--data-dir", corpus, "--init", source, "--output-dir", tmp_path / "m", *again).exit_code == 0
    assert not torch.equal(old, read_checkpoint(tmp_path / "m" / "last.safetensors")[0]["frontend.mean"])


def test_frozen_parts_stay_as_they_were_to_the_bit(trained, tmp_path):
    _, source = trained
    other = new_corpus(tmp_path / "corpus")
    run = tmp_path / "run"
    frozen = ["--freeze", "project", "--freeze", "blocks"]
    done = slr("train", "--data-dir", other, "--init", source, "--output-dir", run, *frozen, *FINE)
    assert done.exit_code == 0, done.output
    before, after = (read_checkpoint(folder / "best.safetensors")[0] for folder in (source, run))
    for name, tensor in after.items():
        if name.startswith(("project.", "blocks.")):
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(after["recurrence.blocks.0.conv.weight"], before["recurrence.blocks.0.conv.weight"])


def test_an_unknown_part_cannot_be_frozen(trained, tmp_path):
    _, source = trained
    done = slr("train", "--data-dir", new_corpus(tmp_path / "c"), "--init", source, "--freeze", "block",
               "--output-dir", tmp_path / "run")  # fmt: skip
    assert done.exit_code == 2 and "no part 'block'" in done.output and "blocks" in done.output
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_ends_as_an_uninterrupted_one(tuned, trained, tmp_path):
    corpus, _, _ = tuned
    short = [*FINE[2:], "--set", "optim.schedule=constant", "--warmup-epochs", "0"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ["train", "--data-dir", corpus, "--init", trained[1], "--freeze", "project", *short]
    assert slr(*arguments, "--epochs", "2", "--output-dir", whole).exit_code == 0
    assert slr(*arguments, "--epochs", "1", "--output-dir", parts).exit_code == 0
    assert slr("train", "--resume", parts, "--epochs", "2").exit_code == 0
    one, other = (read_checkpoint(folder / "last.safetensors") for folder in (whole, parts))
    for name, tensor in one[0].items():
        assert torch.equal(tensor, other[0][name]), name
    assert one[1]["ancestry"] == other[1]["ancestry"] and one[1]["utterances"] == other[1]["utterances"]


def test_a_recogniser_that_has_learnt_dev_is_refused(trained, tmp_path):
    corpus, source = trained
    tables = tmp_path / "corpus"
    write_corpus(tables)
    train, dev = (tables / "annotations" / f"{name}.corpus.csv" for name in ("train", "dev"))
    head, *rows = train.read_text().splitlines()
    dev.write_text("\n".join([head, *rows[:6]]) + "\n")
    train.write_text("\n".join([head, *rows[6:]]) + "\n")
    for path in (tables / "features" / "train").glob("*.npy"):
        (tables / "features" / "dev" / path.name).write_bytes(path.read_bytes())
    done = slr("train", "--data-dir", tables, "--init", source, "--output-dir", tmp_path / "run")
    assert done.exit_code == 1 and "was trained on 6 of" in done.output, done.output
    done = slr("train", "--data-dir", corpus, "--init", source, "--folds", "2", "--output-dir", tmp_path / "run")
    assert done.exit_code == 1 and "was trained on" in done.output, done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [["--arch", "conv-bilstm"], ["--set", "model.options.strides=3"]])
def test_the_network_is_that_of_the_source(trained, tmp_path, more):
    corpus = new_corpus(tmp_path / "corpus")
    done = slr("train", "--data-dir", corpus, "--init", trained[1], *more, "--output-dir", tmp_path / "run")
    assert done.exit_code == 2 and "cannot be changed" in done.output, done.output


def test_another_normaliser_is_refused(trained, tmp_path):
    corpus = new_corpus(tmp_path / "corpus")
    done = slr("train", "--data-dir", corpus, "--init", trained[1], "--normaliser", "lowercase",
               "--output-dir", tmp_path / "run")  # fmt: skip
    assert done.exit_code != 0


def test_a_missing_source_is_an_error(tmp_path):
    corpus = write_corpus(tmp_path / "corpus")
    done = slr("train", "--data-dir", corpus, "--init", tmp_path / "nowhere")
    assert done.exit_code == 1 and "nowhere" in done.output.replace("\n", "")


def test_clips_are_read_at_the_rate_of_the_source(trained, tmp_path):
    corpus = new_corpus(tmp_path / "corpus")
    (corpus / "corpus.toml").write_text("fps = 50\n")
    source = trained[1]
    assert load_checkpoint(source / "best.safetensors")[1].fps == 0  # nobody knows it: clips are read as they are
    run = tmp_path / "run"
    slow = tmp_path / "slow"
    base = write_corpus(tmp_path / "base")
    (base / "corpus.toml").write_text("fps = 25\n")
    assert slr("train", "--data-dir", base, "--output-dir", slow, *QUICK, "--epochs", "1").exit_code == 0
    done = slr("train", "--data-dir", corpus, "--init", slow, "--output-dir", run, "--epochs", "1")
    assert done.exit_code == 0, done.output
    assert load_checkpoint(run / "last.safetensors")[1].fps == 25
    frames = sum(len(np.load(path)) for path in (corpus / "features" / "train").glob("*.npy"))
    assert f"{frames:,} frames" not in done.output


def test_generic_features_of_another_width_are_not_mapped():
    known = vocabulary("A")
    source = recogniser("tcn", generic_layout(4), known)
    with pytest.raises(SlrError):
        carry_over(source, recogniser("tcn", generic_layout(3), known).model, known)


def test_few_utterances_are_averaged_with_what_the_run_started_from(trained, tmp_path):
    corpus, source = new_corpus(tmp_path / "corpus", gloss="STOP"), trained[1]
    runs = {}
    for blend in ("0.25", "1.0"):
        run = runs[blend] = tmp_path / blend
        done = slr("train", "--data-dir", corpus, "--init", source, "--set", f"start.blend={blend}",
                   "--output-dir", run, *FINE)  # fmt: skip
        assert done.exit_code == 0, done.output
    before = read_checkpoint(source / "best.safetensors")[0]
    part, whole = (read_checkpoint(run / "last.safetensors")[0] for run in runs.values())
    assert not torch.equal(whole["project.weight"], before["project.weight"])
    for name, tensor in part.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, torch.lerp(before[name], whole[name], 0.25), atol=1e-6), name


def test_the_average_is_resumed_bit_for_bit(trained, tmp_path):
    corpus = new_corpus(tmp_path / "corpus")
    constant = [*FINE[2:], "--set", "optim.schedule=constant", "--warmup-epochs", "0", "--set", "start.blend=0.5"]
    arguments = ["train", "--data-dir", corpus, "--init", trained[1], *constant]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert slr(*arguments, "--epochs", "2", "--output-dir", whole).exit_code == 0
    assert slr(*arguments, "--epochs", "1", "--output-dir", parts).exit_code == 0
    assert slr("train", "--resume", parts, "--epochs", "2").exit_code == 0
    one, other = (read_checkpoint(folder / "last.safetensors")[0] for folder in (whole, parts))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_new_glosses_are_not_averaged_with_what_was_drawn_for_them():
    layout = hands(*HAND)
    source = recogniser("tcn", layout, vocabulary("A", "B"))
    wider = vocabulary("A", "B", "NEW")
    model = recogniser("tcn", layout, wider, seed=1).model
    anchor = carry_over(source, model, wider).anchor
    target = recogniser("tcn", layout, wider, seed=2).model
    with torch.no_grad():
        model.classifier.weight += 1
    anchor.blend(target, model, 0.5)
    assert torch.equal(target.classifier.weight[3], model.classifier.weight[3])
    assert torch.allclose(target.classifier.weight[:3], model.classifier.weight[:3] - 0.5)


def test_the_share_of_the_trained_weights_grows_with_the_utterances():
    shares = [next(c.value for c in fine_tuning(Facts(n, 4 * n, 100 * n, n)) if c.setting == "start.blend")
              for n in (5, 20, 1000)]  # fmt: skip
    assert shares == [0.5, 0.8, 1.0]
