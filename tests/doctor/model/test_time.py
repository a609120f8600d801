"""Whether a model keeps time: the layer that is looked at, the two measurements, and how far the thresholds lie off."""

import pytest
import torch
from support.planted_models import (
    CLASSES,
    COLUMNS,
    Attention,
    ConvolutionAsClassifier,
    ConvolutionsAlone,
    Dead,
    FramesFirstGru,
    PackedLstm,
    PooledOverTime,
    Sound,
    context_of,
    errors,
    made,
)
from torch import nn

from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.layers import FRAMES, last_local, responses, variances
from slrcli.doctor.model.probe import ModelContext, made_up_clip
from slrcli.doctor.model.time import LEAST_CONTRAST, LEAST_VARIATION
from slrcli.doctor.run import examine
from slrcli.features.layout import list_layouts, load_layout
from slrcli.findings import Level
from slrcli.models.registry import ARCHITECTURES, build_model


def last_view(model, classes=CLASSES, layout=None):
    context = ModelContext(model, layout.width if layout else COLUMNS, classes, layout)
    return last_local(model, context.layers, classes)


def test_the_output_of_the_pooled_model_does_vary_over_time():
    """Why the output's variance is no witness: the LSTM makes it out of nothing."""
    model = made(PooledOverTime).eval()
    with torch.no_grad():
        log_probs, _ = model(*context_of(model).clips([60]))
    assert log_probs.var(dim=1).max() > 1e-5


@pytest.mark.parametrize("layout", ["generic-22", "kinect-20", "mediapipe-258"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_thresholds_lie_far_from_what_is_measured(arch, layout):
    layout = load_layout(layout)
    torch.manual_seed(2)
    options = {"width": 0.25} if arch.startswith("mobilenetv3") else {}
    found = last_view(build_model(arch, layout, 20, options=options), 20, layout)
    if arch == "mobilenetv3-collapsed":
        assert found.variation < LEAST_VARIATION / 10 and found.contrast < LEAST_CONTRAST / 5
    else:
        assert found.variation > LEAST_VARIATION * 10 and found.contrast > LEAST_CONTRAST * 2


def test_a_layer_that_is_constant_is_an_error_even_without_numbers_to_compare():
    found = examine("", context_of(made(Dead)), MODEL_CHECKS)
    assert "SLR-M04" in errors(found)
    assert any("constant" in finding.what for finding in found.findings)


# The layer that is looked at


@pytest.mark.parametrize(
    "kind, name",
    [(Sound, "lstm (BiLSTM)"), (PackedLstm, "lstm (LSTM)"), (FramesFirstGru, "lstm (GRU)"),
     (Attention, "lstm (TransformerEncoder)"), (ConvolutionsAlone, "head (Linear)"),
     (ConvolutionAsClassifier, "head (Conv1d)")],
)  # fmt: skip
def test_the_last_view_of_single_moments_is_found(kind, name):
    found = last_view(made(kind).eval())
    assert found.label == name and not found.leaving
    assert found.steps == FRAMES // 2 and 16 in found.shape  # what `local` gives


def test_an_attribute_called_recurrence_goes_before_any_guess():
    class Named(Sound):
        def __init__(self):
            super().__init__()
            self.early = nn.LSTM(COLUMNS, COLUMNS, batch_first=True)
            self.recurrence = self.lstm

        def clean(self, x, lengths):
            return self.early(super().clean(x, lengths))[0]

    assert last_view(made(Named).eval()).label == "lstm (BiLSTM)"


def test_a_model_without_any_such_layer_gets_a_warning():
    class Opaque(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(COLUMNS, CLASSES))

        def forward(self, x, lengths):
            return (x.nan_to_num() @ self.weight).log_softmax(2), lengths

    found = examine("", context_of(made(Opaque)), MODEL_CHECKS)
    assert found.passed
    (warned,) = (f for f in found.findings if f.code == "SLR-M04" and f.level is Level.WARNING)
    assert "recurrence" in warned.fix


def test_variances_and_responses_by_hand():
    values = torch.tensor([[[1.0], [3.0]], [[10.0], [10.0]]])
    assert variances(values) == (0.5, 16.0)  # (1 + 0) / 2; means 2 and 10
    change = torch.zeros(FRAMES)
    change[FRAMES // 2 - 8 : FRAMES // 2 + 8] = 2.0
    assert responses(change, FRAMES) == (2.0, 0.0)
    assert responses(torch.tensor([1.0, 5.0, 3.0]), FRAMES) == (5.0, 2.0)  # three steps of 64 frames


@pytest.mark.parametrize("name", [*list_layouts()[:-1], "generic-7"])
def test_made_up_clips_fit_every_layout_and_begin_alike_whatever_their_length(name):
    layout = load_layout(name)
    short, long = (made_up_clip(frames, layout.width, layout, [1, 0]) for frames in (9, 50))
    assert short.shape == (9, layout.width) and short.dtype == torch.float32 and long.isfinite().all()
    torch.testing.assert_close(short, long[:9])
    assert (long.std(dim=0) > 0).float().mean() > 0.6  # all but confidences
