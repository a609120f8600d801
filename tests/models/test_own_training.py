"""Networks of the user's own, from training to export, and whose code a checkpoint may start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from support.forked import program
from support.quick_corpus import QUICK, write_corpus

import slrcli
from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.errors import CheckpointError, SlrError, UsageError
from slrcli.features.layout import generic_layout
from slrcli.models import trust
from slrcli.models.registry import build_model

MODULE = """
    import torch
    from torch import nn

    from slrcli.models.base import Output, SignModel, log_softmax
    from slrcli.models.frontend import Frontend


    class Net(nn.Module):
        def __init__(self, width, vocab_size, hidden=32, dropout=0.0):
            super().__init__()
            self.convolve = nn.Conv1d(width, hidden, 9, stride=2, padding=4)
            self.register_buffer("shift", torch.full((1,), 0.5), persistent=False)
            self.drop = nn.Dropout(dropout)
            self.head = nn.Linear(hidden, vocab_size)
            nn.init.constant_(self.head.bias[:1], -2.0)

        def forward(self, x, lengths):
            inside = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)).unsqueeze(2)
            x = self.convolve((x * inside).transpose(1, 2)).relu() + self.shift
            return self.head(self.drop(x.transpose(1, 2))), (lengths + 1) // 2


    class Whole(SignModel):
        def __init__(self, frontend, vocab_size):
            super().__init__(frontend, vocab_size)
            self.head = nn.Linear(frontend.width, vocab_size)
            self.recurrence = self.head

        def output_length(self, frames):
            return frames

        def forward(self, x, lengths):
            return Output(log_softmax(self.head(self.frontend(x, lengths))), lengths)


    def uneven(width, vocab_size):
        class Uneven(Net):
            def forward(self, x, lengths):
                scores, _ = super().forward(x, lengths)
                return scores, torch.ones_like(lengths)

        return Uneven(width, vocab_size)
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a module of its own, a corpus, and a run of the module's network; the folder's name of the module
    is its own, so that no other test has imported it."""
    root = tmp_path_factory.mktemp("own")
    (root / "ownnet.py").write_text(dedent(MODULE))
    corpus = write_corpus(root / "corpus")
    arguments = ["train", "--data-dir", corpus, "--arch", "ownnet:Net", "--output-dir", root / "run", *QUICK]
    done = command(root, *arguments, "--set", "model.options.arguments.hidden=48", "--epochs", "30")
    assert done.returncode == 0, done.stderr
    return root


def command(folder, *arguments):
    """`slr` in a process of its own, in that folder."""
    line = [*program("slrcli"), *map(str, arguments)]
    here = {**os.environ, "PYTHONPATH": str(Path(slrcli.__file__).parents[1])}
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120, env=here)


def test_a_network_of_ones_own_learns(trained):
    last = json.loads((trained / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["wer"] < 30
    assert 'arch = "ownnet:Net"' in (trained / "run" / "config.toml").read_text()


def test_a_checkpoint_alone_does_not_start_its_code(trained):
    done = command(trained, "eval", "run", "--data-dir", "corpus")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "ownnet:Net" in told and "--arch ownnet:Net" in told
    named = command(trained, "eval", "run", "--data-dir", "corpus", "--arch", "ownnet:Net", "--json")
    assert named.returncode == 0, named.stderr
    assert json.loads(named.stdout)["wer"] < 30


def test_the_module_that_is_missing_is_named(trained, tmp_path):
    done = command(tmp_path, "eval", trained / "run", "--data-dir", trained / "corpus", "--arch", "ownnet:Net")
    assert done.returncode == 1 and "There is no module 'ownnet'" in " ".join(done.stderr.split()), done.stderr


def test_another_own_network_does_not_open_it(trained):
    done = command(trained, "eval", "run", "--data-dir", "corpus", "--arch", "ownnet:Whole")
    assert done.returncode == 1 and "--arch ownnet:Net" in " ".join(done.stderr.split())


def test_it_decodes_aligns_and_resumes(trained):
    clip = next((trained / "corpus" / "features" / "dev").glob("*.npy"))
    own = ["--arch", "ownnet:Net"]
    done = command(trained, "decode", clip, "--model", "run", *own)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    done = command(trained, "align", clip, "--glosses", "LEFT", "--model", "run", *own)
    assert done.returncode == 0, done.stderr
    done = command(trained, "train", "--from-run", "run", "--dry-run")
    assert done.returncode == 1 and "--arch ownnet:Net" in " ".join(done.stderr.split())
    done = command(trained, "train", "--resume", "run")
    assert done.returncode == 1 and "--arch ownnet:Net" in " ".join(done.stderr.split())
    done = command(trained, "train", "--resume", "run", "--epochs", "31", *own)
    assert done.returncode == 0, done.stderr


def test_its_exported_file_says_the_same_without_its_code(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    target = tmp_path / "own.onnx"
    done = command(trained, "export", "run", target, "--arch", "ownnet:Net", "--json")
    assert done.returncode == 0, done.stderr
    clip = next((trained / "corpus" / "features" / "dev").glob("*.npy"))
    exported = command(tmp_path, "decode", clip, "--model", target)
    own = command(trained, "decode", clip, "--model", "run", "--arch", "ownnet:Net")
    assert exported.returncode == 0 and exported.stdout == own.stdout != ""


def test_overfitting_takes_it_too(trained):
    done = command(
        trained, "check", "overfit", "--data-dir", "corpus", "--arch", "ownnet:Net", "--steps", "20", "--json"
    )
    assert json.loads(done.stdout)["findings"] is not None, done.stderr


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The module, importable from the current folder."""
    (tmp_path / "ownmodule.py").write_text(dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ownmodule", raising=False)


@pytest.mark.usefixtures("module")
def test_a_factory_that_takes_the_frontend_gets_it_and_is_the_model():
    model = build_model("ownmodule:Whole", generic_layout(6), 5)
    assert type(model).__name__ == "Whole" and model.output_length(7) == 7
    output = model(torch.full((1, 7, 6), torch.nan), torch.tensor([7]))
    assert torch.allclose(output.log_probs.exp().sum(2), torch.ones(1, 7))


@pytest.mark.usefixtures("module")
def test_scores_become_log_probabilities_and_lengths_are_learnt_by_trying():
    model = build_model("ownmodule:Net", generic_layout(6), 5).eval()
    output = model(torch.randn(2, 9, 6), torch.tensor([9, 4]))
    assert torch.allclose(output.log_probs.exp().sum(2), torch.ones(2, 5), atol=1e-5)
    assert output.lengths.tolist() == [5, 2]
    assert [model.output_length(frames) for frames in (1, 2, 9, 1000, 1001)] == [1, 1, 5, 500, 501]
    assert model.training is False


@pytest.mark.usefixtures("module")
def test_lengths_that_follow_no_rule_need_a_method():
    with pytest.raises(SlrError, match="no whole fraction") as told:
        build_model("ownmodule:uneven", generic_layout(6), 5).output_length(10)
    assert "output_length" in told.value.fix


@pytest.mark.usefixtures("module")
def test_an_argument_that_the_factory_does_not_have_is_named():
    with pytest.raises(UsageError, match="no argument 'depth'"):
        build_model("ownmodule:Net", generic_layout(6), 5, options={"arguments": {"depth": 3}})


def test_what_a_file_names_is_not_even_imported(trained, monkeypatch):
    monkeypatch.chdir(trained)
    monkeypatch.setattr(trust, "_allowed", set())
    monkeypatch.delitem(sys.modules, "ownnet", raising=False)
    with pytest.raises(CheckpointError, match="ownnet:Net"):
        load_checkpoint(trained / "run" / "best.safetensors")
    assert "ownnet" not in sys.modules
    trust.allow("ownnet:Net")
    model, _ = load_checkpoint(trained / "run" / "best.safetensors")
    assert np.isfinite(model(torch.zeros(1, 8, 4), torch.tensor([8])).log_probs.detach().numpy()).all()
    monkeypatch.delitem(sys.modules, "ownnet", raising=False)
