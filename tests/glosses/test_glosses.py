"""Gloss normalisers, held against the published tables, which others cleaned and counted."""

import pytest

from slrcli.errors import UsageError
from slrcli.glosses import NORMALISERS, get_normaliser


def phoenix(text: str) -> list[str]:
    return get_normaliser("phoenix2014").normalise(text.split())


def tokens(real_data, split: str) -> list[list[str]]:
    """Annotations of a published table, read without our reader."""
    text = (real_data / "data" / "phoenix2014" / f"phoenix2014.{split}.corpus.csv").read_text(encoding="utf-8")
    return [line.split("|")[3].split() for line in text.splitlines()[1:]]


def test_none_leaves_everything_as_it_is():
    glosses = ["__ON__", "loc-NORD", "A", "A"]
    result = get_normaliser("none").normalise(glosses)
    assert result == glosses and result is not glosses


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("loc-NORD cl-KOMMEN qu-DU poss-SEIN lh-HOCH NICHT-cl-KOMMEN", "NORD KOMMEN DU SEIN HOCH NICHT-KOMMEN"),
        ("S0NNE HABEN2 loc-HABEN2-PLUSPLUS", "SONNE HABEN HABEN"),
        ("__EMOTION__ REGEN __PU__ __LEFTHAND__ __EPENTHESIS__ loc-", "REGEN"),
        ("ZEIGEN loc-ZEIGEN ZEIGEN-BILDSCHIRM", "ZEIGEN-BILDSCHIRM ZEIGEN-BILDSCHIRM ZEIGEN-BILDSCHIRM"),
        ("NORDRAUM loc-SUEDRAUM TRAUM RAUM", "NORD SUED TRAUM RAUM"),
        ("REGEN-PLUSPLUS", "REGEN"),
        ("__ON__ IX __OFF__", "__ON__ IX __OFF__"),
        ("WIE AUSSEHEN E R Z REGEN REGEN", "WIE AUSSEHEN E R Z REGEN REGEN"),
    ],
)
def test_phoenix2014_changes_glosses_one_by_one(raw, clean):
    assert phoenix(raw) == clean.split()


def test_phoenix2014_leaves_the_published_clean_tables_unchanged(real_data):
    normalise = get_normaliser("phoenix2014").normalise
    for split in ("dev", "test"):
        sentences = tokens(real_data, split)
        assert list(map(normalise, sentences)) == sentences
    assert any(normalise(sentence) != sentence for sentence in tokens(real_data, "train"))


def test_seed_filter_removes_the_forerunners_640_dev_tokens(real_data):
    normalise = get_normaliser("seed-filter").normalise
    sentences = tokens(real_data, "dev")
    assert sum(map(len, sentences)) == 5540
    assert sum(len(sentence) - len(normalise(sentence)) for sentence in sentences) == 640


def test_seed_filter_leaves_out_whole_glosses_and_changes_none():
    raw = "__ON__ IX A Ä loc-NORD POSITION NICHTALP-AUCH REGEN-PLUSPLUS REGEN AB 7"
    assert get_normaliser("seed-filter").normalise(raw.split()) == ["REGEN", "AB", "7"]


def test_a_signature_carries_the_version_and_finds_the_normaliser_again():
    for item in NORMALISERS.values():
        assert get_normaliser(item.signature) is item


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="phoenix2014"):
        get_normaliser("phoenix-2014")


def test_another_version_is_refused_rather_than_replaced():
    with pytest.raises(UsageError, match=r"none@1.*none@99"):
        get_normaliser("none@99")
