"""The names in the configuration are those that the registries know."""

from slrcli.config import names
from slrcli.corpus.formats import FORMATS
from slrcli.features.readers import PEOPLE
from slrcli.features.writers import WRITERS
from slrcli.models.registry import ARCHITECTURES
from slrcli.scoring.score import BY
from slrcli.training.loop import learning_rate
from slrcli.training.loss.distill import frames_compared


def test_architectures_and_corpus_formats_are_those_of_their_registries():
    assert (*ARCHITECTURES,) == names.ARCHITECTURES
    assert ("auto", *FORMATS) == names.CORPUS_FORMATS


def test_kinds_of_files_and_of_pairing_are_those_that_are_read_and_written():
    assert {suffix.removeprefix(".") for suffix in WRITERS} == set(names.CLIP_FILES)
    assert (*PEOPLE,) == names.PEOPLE and (*BY,) == names.PAIRINGS


def test_every_schedule_gives_a_learning_rate_and_every_rule_for_blanks_some_frames():
    import torch

    from slrcli.config import OptimConfig

    for schedule in names.SCHEDULES:
        assert 0 <= learning_rate(3.0, OptimConfig(schedule=schedule)) <= OptimConfig().lr
    best, valid = torch.tensor([[0, 0, 0, 2, 0, 0]]), torch.ones(1, 6, dtype=torch.bool)
    counts = {rule: int(frames_compared(best, valid, rule).sum()) for rule in names.BLANKS}
    assert counts == {"all": 6, "symmetric": 3}
