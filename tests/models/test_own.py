"""`slr check model package.module:factory`: models that people bring themselves, and what can be wrong about them."""

import json
import sys
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from slrcli.cli.check.check import app

MODEL = """
    import torch
    from torch import nn


    class Mine(nn.Module):
        def __init__(self, width, vocab_size, hidden=8):
            super().__init__()
            self.conv = nn.Conv1d(width, hidden, 9, padding=4)
            self.head = nn.Linear(hidden, vocab_size)

        def forward(self, x, lengths):
            print("as people do while they look for a fault")
            inside = (torch.arange(x.shape[1]) < lengths.unsqueeze(1)).unsqueeze(2)
            local = self.conv(torch.where(inside, x.nan_to_num(), 0.0).transpose(1, 2)).transpose(1, 2)
            return self.head(torch.tanh(local)).float().log_softmax(2), lengths


    class Pooled(Mine):
        def __init__(self, width, vocab_size):
            super().__init__(width, vocab_size)
            self.pool = nn.AdaptiveAvgPool1d(1)
            self.recurrence = nn.LSTM(8, 8, batch_first=True)

        def forward(self, x, lengths):
            local = self.pool(self.conv(x.nan_to_num().transpose(1, 2))).expand(-1, -1, x.shape[1])
            return self.head(self.recurrence(local.transpose(1, 2))[0]).float().log_softmax(2), lengths


    class Late(Mine):
        def __init__(self, width, vocab_size):
            super().__init__(width, vocab_size)
            self.conv = nn.LazyConv1d(8, 9, padding=4)


    class Shapeless(Mine):
        def forward(self, x, lengths):
            return super().forward(x, lengths)[0]


    ready = Mine(6, 11)
    number = 7


    def everything(**settings):
        assert settings["layout"].width == settings["width"] == 6
        return Mine(settings["width"], settings["vocab_size"])


    def raises(width):
        raise RuntimeError("no such luck")


    def wants(width, depth):
        return Mine(width, depth)


    def no_model(vocab_size):
        return [vocab_size]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of the user's own, to stand in."""
    package = tmp_path / "mypkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mymodel.py").write_text(dedent(MODEL))
    (package / "broken.py").write_text("import numpy\nvalue = numpy.nothing_of_the_kind\n")
    (package / "leaves.py").write_text("raise SystemExit(3)\n")
    (package / "needs.py").write_text("import nothing_installed_has_this_name\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mypkg"]:
        del sys.modules[name]


def check(target, *options):
    return CliRunner().invoke(app, ["model", target, "--layout", "generic-6", "--vocab-size", "11", *options])


@pytest.mark.parametrize("factory", ["Mine", "everything", "ready", "Late"])
def test_a_class_a_function_and_a_ready_made_module_are_examined(factory):
    path = list(sys.path)
    result = check(f"mypkg.mymodel:{factory}", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["subject"] == f"Model mypkg.mymodel:{factory} (generic-6, 11 classes)"
    assert answer["summary"]["errors"] == 0
    assert {row["layer"] for row in answer["profile"]} >= {"conv", "head", ""}
    assert set(answer["gradients"]) == {"conv.weight", "conv.bias", "head.weight", "head.bias"}
    # a convolution of 6 x 9 to 8 channels and a classifier of 11: multiply-adds counted by hand
    assert answer["cost"]["multiply_adds_per_frame"] == 6 * 9 * 8 + 8 * 11
    field = answer["receptive_field"]
    assert (field["back"], field["ahead"], field["causal"]) == (4, 4, False)
    assert sys.path == path


def test_the_layer_that_loses_time_is_named_and_the_profile_shown():
    result = check("mypkg.mymodel:Pooled", "--profile")
    assert result.exit_code == 1
    assert "✗ SLR-M04" in result.stdout and "at    pool (AdaptiveAvgPool1d)" in result.stdout
    assert "near : far" in result.stdout and "│ conv " in result.stdout
    assert "near : far" not in check("mypkg.mymodel:Pooled").stdout
    assert "no profile" in check("mypkg.mymodel:Shapeless", "--profile").stderr


@pytest.mark.parametrize(
    "target, code, said",
    [
        ("nowhere.mymodel:build", 2, "There is no module 'nowhere'"),
        ("mypkg.nothing:build", 2, "There is no module 'mypkg.nothing'"),
        ("mypkg.mymodel:Mime", 2, "Did you mean 'Mine'?"),
        ("mypkg.mymodel:number", 2, "is not a factory of models"),
        ("mypkg.mymodel:wants", 2, "The factory requires the argument 'depth'"),
        ("mypkg.mymodel:raises", 1, "RuntimeError: no such luck"),
        ("mypkg.mymodel:no_model", 1, "returns a list"),
        ("mypkg.broken:build", 1, "broken.py, line 2"),
        ("mypkg.leaves:build", 1, "SystemExit: 3"),
        ("mypkg.needs:build", 1, "nothing_installed_has_this_name"),
    ],
)
def test_what_is_wrong_with_a_factory_is_said_without_a_traceback(target, code, said):
    result = check(target)
    assert result.exit_code == code, result.output
    assert said in result.stderr and "Traceback" not in result.output and "defect" not in result.output
