"""Layers over `[B, T, C]`: as torch gives them where nothing is padded, and a clip the same alone and in a batch."""

import pytest
import torch
from torch import nn

from slrcli.models.layers import (
    BiLSTM,
    Dropout,
    FrameConv1d,
    MaskedBatchNorm1d,
    MaskedConv1d,
    SqueezeExcite,
    apply_mask,
    channel_mask,
    halve,
    halved,
    mask,
    masked_mean,
    reverse,
    statistics_held,
)

LENGTHS = torch.tensor([7, 1, 4, 6])
CHANNELS = 5


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def batch():
    """Noise everywhere, in the padding as well, and the mask."""
    return torch.randn(len(LENGTHS), CHANNELS, 7) + 3, channel_mask(LENGTHS, 7)


def each_alone(x):
    """The clips of a batch `[B, C, T]` one at a time, without padding, with their masks."""
    for clip, length in zip(x, LENGTHS.tolist(), strict=True):
        yield clip[None, :, :length], torch.ones(1, 1, length, dtype=torch.bool)


def test_mask_is_true_on_frames():
    assert mask(torch.tensor([2, 3]), 3).tolist() == [[True, True, False], [True, True, True]]


def test_halved_rounds_up():
    assert [halved(n) for n in range(1, 6)] == [1, 1, 2, 2, 3]
    assert halved(torch.tensor([1, 4, 5])).tolist() == [1, 2, 3]


@pytest.mark.parametrize("kernel, stride, groups", [(1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 1, CHANNELS), (5, 2, 1)])
def test_convolution_reads_zeros_beyond_the_clip(batch, kernel, stride, groups):
    x, valid = batch
    conv = MaskedConv1d(CHANNELS, 2 * CHANNELS, kernel, stride, groups)
    together = conv(x, valid)
    for i, (clip, own) in enumerate(each_alone(x)):
        alone = conv(clip, own)
        assert alone.shape[2] == -(-clip.shape[2] // stride)
        torch.testing.assert_close(together[i : i + 1, :, : alone.shape[2]], alone)


def test_convolution_with_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd"):
        MaskedConv1d(1, 1, 4)


def test_batch_norm_agrees_with_torchs_on_the_valid_frames(batch):
    x, valid = batch
    frames = x.transpose(1, 2)[valid[:, 0]]
    own, torchs = MaskedBatchNorm1d(CHANNELS), nn.BatchNorm1d(CHANNELS)
    torch.testing.assert_close(own(x, valid).transpose(1, 2)[valid[:, 0]], torchs(frames))
    torch.testing.assert_close(own.state_dict(), torchs.state_dict())
    own.eval(), torchs.eval()
    torch.testing.assert_close(own(x, valid).transpose(1, 2)[valid[:, 0]], torchs(frames))


def test_batch_norm_learns_nothing_from_padding(batch):
    x, valid = batch
    x.requires_grad_()
    norm = MaskedBatchNorm1d(CHANNELS)
    (norm(x, valid) * torch.randn_like(x)).masked_fill(~valid, 0).sum().backward()
    assert (x.grad.masked_fill(valid, 0) == 0).all()
    before = {name: value.clone() for name, value in norm.state_dict().items() if "running" in name}
    other = MaskedBatchNorm1d(CHANNELS)
    other(x.detach().masked_fill(~valid, 1e6), valid)
    torch.testing.assert_close({name: other.state_dict()[name] for name in before}, before)


def test_batch_norm_of_one_frame_is_its_bias():
    norm = MaskedBatchNorm1d(CHANNELS)
    out = norm(torch.randn(1, CHANNELS, 1), torch.ones(1, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(out, torch.zeros(1, CHANNELS, 1))
    assert torch.isfinite(norm.running_var).all()


def test_held_statistics_stay(batch):
    norm = nn.Sequential(MaskedBatchNorm1d(CHANNELS))
    with statistics_held(norm):
        norm[0](*batch)
    assert norm[0].num_batches_tracked == 0
    norm[0](*batch)
    assert norm[0].num_batches_tracked == 1


def test_mean_and_squeeze_excite_look_at_frames_only(batch):
    x, valid = batch
    gate = SqueezeExcite(CHANNELS)
    together, means = gate(x, valid), masked_mean(x, valid)
    for i, (clip, own) in enumerate(each_alone(x)):
        torch.testing.assert_close(means[i], clip[0].mean(1))
        torch.testing.assert_close(together[i : i + 1, :, : clip.shape[2]], gate(clip, own))


def test_squeeze_excite_keeps_at_least_one_channel():
    assert SqueezeExcite(3).squeeze.out_features == 1


def test_reverse_turns_each_clip_within_its_length():
    x = torch.arange(1, 9.0).reshape(2, 4, 1)
    turned = reverse(x, torch.tensor([4, 2]))[..., 0]
    assert turned.tolist() == [[4, 3, 2, 1], [6, 5, 7, 8]]


@pytest.mark.parametrize("layers", [1, 2])
def test_bilstm_agrees_with_torchs_on_packed_sequences(layers):
    x = torch.randn(len(LENGTHS), 7, CHANNELS)
    own, torchs = BiLSTM(CHANNELS, 3, layers), nn.LSTM(CHANNELS, 3, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for layer in range(layers):
            for part, suffix in ((own.ahead[layer], ""), (own.back[layer], "_reverse")):
                for name, value in part.named_parameters():
                    value.copy_(getattr(torchs, name.replace("_l0", f"_l{layer}") + suffix))
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(torchs(packed)[0], batch_first=True)
    valid = mask(LENGTHS, 7)
    torch.testing.assert_close(own(x, LENGTHS)[valid], expected[valid])


@pytest.mark.parametrize(
    "kernel, stride, padding, groups", [(5, 1, 2, 1), (3, 2, 1, 1), (4, 2, 0, 1), (7, 1, 3, 6), (1, 1, 0, 1)]
)
@pytest.mark.parametrize("frames", [7, 8])
def test_convolution_agrees_with_torchs(kernel, stride, padding, groups, frames):
    own = FrameConv1d(6, 12, kernel, stride, padding, groups=groups)
    torchs = nn.Conv1d(6, 12, kernel, stride, padding, groups=groups)
    torchs.load_state_dict(own.state_dict())
    x = torch.randn(3, frames, 6)
    torch.testing.assert_close(own(x), torchs(x.transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_halving_takes_the_larger_of_each_pair(frames):
    x = torch.randn(2, frames, 3)
    pairs = [x[:, t : t + 2].amax(1) for t in range(0, frames, 2)]
    torch.testing.assert_close(halve(x), torch.stack(pairs, 1))


def test_what_is_kept_is_kept_and_the_rest_is_zero():
    x, valid = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]])
    kept = apply_mask(x, valid)
    assert torch.equal(kept[valid], x[valid]) and not kept[~valid].any()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(share):
    x = torch.ones(401, 503)
    out = Dropout(share)(x)
    assert (out == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert len(out.unique()) == 2
    # neither along rows nor along columns do the dropped ones stand together
    assert (out == 0).float().mean(0).std() < 0.03 and (out == 0).float().mean(1).std() < 0.03


def test_dropout_lets_the_gradient_through_where_it_lets_values_through():
    x = torch.randn(50, 7, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_dropout_of_nothing_of_everything_and_in_evaluation():
    x = torch.randn(9, 5)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert Dropout(0.5)(torch.zeros(0, 4)).shape == (0, 4)


def test_dropout_draws_from_the_seed_and_keeps_the_precision():
    x = torch.randn(40, 5, dtype=torch.bfloat16)
    drawn = []
    for number in (1, 1, 2):
        torch.manual_seed(number)
        drawn.append(Dropout(0.5)(x))
    assert drawn[0].dtype == torch.bfloat16
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
