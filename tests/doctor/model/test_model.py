"""`slr check model`: every planted fault is found under its own code and no other; sound models give no error."""

from functools import cache
from pathlib import Path

import pytest
import torch
from support.planted_faults import ALL_FAULTS, DOUBTS
from support.planted_models import (
    CLASSES,
    COLUMNS,
    ConvolutionAsClassifier,
    OneTensor,
    PackedLstm,
    RaggedAttention,
    Sound,
    context_of,
    errors,
    made,
)

import slrcli
from slrcli.doctor.context import Checks, Context, error, note, some
from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.probe import ModelContext
from slrcli.doctor.run import examine
from slrcli.errors import DataError
from slrcli.features.layout import generic_layout, load_layout
from slrcli.findings import Level
from slrcli.models.registry import ARCHITECTURES, build_model


def test_every_check_of_models_has_a_planted_fault():
    codes = {check.code for check in MODEL_CHECKS}
    assert codes == set(ALL_FAULTS.values()) | set(DOUBTS.values())
    assert len(ALL_FAULTS) + len(DOUBTS) >= 60
    assert all(set(check.needs) <= codes for check in MODEL_CHECKS)


def test_every_check_of_models_has_a_page():
    pages = Path(slrcli.__file__).parent / "doctor" / "pages"
    for check in MODEL_CHECKS:
        lines = (pages / f"{check.code}.md").read_text(encoding="utf-8").splitlines()
        assert lines[0] == f"# {check.code}: {check.title}"
        assert {"## Why it matters", "## How it is measured", "## What to do"} <= set(lines)
    codes = {check.code for check in MODEL_CHECKS}
    assert {path.stem for path in pages.glob("SLR-M*.md")} == codes


@cache
def examined(kind):
    """What all checks say of a planted fault."""
    given = {"budget": kind.budget} if hasattr(kind, "budget") else {}
    return examine("", context_of(made(kind), **given), MODEL_CHECKS)


@pytest.mark.parametrize("kind", ALL_FAULTS, ids=lambda kind: kind.__name__)
def test_a_planted_fault_is_found_under_its_own_code_alone(kind):
    found = examined(kind)
    assert errors(found) == {ALL_FAULTS[kind]}
    assert not found.passed
    if kind is not OneTensor:  # an exception brings no advice
        assert all(finding.fix for finding in found.findings if finding.level is Level.ERROR)


@pytest.mark.parametrize("kind", DOUBTS, ids=lambda kind: kind.__name__)
def test_what_may_be_meant_is_a_warning_and_no_error(kind):
    found = examined(kind)
    assert found.passed
    warned = [finding for finding in found.findings if finding.level is Level.WARNING]
    assert DOUBTS[kind] in {finding.code for finding in warned} and all(finding.fix for finding in warned)


@pytest.mark.parametrize("kind", [kind for kind in ALL_FAULTS if hasattr(kind, "lost_at")], ids=lambda k: k.__name__)
def test_the_layer_that_loses_time_is_named(kind):
    assert [item.where for item in examined(kind).findings if item.level is Level.ERROR] == [kind.lost_at]


def test_a_sound_model_of_plain_torch_gets_a_note_from_every_check():
    found = examine("", context_of(made(Sound)), MODEL_CHECKS)
    assert found.passed and not found.skipped
    # several checks have more than one thing to say
    assert list(dict.fromkeys(f.code for f in found.findings)) == [check.code for check in MODEL_CHECKS]
    assert {finding.level for finding in found.findings} == {Level.NOTE}


NARROW = {"mobilenetv3": {"width": 0.25}, "ensemble": {"width": 32, "members": 2}}


@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if arch != "mobilenetv3-collapsed"])
@pytest.mark.parametrize("layout", ["generic-22", "kinect-20", "mediapipe-258"])
def test_sound_architectures_give_no_error_and_no_warning(arch, layout):
    """As wide as they are by default with one layout; with the others a narrow one reads the same columns."""
    options = {} if layout == "kinect-20" else NARROW.get(arch, {"width": 64})
    layout = load_layout(layout)
    torch.manual_seed(1)
    model = build_model(arch, layout, 30, options=options)
    found = examine("", ModelContext(model, layout.width, 30, layout), MODEL_CHECKS)
    assert {finding.level for finding in found.findings} == {Level.NOTE}, found.findings


def test_the_collapsed_ancestor_fails_on_time_and_on_nothing_else():
    layout = generic_layout(22)
    torch.manual_seed(1)
    model = build_model("mobilenetv3-collapsed", layout, 30)
    found = examine("", ModelContext(model, 22, 30, layout), MODEL_CHECKS)
    assert errors(found) == {"SLR-M04"}
    (finding,) = (item for item in found.findings if item.level is Level.ERROR)
    assert finding.where == "pool (AverageOverTime)"
    assert all(text in finding.what for text in ("recurrence", "0 times", "1 : 1"))


@pytest.mark.parametrize("kind", [PackedLstm, RaggedAttention, ConvolutionAsClassifier], ids=lambda kind: kind.__name__)
def test_sound_models_of_other_kinds_give_no_error(kind):
    found = examine("", context_of(made(kind)), MODEL_CHECKS)
    assert not errors(found) and not found.skipped


def test_other_options_of_the_architectures_give_no_error():
    options = {"conv-bilstm": {"width": 64, "layers": 1, "kernel": 3}, "mobilenetv3": {"cross_modal_attention": True}}
    for arch, chosen in options.items():
        torch.manual_seed(4)
        layout = load_layout("kinect-20")
        context = ModelContext(build_model(arch, layout, 12, options=chosen), layout.width, 12, layout, seed=4)
        assert examine("", context, MODEL_CHECKS).passed


def test_the_budget_counts_four_bytes_a_parameter():
    model = made(Sound)
    size = sum(p.numel() for p in model.parameters()) * 4 / 2**20
    assert examine("", context_of(model, budget=size), MODEL_CHECKS).passed
    assert errors(examine("", context_of(model, budget=size * 0.999), MODEL_CHECKS)) == {"SLR-M08"}


def test_the_forerunners_size_is_the_published_one():
    layout = load_layout("mediapipe-6516")
    context = ModelContext(build_model("mobilenetv3", layout, 101), layout.width, 101, layout)
    (size,) = (check for check in MODEL_CHECKS if check.code == "SLR-M08")
    assert size(context)[0].what.startswith("14,180,464 parameters, 54.09 MB")


def test_multiply_adds_of_convolution_lstm_and_classifier_are_those_counted_by_hand():
    context = context_of(made(Sound))
    examine("", context, MODEL_CHECKS)
    convolution, lstm, head = COLUMNS * 5 * 16, 2 * 4 * 8 * (16 + 8), 16 * CLASSES
    assert context.measured["cost"]["multiply_adds_per_frame"] == (convolution + lstm + head) / 2  # at stride 2


def test_checks_leave_the_model_and_the_random_numbers_as_they_were():
    model = build_model("conv-bilstm", generic_layout(COLUMNS), CLASSES).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    examine("", ModelContext(model, COLUMNS, CLASSES, generic_layout(COLUMNS)), MODEL_CHECKS)
    assert model.training and all(p.grad is None for p in model.parameters())
    assert torch.equal(state, torch.random.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_same_seed_gives_the_same_findings():
    def found(seed):
        findings = examine("", context_of(made(Sound), seed=seed), MODEL_CHECKS).findings
        return [finding for finding in findings if finding.code != "SLR-M08"]  # which looks at the clock

    assert found(1) == found(1)
    assert found(1) != found(2)


def test_a_model_that_raises_is_named_once_and_the_rest_is_left_out():
    class Raises(Sound):
        def forward(self, x, lengths):
            raise ValueError("no such luck")

    found = examine("", context_of(made(Raises)), MODEL_CHECKS)
    assert errors(found) == {"SLR-M01"}
    assert "ValueError: no such luck" in next(f.what for f in found.findings if f.level is Level.ERROR)
    assert ("SLR-M07", "SLR-M02") in found.skipped
    assert {code for code, _ in found.checks} == {"SLR-M01"}


# The frame itself


def test_a_check_that_raises_speaks_under_its_own_code_and_the_others_run():
    checks = Checks()

    @checks.add("SLR-X01", "the first holds")
    def first(context):
        yield note("seen before the fall")
        raise DataError("a file is gone", "clip.npy", "bring it back")

    @checks.add("SLR-X02", "the second holds")
    def second(context):
        raise KeyError("gone")

    @checks.add("SLR-X03", "the third holds", needs=("SLR-X02",))
    def third(context):
        yield error("never reached")

    @checks.add("SLR-X04", "the fourth holds", needs=("SLR-X03",))
    def fourth(context):
        yield error("never reached")

    @checks.add("SLR-X05", "the fifth holds")
    def fifth(context):
        yield note("42 of 42")

    seen = []
    found = examine("things", Context(), checks, step=lambda check: seen.append(check.code))
    assert [(f.code, f.level.value) for f in found.findings] == [
        ("SLR-X01", "error"), ("SLR-X02", "error"), ("SLR-X05", "note")
    ]  # fmt: skip
    assert (found.findings[0].what, found.findings[0].where) == ("a file is gone", "clip.npy")
    assert "KeyError" in found.findings[1].what
    assert found.skipped == (("SLR-X03", "SLR-X02"), ("SLR-X04", "SLR-X03"))
    assert seen == [check.code for check in checks]
    summary = found.to_dict()["summary"]
    assert summary == {"passed": False, "checks": 3, "errors": 2, "warnings": 0, "notes": 1}
    with pytest.raises(ValueError, match="twice"):
        checks.add("SLR-X01", "again")


def test_a_long_list_is_cut_and_counted():
    assert some(range(3)) == "0, 1, 2"
    assert some(range(1008)) == "0, 1, 2, 3, 4 and 1,003 more"
