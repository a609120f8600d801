"""A loss of the user's own: torch's CTC as an oracle, what is refused, and whose code a run starts."""

import json
import sys
from functools import partial
from textwrap import dedent

import pytest
import torch
import torch.nn.functional as F
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.checkpoints.checkpoint import load_checkpoint, load_state
from slrcli.checkpoints.runs import STATE
from slrcli.config import Config, LossConfig
from slrcli.corpus.clips import Batch
from slrcli.errors import SlrError
from slrcli.models import trust
from slrcli.models.base import Output
from slrcli.training.loss.criterion import Criterion

MODULE = """
    import torch
    import torch.nn.functional as F
    from functools import partial

    ctc = partial(F.ctc_loss, reduction="none")


    class Ctc(torch.nn.CTCLoss):
        def __init__(self):
            super().__init__(reduction="none")


    class Weighted(Ctc):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))


    class Needs:
        def __init__(self, argument):
            pass


    def double(log_probs, targets, lengths, target_lengths):
        assert log_probs.dtype == torch.float32 and log_probs.shape[1] == len(lengths) == len(target_lengths)
        assert int(target_lengths.sum()) == len(targets)
        return 2 * ctc(log_probs, targets, lengths, target_lengths)


    def mean(*given):
        return ctc(*given).mean()


    def plain(*given):
        return ctc(*given).tolist()


    def detached(*given):
        return ctc(*given).detach()


    def fails(*given):
        raise ValueError("no such gloss")


    def nan(*given):
        return ctc(*given) * float("nan")


    number = 7
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "ownloss.py").write_text(dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ownloss", raising=False)
    monkeypatch.setattr(trust, "_allowed", set())


def batch():
    return Batch(torch.zeros(2, 12, 2), torch.tensor([12, 9]), torch.tensor([1, 2, 3]), torch.tensor([2, 1]), (0, 1))


def posteriors(seed):
    scores = torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(seed))
    return scores.log_softmax(2).requires_grad_()


def learnt(loss, heads=1):
    """The sum and its gradient at each head."""
    inputs = [posteriors(seed) for seed in range(1 + heads)]
    value, terms = Criterion(Config(loss=loss))(Output(inputs[0], torch.tensor([12, 9]), tuple(inputs[1:])), batch())
    return value.detach(), torch.autograd.grad(value, inputs), terms


@pytest.mark.parametrize("name", ["ownloss:ctc", "ownloss:Ctc"])
def test_torchs_own_ctc_in_place_of_ctc_gives_the_same_bits(name):
    value, gradients, terms = learnt(LossConfig(own=name))
    expected, wanted, plain = learnt(LossConfig())
    assert torch.equal(value, expected) and all(map(torch.equal, gradients, wanted))
    assert torch.equal(terms["own"], plain["ctc"]) and torch.equal(terms["ctc"], plain["ctc"])


def test_beside_ctc_it_has_its_weight_and_ctc_the_rest():
    value, _, terms = learnt(LossConfig(own="ownloss:double", own_weight=0.25))
    expected, _, _ = learnt(LossConfig())
    torch.testing.assert_close(value, 0.75 * expected + 0.25 * 2 * expected)
    torch.testing.assert_close(terms["own"], 2 * terms["ctc"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ownloss:mean", "has the shape [] instead of [2]"),
        ("ownloss:plain", "returns a list instead of a tensor"),
        ("ownloss:detached", "has no gradient"),
        ("ownloss:fails", "The loss failed: ValueError: no such gloss."),
        ("ownloss:Weighted", "has weights of its own"),
        ("ownloss:Needs", "cannot be made without arguments"),
        ("ownloss:number", "is not a loss, but a int"),
        ("ownloss:duble", "Did you mean 'double'?"),
        ("nowhere_at_all:loss", "There is no module 'nowhere_at_all'"),
        ("focal", "There is no loss 'focal'"),
    ],
)
def test_what_is_no_loss_per_utterance_is_refused_in_words(name, said):
    with pytest.raises(SlrError) as caught:
        learnt(LossConfig(own=name))
    assert said in str(caught.value)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus")


FEW = ("--arch", "conv-bilstm", "--set", "model.options.width=16", "--epochs", "2", *QUICK[2:])


def weights(run):
    return load_state(run / STATE)[0]


def test_a_run_with_torchs_ctc_has_the_same_weights_bit_for_bit_and_says_what_it_learnt_from(corpus, tmp_path):
    for name, more in (("plain", ()), ("own", ("--loss", "ownloss:ctc"))):
        done = slr("train", "--data-dir", corpus, "--output-dir", tmp_path / name, *FEW, *more)
        assert done.exit_code == 0, done.output
    plain, own = (weights(tmp_path / name) for name in ("plain", "own"))
    assert plain.keys() == own.keys() and all(torch.equal(plain[name], own[name]) for name in plain)
    assert load_checkpoint(tmp_path / "own" / "best.safetensors")[1].config.loss.own == "ownloss:ctc"
    line = json.loads((tmp_path / "own" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["own"] == pytest.approx(line["loss"])
    # a file alone does not start the code, and evaluation does not need it
    trust._allowed.clear()
    done = slr("train", "--resume", tmp_path / "own", "--epochs", "3")
    assert done.exit_code == 1 and "add --loss ownloss:ctc" in " ".join(done.output.split())
    assert slr("train", "--from-run", tmp_path / "own", "--output-dir", tmp_path / "again").exit_code == 1
    assert slr("eval", tmp_path / "own", "--data-dir", corpus).exit_code == 0
    done = slr("train", "--resume", tmp_path / "own", "--epochs", "3", "--loss", "ownloss:ctc")
    assert done.exit_code == 0, done.output
    (tmp_path / "ownloss.py").write_text("")
    sys.modules.pop("ownloss")
    done = slr("train", "--resume", tmp_path / "own", "--epochs", "4", "--loss", "ownloss:ctc")
    assert done.exit_code == 2 and "has no 'ctc'" in done.output


def test_several_runs_go_on_with_a_loss_only_where_it_is_named_again(corpus, tmp_path):
    one = ("--epochs", "1", "--seeds", "2", "--loss", "ownloss:ctc")
    assert slr("train", "--data-dir", corpus, "--output-dir", tmp_path / "two", *FEW, *one).exit_code == 0
    second = next(path for path in (tmp_path / "two").iterdir() if path.name.endswith("2"))
    (second / "result.json").unlink()
    trust._allowed.clear()
    done = slr("train", "--resume", tmp_path / "two")
    assert done.exit_code == 1 and "add --loss ownloss:ctc" in " ".join(done.output.split())
    done = slr("train", "--resume", tmp_path / "two", "--loss", "ownloss:ctc")
    assert done.exit_code == 0, done.output


def test_a_loss_that_is_not_a_number_ends_the_run_and_is_named(corpus, tmp_path):
    done = slr("train", "--data-dir", corpus, "--output-dir", tmp_path / "run", *FEW, "--loss", "ownloss:nan")
    said = " ".join(done.output.split())
    assert done.exit_code == 1 and "the loss (nan)" in said and "Check the loss ownloss:nan first." in said


def test_a_loss_that_is_not_there_is_missed_before_a_run_is_made(corpus, tmp_path):
    done = slr("train", "--data-dir", corpus, "--output-dir", tmp_path / "run", "--loss", "focal")
    assert done.exit_code == 2 and "There is no loss 'focal'" in done.output and not (tmp_path / "run").exists()


def test_the_arguments_are_those_of_torch():
    given = posteriors(0)
    expected = partial(F.ctc_loss, reduction="none")(
        given.transpose(0, 1), batch().targets, batch().lengths, batch().target_lengths
    )
    _, _, terms = learnt(LossConfig(own="ownloss:ctc"))
    assert terms["own"].item() == pytest.approx((expected / batch().target_lengths).mean().item())
