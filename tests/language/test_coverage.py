"""A language model that does not know all glosses of a vocabulary: told, and priced so that they can be decoded."""

import gzip
import itertools
import math

import pytest

from slrcli.decoding.scorer import Fusion, total
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.language import BoundModel, NgramModel, coverage, estimate, read_arpa, stored, write_arpa
from slrcli.language.ngram import END, START, UNKNOWN

SENTENCES = [["RAIN", "SNOW"], ["RAIN", "FOG", "RAIN"], ["SNOW"], ["SNOW", "RAIN"]]
GLOSSES = ("FOG", "ICE", "RAIN", "SNOW")
UNKNOWNS = ("<unk>", "<UNK>", "<Unk>")


@pytest.fixture(scope="module")
def weather() -> NgramModel:
    return estimate(SENTENCES, 3, "none@1")[0]


def closed(model: NgramModel) -> NgramModel:
    """A model as of a closed vocabulary: without `<unk>`."""
    return NgramModel(({ngram: value for ngram, value in model.tables[0].items() if ngram != (UNKNOWN,)},
                       *model.tables[1:]), model.normaliser)  # fmt: skip


def impossible(model: NgramModel, gloss: str = UNKNOWN) -> NgramModel:
    """A model whose `gloss` has the probability zero, as some toolkits write it."""
    return NgramModel(({**model.tables[0], (gloss,): (-99.0, 0.0)}, *model.tables[1:]), model.normaliser)


def katz(model: NgramModel, unknown: float, glosses: tuple[str, ...]) -> float:
    """Natural logarithm of the probability of a sentence, term by term from the listed n-grams."""
    history, found = [START], 0.0
    for gloss in (*glosses, END):
        context = tuple(history[-(model.order - 1) :])
        while True:
            value = model.tables[len(context)].get((*context, gloss))
            if value is not None and value[0] > -99:
                found += value[0]
                break
            if not context:
                found += unknown
                break
            found += model.tables[len(context) - 1].get(context, (0.0, 0.0))[1]
            context = context[1:]
        history.append(gloss if (gloss,) in model.tables[0] else UNKNOWN)
    return found * math.log(10)


@pytest.mark.parametrize("make", [closed, impossible], ids=["no <unk>", "<unk> is impossible"])
def test_all_short_sentences_have_the_probability_of_the_listed_ngrams_with_a_floor(weather, make):
    model = make(weather)
    vocabulary = Vocabulary.build([GLOSSES])
    bound, floor = BoundModel(model, vocabulary), min(weather.tables[0][g,][0] for g in ("FOG", "RAIN", "SNOW"))
    fusion = Fusion([(bound, 0.5)], len(vocabulary), 0.25)
    for length in range(4):
        for glosses in itertools.product(GLOSSES, repeat=length):
            ids = [vocabulary.id_of(gloss) for gloss in glosses]
            expected = katz(model, floor, glosses)
            assert total(bound, ids) == pytest.approx(expected, abs=1e-9), glosses
            assert total(fusion, ids) == pytest.approx(0.5 * expected + 0.25 * length, abs=1e-9), glosses


def test_a_gloss_that_is_listed_as_impossible_has_the_floor(weather):
    vocabulary = Vocabulary.build([GLOSSES])
    model = impossible(NgramModel((weather.tables[0],)), "FOG")
    row = BoundModel(model, vocabulary).log_probs(0)
    rarest = min(weather.tables[0][gloss,][0] for gloss in ("RAIN", "SNOW"))
    assert row[vocabulary.id_of("FOG")] == pytest.approx(rarest * math.log(10))


def test_a_history_that_leaves_nothing_over_forbids_no_unknown_gloss(weather):
    tables = ({**closed(weather).tables[0], ("RAIN",): (-0.4, -99.0)}, *weather.tables[1:])
    vocabulary = Vocabulary.build([GLOSSES])
    bound = BoundModel(NgramModel(tables), vocabulary)
    row = bound.log_probs(bound.next(bound.start(), vocabulary.id_of("RAIN")))
    assert row[vocabulary.id_of("ICE")] > -10  # nats; the history's weight alone is -228


def test_a_model_that_knows_everything_scores_as_before(weather):
    vocabulary = Vocabulary.build(SENTENCES)
    bound, state, history = BoundModel(closed(weather), vocabulary), 0, [START]
    for gloss in ("RAIN", "SNOW", "SNOW", "FOG"):
        row = [weather.log10(history, other) * math.log(10) for other in vocabulary.glosses]
        assert bound.log_probs(state)[1:] == pytest.approx(row, abs=1e-12)
        state = bound.next(state, vocabulary.id_of(gloss))
        history.append(gloss)


@pytest.mark.parametrize("spelling", UNKNOWNS)
def test_the_unknown_gloss_is_read_in_any_case(tmp_path, weather, spelling):
    write_arpa(tmp_path / "lm.arpa", weather)
    text = (tmp_path / "lm.arpa").read_text(encoding="utf-8")
    (tmp_path / "lm.arpa").write_text(text.replace(UNKNOWN, spelling), encoding="utf-8")
    model = read_arpa(tmp_path / "lm.arpa")
    assert model.estimates_unknown and model.glosses == ["FOG", "RAIN", "SNOW"]
    assert model.log10([START], "ICE") == pytest.approx(weather.log10([START], "ICE"), abs=1e-6)


def test_a_gloss_that_looks_like_the_unknown_one_stays_a_gloss_beside_it(tmp_path):
    write_arpa(tmp_path / "lm.arpa", estimate([["A", "<UNK>"], ["A"]], 2)[0])
    assert read_arpa(tmp_path / "lm.arpa").glosses == ["<UNK>", "A"]


@pytest.mark.parametrize(
    ("glosses", "composed", "folded"),
    [
        (["rain", "snow", "FOG"], {}, {"rain": "RAIN", "snow": "SNOW"}),
        (["RAIN", "ICE"], {}, {}),
        (["Cafe\u0301", "RAIN"], {"Cafe\u0301": "Café"}, {}),
        (["Stra\u00dfe", "RAIN"], {}, {"Straße": "STRASSE"}),
        (["cafe\u0301", "\u039f\u0394\u039f\u03a3"], {}, {"cafe\u0301": "Café", "ΟΔΟΣ": "οδος"}),
    ],
)
def test_missing_glosses_that_differ_in_form_alone_are_named(weather, glosses, composed, folded):
    model, _ = estimate([*SENTENCES, ["Café", "STRASSE", "οδος"]], 2)
    found = coverage(model, glosses)
    assert (found.composed, found.folded) == (composed, folded)
    told = " ".join(found.warnings)
    assert f"lacks {len(found.missing)} of the vocabulary's {len(glosses)} glosses" in told
    assert all(gloss in told for gloss in found.missing)
    assert ("(NFC)" in told, "case folding" in told) == (bool(composed), bool(folded))


@pytest.mark.parametrize(("make", "said"), [(closed, "rarest gloss"), (impossible, "rarest gloss"), (None, "of <unk>")])
def test_the_price_of_missing_glosses_is_told(weather, make, said):
    model = make(weather) if make else weather
    (warning,) = coverage(model, GLOSSES, "none@1").warnings
    assert "lacks 1 of the vocabulary's 4 glosses (ICE)" in warning and said in warning


def test_only_another_normaliser_is_told(weather):
    assert coverage(weather, ["RAIN"], "none@1").warnings == ()
    (warning,) = coverage(weather, ["RAIN"], "upper@1").warnings
    assert "none@1" in warning and "slr lm --normaliser upper" in warning
    assert coverage(NgramModel(weather.tables), ["RAIN"], "upper@1").warnings == ()  # other toolkits do not say it


def test_special_tokens_of_a_vocabulary_are_not_missing(weather):
    assert coverage(weather, ["<unk>", "RAIN"]).missing == ()


def test_where_no_gloss_is_known_it_is_said_what_would_make_them_equal(weather):
    with pytest.raises(DataError, match="2 of them would be equal after case folding"):
        BoundModel(weather, Vocabulary.build([["rain", "snow", "ice"]]))


# Compressed files.


def test_a_compressed_model_is_the_model(tmp_path, weather):
    write_arpa(tmp_path / "lm.arpa", weather)
    write_arpa(tmp_path / "lm.arpa.gz", weather)
    plain = (tmp_path / "lm.arpa").read_bytes()
    assert gzip.decompress((tmp_path / "lm.arpa.gz").read_bytes()) == plain
    assert read_arpa(tmp_path / "lm.arpa.gz").tables == read_arpa(tmp_path / "lm.arpa").tables
    assert stored.model_bytes(stored.stored(tmp_path / "lm.arpa.gz")) == plain


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:40], "damaged"),
        (lambda data: data[:30] + bytes(8) + data[38:], "damaged"),
        (lambda data: data[:-8] + bytes(8), "damaged"),
        (lambda data: gzip.compress(bytes(3 << 20)), "more than 1 MB"),
    ],
    ids=["cut", "overwritten", "checksum", "bomb"],
)
def test_damaged_and_endless_files_are_refused(tmp_path, weather, monkeypatch, damage, said):
    monkeypatch.setattr(stored, "MOST_BYTES", 1 << 20)
    write_arpa(tmp_path / "lm.arpa.gz", weather)
    (tmp_path / "lm.arpa.gz").write_bytes(damage((tmp_path / "lm.arpa.gz").read_bytes()))
    with pytest.raises(DataError, match=said):
        read_arpa(tmp_path / "lm.arpa.gz")
