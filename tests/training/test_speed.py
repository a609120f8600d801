"""What speed must not change: the numbers of the plain loop, glosses whatever the batch, checkpoints as they are."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from support.generated_corpus import generate
from support.plain_parity import apart

from slrcli.checkpoints.checkpoint import empty_model, load_checkpoint, save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.cli import COMMANDS, app
from slrcli.config import Config, ModelConfig
from slrcli.console import Console
from slrcli.corpus.clips import Clips
from slrcli.evaluation.evaluate import evaluate
from slrcli.features.layout import load_layout
from slrcli.models.registry import ARCHITECTURES, build_model
from slrcli.recognition.decode import DECODE_BATCH, DecodeOptions, decode_with, read, recognised
from slrcli.recognition.from_checkpoint import Recogniser

LAYOUT = "mediapipe-225"
TIED = 1e-4


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", 0.02)])
def test_a_step_is_that_of_the_plain_loop_on_the_same_batch(tmp_path, precision, most):
    try:
        found = apart(tmp_path, precision, "mediapipe-225", frames=40, classes=24)
    except RuntimeError as error:
        if "could not create a primitive" not in str(error):
            raise
        pytest.skip("this processor trains no LSTM in half precision")
    assert found.loss < most and found.weights < most
    if precision == "fp32":
        assert found.gradient < most
    else:  # no further off than bf16 itself takes the plain loop
        assert 0 < found.gradient < 1.5 * found.halved


def saved(arch, folder, classes=24):
    torch.manual_seed(3)
    layout = load_layout(LAYOUT)
    corpus = generate(folder, 9, layout.positions, classes, seed=2)
    config = Config(model=ModelConfig(arch=arch))
    model = build_model(arch, layout, classes, dropout=config.model.dropout)
    meta = Meta(config, corpus.vocabulary, layout)
    save_checkpoint(folder / "a.safetensors", model, meta)
    return model, meta, corpus


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_checkpoints_network_is_made_without_drawing_a_single_weight(tmp_path, arch):
    model, meta, _ = saved(arch, tmp_path)
    before = torch.get_rng_state()
    assert all(item.is_meta for item in empty_model(meta).parameters())
    read, _ = load_checkpoint(tmp_path / "a.safetensors")
    assert torch.equal(before, torch.get_rng_state())
    x, lengths = torch.randn(2, 30, meta.layout.width), torch.tensor([30, 21])
    with torch.inference_mode():
        ours, theirs = read(x, lengths), model.eval()(x, lengths)
    assert torch.equal(ours.log_probs, theirs.log_probs)


def test_to_open_a_checkpoint_loads_nothing_of_torchs_compiler(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom slrcli.checkpoints.checkpoint import load_checkpoint\n"
        "for path in sys.argv[1:]:\n    load_checkpoint(Path(path))\n"
        "assert not {'sympy', 'torch._dynamo'} & set(sys.modules), sorted(sys.modules)"
    )
    paths = []
    for arch in ARCHITECTURES:
        (tmp_path / arch).mkdir()
        saved(arch, tmp_path / arch)
        paths.append(str(tmp_path / arch / "a.safetensors"))
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-300:]


def agree(one, other):
    """Same glosses, unless the two hypotheses are as probable as each other."""
    for id, item in one.items():
        assert item.glosses == other[id].glosses or abs(item.score - other[id].score) < TIED, id


@pytest.mark.parametrize("arch", ["conv-bilstm", "conformer", "streaming", "mobilenetv3"])
def test_glosses_do_not_depend_on_the_batch(tmp_path, arch):
    model, meta, corpus = saved(arch, tmp_path)
    recogniser = Recogniser(model, meta.vocabulary, meta)
    clips = Clips([replace(item, glosses=()) for item in corpus.positions], meta.layout)
    alone = evaluate(recogniser, clips, 1).hypotheses
    assert sum(len(item.glosses) for item in alone.values()) > 0
    for size in (2, 3, 5, 9):
        agree(alone, evaluate(recogniser, clips, size).hypotheses)
    files = [item.features for item in corpus.positions]
    for part in (files, files[3:5], files[::-1]):
        agree(
            {str(item.path.stem): item.hypothesis for item in recognised(recogniser, read(recogniser, part, {}), {})},
            alone,
        )


def test_files_are_read_while_others_are_recognised_and_come_in_order(tmp_path):
    model, meta, corpus = saved("conv-bilstm", tmp_path)
    recogniser = Recogniser(model, meta.vocabulary, meta)
    (tmp_path / "broken.npy").write_bytes(b"no array")
    files = 2 * [item.features for item in corpus.positions]
    files.insert(DECODE_BATCH + 1, tmp_path / "broken.npy")
    order: list[tuple[str, int]] = []

    class Watched(type(recogniser)):
        def read(self, path, fps=0.0):
            order.append(("read", len(order)))
            return super().read(path, fps)

        def recognise(self, clips, names=None):
            order.append(("recognised", len(clips)))
            end = time.monotonic() + 60
            while len(clips) == DECODE_BATCH and sum(kind == "read" for kind, _ in order) <= DECODE_BATCH:
                assert time.monotonic() < end  # the second batch must come in while the first is at work
            return super().recognise(clips, names)

    found = list(decode_with(Console(quiet=True), Watched(model, meta.vocabulary, meta), files, DecodeOptions()))
    assert [item.path for item in found] == files
    assert [item.error is not None for item in found] == [file.name == "broken.npy" for file in files]
    assert [count for kind, count in order if kind == "recognised"] == [8, 7, 3]


def test_the_help_of_all_commands_says_what_each_says_of_itself():
    import typer

    group = typer.main.get_command(app)
    assert group.list_commands(None) == [*COMMANDS]
    for name, place in COMMANDS.items():
        command = group.get_command(None, name)
        text = (command.help or "").strip().split("\n\n")[0]
        assert command.name == name and " ".join(text.split()) == place.text, name
    assert group.get_command(None, "trian") is None


def test_memory_that_is_kept_is_used_again():
    code = (
        "import resource, slrcli.parallel.memory as memory\n"
        "assert memory.keep_freed_memory() in (True, False)\nimport torch\n"
        "def faults():\n    torch.ones(8_000_000)\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "faults(); before = faults(); print([faults() for _ in range(5)][-1] - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if sys.platform == "linux":
        assert int(done.stdout) < 1000  # 5 times 32 MB of fresh pages would be 39,000
