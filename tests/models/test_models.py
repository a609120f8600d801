"""What every architecture promises: lengths, log-probabilities, nothing of padding, every parameter taught."""

import numpy as np
import pytest
import torch

from slrcli.checkpoints.meta import Meta
from slrcli.config import Config
from slrcli.ctc.loss import ctc_loss
from slrcli.decoding.hypothesis import input_span
from slrcli.errors import UsageError
from slrcli.features.layout import generic_layout, list_layouts, load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.layers import MaskedBatchNorm1d, mask
from slrcli.models.registry import ARCHITECTURES, build_model, read_options
from slrcli.recognition.from_checkpoint import Recogniser

VOCAB, COLUMNS = 12, 22
LENGTHS = torch.tensor([37, 1, 22, 36])
every_architecture = pytest.mark.parametrize("arch", ARCHITECTURES)


def make(arch, layout=None, **kwargs):
    torch.manual_seed(0)
    return build_model(arch, layout or generic_layout(COLUMNS), VOCAB, **kwargs)


def of_layers(arch, count):
    """The options that give an architecture so many layers over the whole clip."""
    if arch == "conformer":
        return {"layers": count, "inner": count - 1}
    if arch == "tcn":
        return {"dilations": [1] * count}
    return {"lstm_layers" if arch.startswith("mobilenetv3") else "layers": count}


def clips(lengths=LENGTHS, columns=COLUMNS):
    """A padded batch of noise."""
    x = torch.randn(len(lengths), int(lengths.max()), columns, generator=torch.Generator().manual_seed(1))
    return x.masked_fill(~mask(lengths, x.shape[1]).unsqueeze(2), 0)


def settled(model):
    """The model in evaluation, its batch normalisations with the statistics of one batch."""
    for part in model.train().modules():
        if isinstance(part, MaskedBatchNorm1d):
            part.momentum = 1.0
    with torch.no_grad():
        model(clips(), LENGTHS)
    return model.eval()


@every_architecture
def test_log_probabilities_are_normalised_float32(arch):
    model = make(arch).eval()
    with torch.no_grad():
        out = model(clips(), LENGTHS)
    for log_probs in (out.log_probs, *out.aux):
        assert log_probs.dtype == torch.float32
        assert log_probs.shape[::2] == (len(LENGTHS), VOCAB)
        torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(log_probs.shape[:2]))


@every_architecture
def test_output_length_says_what_comes_out(arch):
    model = make(arch).eval()
    for frames in [*range(1, 41), 400]:
        with torch.no_grad():
            out = model(torch.randn(1, frames, COLUMNS), torch.tensor([frames]))
        assert out.log_probs.shape[1] == out.lengths.item() == model.output_length(frames)
    assert model.output_length(LENGTHS).tolist() == [model.output_length(n) for n in LENGTHS.tolist()]


def test_frames_kept_by_each_architecture():
    kept = {arch: [make(arch).output_length(n) for n in (1, 2, 4, 5, 8, 9)] for arch in ARCHITECTURES}
    assert kept["conv-bilstm"] == [1, 1, 1, 2, 2, 3]
    assert kept["conformer"] == kept["streaming"] == kept["ensemble"] == kept["tcn"] == kept["conv-bilstm"]
    assert kept["mobilenetv3"] == kept["mobilenetv3-collapsed"] == [1, 2, 4, 5, 8, 9]


@every_architecture
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_clip_alone_and_in_a_batch_are_the_same(arch, layers, precision):
    """As built; and with batch statistics of noise, which magnify rounding, in double precision."""
    model = make(arch, options=of_layers(arch, layers)).eval()
    model = settled(model).double() if precision == torch.float64 else model
    x = clips().to(precision)
    with torch.no_grad():
        together = model(x, LENGTHS)
        for i, length in enumerate(LENGTHS.tolist()):
            alone = model(x[i : i + 1, :length], LENGTHS[i : i + 1])
            for batched, single in zip((together.log_probs, *together.aux), (alone.log_probs, *alone.aux), strict=True):
                frames = single.shape[1]
                torch.testing.assert_close(batched[i : i + 1, :frames], single, atol=1e-5, rtol=0)


@every_architecture
def test_training_does_not_see_padding(arch):
    """Longer padding, with anything in it, changes neither the loss, nor the gradients, nor the running statistics."""
    x = clips()
    longer = torch.cat([x, torch.full((len(x), 9, COLUMNS), 50.0)], dim=1)
    results = []
    for batch in (x, longer):
        model = make(arch, dropout=0.0).train().double()  # rounding would show otherwise
        loss = loss_of(model(batch.double(), LENGTHS))
        loss.backward()
        gradients = torch.cat([p.grad.flatten() for p in model.parameters()])
        running = {name: buffer.float() for name, buffer in model.named_buffers() if "running" in name}
        results.append((loss, gradients, running))
    for short, long in zip(*results, strict=True):
        torch.testing.assert_close(short, long, atol=1e-5, rtol=1e-4)


def loss_of(out):
    """A CTC loss of the output and of all inner heads; the clip of one frame has one gloss."""
    targets, token_lengths = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9]), torch.tensor([3, 1, 2, 3])
    heads = (out.log_probs, *out.aux)
    return sum(ctc_loss(head, out.lengths, targets, token_lengths) for head in heads)


@every_architecture
def test_every_parameter_is_taught(arch):
    model = make(arch, dropout=0.0).train()
    loss_of(model(clips(), LENGTHS)).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@every_architecture
def test_gradient_checkpointing_changes_nothing(arch):
    results = []
    for saving in (False, True):
        model = make(arch).train()
        model.gradient_checkpointing = saving
        torch.manual_seed(2)  # dropout draws the same
        loss_of(model(clips(), LENGTHS)).backward()
        results.append({name: p.grad for name, p in model.named_parameters()} | dict(model.named_buffers()))
    torch.testing.assert_close(results[0], results[1])


@every_architecture
@pytest.mark.parametrize("training", [True, False])
def test_half_precision_ends_in_float32(arch, training):
    model = make(arch).train(training)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            out = model(clips(), LENGTHS)
    except RuntimeError as error:
        if "could not create a primitive" not in str(error):
            raise
        pytest.skip("this processor trains no LSTM in half precision")
    assert out.log_probs.dtype == torch.float32
    torch.testing.assert_close(out.log_probs.exp().sum(2), torch.ones(out.log_probs.shape[:2]))
    loss_of(out).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@every_architecture
def test_state_is_all_that_a_model_without_weights_needs(arch):
    """What reading a checkpoint does: nothing that a model computes with may be missing in its state."""
    model = settled(make(arch))
    with torch.device("meta"):
        empty = build_model(arch, generic_layout(COLUMNS), VOCAB)
    empty.load_state_dict(model.state_dict(), assign=True)
    with torch.no_grad():
        torch.testing.assert_close(empty.to("cpu").eval()(clips(), LENGTHS), model(clips(), LENGTHS))


@every_architecture
def test_missing_points_do_not_spread(arch):
    model = settled(make(arch))
    x = clips()
    x[0, 5:9, 3] = torch.nan
    with torch.no_grad():
        out = model(x, LENGTHS)
    valid = mask(out.lengths, out.log_probs.shape[1])
    assert torch.isfinite(out.log_probs[valid]).all()


@pytest.mark.parametrize("vocab, parameters", [(101, 14_180_464), (1296, 14_487_579)])
def test_mobilenetv3_has_the_parameters_its_authors_count(vocab, parameters):
    model = build_model("mobilenetv3", load_layout("mediapipe-6516"), vocab)
    assert model.parameter_count == parameters
    if vocab == 101:
        assert round(parameters * 4 / 2**20, 2) == 54.09


def test_mobilenetv3_is_the_same_network_where_derivatives_are_not_stored():
    assert build_model("mobilenetv3", load_layout("mediapipe-1629"), 101).parameter_count == 14_180_464


def test_mobilenetv3_joins_384_channels_on_its_own_and_on_generic_layouts():
    for layout in (load_layout("mediapipe-1629"), generic_layout(COLUMNS)):
        assert make("mobilenetv3", layout).encoders.width == 384


@pytest.mark.parametrize("name", [*list_layouts()[:-1], "generic-22"])
def test_the_default_stays_small(name):
    for strides in (1, 2, 3):
        model = build_model("tcn", load_layout(name), 101, options={"strides": strides})
        assert model.parameter_count < 700_000


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_tcn_sees_as_many_frames_as_it_says(strides):
    model = make("tcn", options={"strides": strides}).eval()
    x = torch.randn(1, 400, COLUMNS, requires_grad=True)
    read = model._convolve(model.frontend(x, torch.tensor([400])), torch.tensor([400]))
    context = model.recurrence(read, torch.tensor([read.shape[1]]))
    for y, frames in zip((read, context), model.sees, strict=True):
        (gradient,) = torch.autograd.grad(y[0, y.shape[1] // 2].sum(), x, retain_graph=True)
        seen = gradient[0].abs().sum(1).nonzero().flatten()
        assert seen.max() - seen.min() + 1 == frames + 1  # and one before: velocities


def test_tcn_says_the_same_of_a_sign_whatever_comes_far_before_it():
    model = settled(make("tcn"))
    clip, other = torch.randn(2, 1, 200, COLUMNS)
    other = torch.cat([other[:, :100], clip[:, 100:]], dim=1)
    with torch.no_grad():
        (one, *_), (two, *_) = (model(x, torch.tensor([200])) for x in (clip, other))
    assert torch.equal(one[:, 32:], two[:, 32:]) and not torch.allclose(one[:, :24], two[:, :24])


@pytest.mark.parametrize("name", [*list_layouts()[:-1], "generic-22"])
@pytest.mark.parametrize("arch", ["conformer", "streaming"])
def test_small_architectures_stay_below_two_million_parameters(arch, name):
    assert build_model(arch, load_layout(name), 1296).parameter_count < 2_000_000


@every_architecture
def test_every_layout_fits(arch):
    for name in list_layouts()[:-1]:
        layout = load_layout(name)
        with torch.no_grad():
            out = make(arch, layout).eval()(torch.randn(1, 6, layout.width), torch.tensor([6]))
        assert torch.isfinite(out.log_probs).all(), name


@pytest.mark.parametrize("arch", ["mobilenetv3", "mobilenetv3-collapsed"])
def test_what_is_planned_for_mobilenetv3_changes_it(arch):
    plain = make(arch)
    assert make(arch, options={"width": 0.5}).parameter_count < plain.parameter_count / 2
    assert make(arch, options={"lstm_layers": 2}).parameter_count == plain.parameter_count + 8 * 128 * (256 + 128 + 2)
    attentive = make(arch, options={"cross_modal_attention": True})
    assert attentive.parameter_count > plain.parameter_count
    loss_of(attentive.train()(clips(), LENGTHS)).backward()
    assert all(
        p.grad.any() for name, p in attentive.named_parameters() if "attention" in name and "in_proj_bias" not in name
    )


def test_forerunners_initialisation_draws_linear_weights_with_a_hundredth():
    model = make("mobilenetv3", load_layout("mediapipe-1629"), options={"init": "forerunner"})
    assert model.encoders.parts["temporal"][0].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert model.classifier.bias[0] == 0


def test_local_initialisation_lets_scores_differ_between_frames_from_the_start():
    """What keeps the network out of the all-blank plateau; under the forerunner's, frames all score the same."""
    spread = {}
    for init in ("local", "forerunner"):
        with torch.no_grad():
            log_probs = settled(make("mobilenetv3", options={"init": init}))(clips(), LENGTHS).log_probs
        spread[init] = log_probs[0].std(dim=0).mean().item()
    assert spread["local"] > 20 * spread["forerunner"]


def test_the_blank_starts_below_the_glosses():
    assert make("conv-bilstm", options={"blank_bias": -3.0}).classifier.bias[0] == -3
    assert make("conformer", options={"blank_bias": -3.0}).classifier.bias[0] == -3
    assert make("streaming", options={"blank_bias": -3.0}).classifier.bias[0] == -3
    assert make("mobilenetv3").classifier.bias[0] == 0


def test_time_is_kept_unless_collapsed():
    """What enters the recurrence varies over time; in the collapsed control it does not."""
    spread = {}
    for arch in ARCHITECTURES:
        model = settled(make(arch))
        seen = []
        model.recurrence.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        with torch.no_grad():
            model(clips(), LENGTHS)
        spread[arch] = seen[0][0].std(dim=0).mean().item()
    assert spread.pop("mobilenetv3-collapsed") == 0
    assert min(spread.values()) > 0.01


def test_batch_normalisation_is_masked_everywhere():
    for arch in ARCHITECTURES:
        plain = [m for m in make(arch).modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        assert all(isinstance(m, MaskedBatchNorm1d) for m in plain)


def test_a_mistyped_architecture_or_option_gets_the_nearest_name():
    with pytest.raises(UsageError, match=r"mobilnetv3.*Did you mean 'mobilenetv3'"):
        make("mobilnetv3")
    with pytest.raises(UsageError, match=r"lstm_layer.*mobilenetv3.*Did you mean 'lstm_layers'"):
        make("mobilenetv3", options={"lstm_layer": 2})
    with pytest.raises(UsageError, match="Expected int"):
        make("mobilenetv3", options={"lstm_layers": "two"})
    with pytest.raises(UsageError, match="Known: forerunner, local"):
        make("mobilenetv3", options={"init": "xavier"})


@pytest.mark.parametrize(
    "arch, options, hint",
    [
        ("conv-bilstm", {"width": 191}, "even"),
        ("conv-bilstm", {"kernel": 4}, "odd"),
        ("conv-bilstm", {"layers": 0}, "1 or more"),
        ("conformer", {"width": 130}, "multiple of the heads"),
        ("conformer", {"kernel": 4}, "odd"),
        ("conformer", {"window": 0}, "1 or more"),
        ("conformer", {"inner": 4}, "smaller than layers"),
        ("streaming", {"width": 0}, "1 or more"),
        ("streaming", {"layers": 0}, "1 or more"),
        ("streaming", {"kernel": 1}, "2 or more"),
        ("streaming", {"lookahead": 6}, "multiple of 4"),
        ("streaming", {"lookahead": -4}, "multiple of 4"),
        ("mobilenetv3", {"width": 0}, "larger than 0"),
        ("mobilenetv3", {"lstm_layers": 0}, "1 or more"),
    ],
)
def test_values_that_cannot_be_built_are_refused(arch, options, hint):
    with pytest.raises(UsageError, match=hint):
        make(arch, options=options)


def test_options_of_the_frontend_keep_the_architectures_defaults():
    chosen = read_options("mobilenetv3", {"frontend": {"derivatives": 1}})
    assert chosen.frontend.derivatives == 1
    assert read_options("mobilenetv3").frontend.derivatives == 3


def test_an_ensemble_is_the_geometric_mean_of_networks_that_learn_by_themselves():
    ensemble = make("ensemble", options={"width": 16, "members": 3}).eval()
    with torch.no_grad():
        out = ensemble(clips(), LENGTHS)
        alone = []
        for member in ensemble.members:
            single = make("conv-bilstm", options={"width": 16}).eval()
            single.load_state_dict({**member.state_dict(), **single.frontend.state_dict(prefix="frontend.")})
            alone.append(single(clips(), LENGTHS))
    for network, last, inner in zip(alone, out.members, out.aux, strict=True):
        torch.testing.assert_close(network.log_probs, last)
        torch.testing.assert_close(network.aux[0], inner)
    product = torch.stack([network.log_probs.exp() for network in alone]).prod(dim=0) ** (1 / 3)
    torch.testing.assert_close(out.log_probs.exp(), product / product.sum(dim=2, keepdim=True))
    assert out.learnt == out.members and alone[0].learnt == (alone[0].log_probs,)
    assert ensemble.parameter_count == 3 * single.parameter_count


def test_members_of_an_ensemble_do_not_hear_of_each_other():
    ensemble = make("ensemble", options={"width": 16, "members": 2}).eval()
    ensemble(clips(), LENGTHS).learnt[0].sum().backward()
    heard = [any(p.grad is not None and p.grad.any() for p in member.parameters()) for member in ensemble.members]
    assert heard == [True, False]


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(UsageError, match="0 members"):
        make("ensemble", options={"members": 0})


@pytest.mark.parametrize(("strides", "length"), [(0, 37), (1, 19), (2, 10)])
def test_convolutions_halve_time_as_often_as_asked(strides, length):
    model = settled(make("conv-bilstm", options={"width": 16, "strides": strides}))
    with torch.no_grad():
        together = model(clips(), LENGTHS)
        alone = model(clips()[2:3, :22], LENGTHS[2:3])
    assert model.output_length(37) == length == together.log_probs.shape[1]
    own = int(together.lengths[2])
    torch.testing.assert_close(together.log_probs[2, :own], alone.log_probs[0], atol=1e-5, rtol=1e-4)


def test_two_convolutions_cannot_halve_three_times():
    with pytest.raises(UsageError, match="halve 3 times"):
        make("conv-bilstm", options={"strides": 3})


@pytest.mark.parametrize("arch", ["conv-bilstm", "conformer"])
def test_an_output_frame_sees_most_of_the_time_that_is_said_to_be_its_own(arch):
    """By impulses: the middle of what moves a step, before the layers that look further, against that of its span."""
    model, seen = make(arch).eval(), []
    model.recurrence.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = clips(torch.tensor([160])).requires_grad_()
    model(x, torch.tensor([160]))
    off = []
    for step in range(12, 28):
        way = torch.randn(seen[0].shape[2], generator=torch.Generator().manual_seed(step))
        (gradient,) = torch.autograd.grad((seen[0][0, step] * way).sum(), x, retain_graph=True)
        felt = gradient[0].abs().sum(dim=1)
        middle = float((felt * torch.arange(160)).sum() / felt.sum())
        start, end = input_span(step, step, 4)
        off.append(middle - ((start + end - 1) / 2 - model.late))
    assert abs(sum(off) / len(off)) < 1


@pytest.mark.parametrize(("arch", "start"), [("conv-bilstm", 20), ("conformer", 18)])
def test_recognised_and_placed_glosses_stand_where_their_frames_see(arch, start):
    model, vocabulary = make(arch), Vocabulary.build([[f"G{number}" for number in range(VOCAB - 1)]])
    recogniser = Recogniser(model, vocabulary, Meta(Config(), vocabulary, generic_layout(COLUMNS)))
    said = torch.zeros(10, dtype=torch.int64).index_fill(0, torch.tensor([0, 5]), 3)
    log_probs = torch.nn.functional.one_hot(said, VOCAB).float().mul(9).log_softmax(dim=1).numpy()
    (found,) = recogniser.hypotheses(log_probs[None], np.array([10]), np.array([40]))
    assert found.spans[1] == (start, start + 4) and found.peaks[1] == start + 2
    assert found.spans[0][0] == 0 and found.peaks[0] >= 0
    placed = recogniser.placed(log_probs, found.ids, 40)
    assert (placed.spans, placed.peaks) == (found.spans, found.peaks)


@pytest.mark.parametrize("arch", ["tcn", "conv-bilstm", "ensemble", "conformer"])
@pytest.mark.parametrize("kernel", [0, 4, -1])
def test_a_kernel_without_a_middle_is_refused(arch, kernel):
    with pytest.raises(UsageError, match=rf"centred on {kernel} (frames|steps)\.") as caught:
        make(arch, options={"kernel": kernel})
    assert caught.value.where == "kernel"
