"""Blocks over time give a clip the same alone and in a batch, and agree with torch's own where nothing is padded."""

import pytest
import torch
from torch import nn

from slrcli.models.layers.masked import (
    BiLSTM,
    MaskedBatchNorm1d,
    MaskedConv1d,
    SqueezeExcite,
    channel_mask,
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
