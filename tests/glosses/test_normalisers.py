"""Every rule of every normaliser on invented glosses, and the published tables by their counts."""

import pytest

from slrcli.glosses import NORMALISERS, get_normaliser

RULES = [
    ("phoenix2014-ctm", "prefixes", "loc-NORD NICHT-cl-X lh- poss-A", "NORD NICHT-X A"),
    ("phoenix2014-ctm", "spelling", "S0NNE xHABEN2", "SONNE xHABEN"),
    ("phoenix2014-ctm", "marks", "__PU__ A__EMOTION__", "A"),
    ("phoenix2014-ctm", "zeigen", "ZEIGEN VORZEIGEN ZEIGEN-X", "ZEIGEN-BILDSCHIRM VORZEIGEN-BILDSCHIRM ZEIGEN-X"),
    ("phoenix2014-ctm", "raum", "NORDRAUM TRAUM XYRAUMZ", "NORD TRAUM XYZ"),
    ("phoenix2014-ctm", "plusplus", "A-PLUSPLUS -PLUSPLUS B", "A B"),
    ("phoenix2014-ctm", "dropped", "A __EPENTHESIS__ x__EPENTHESIS__y", "A"),
    ("phoenix2014-sentence", "prefixes", "qu-WER lh-X", "WER X"),
    ("phoenix2014-sentence", "spelling", "S0NNE HABEN2", "SONNE HABEN"),
    ("phoenix2014-sentence", "marks", "__LEFTHAND__ A", "A"),
    ("phoenix2014-sentence", "wie-aussehen", "JETZT WIE AUSSEHEN", "JETZT WIE-AUSSEHEN"),
    ("phoenix2014-sentence", "zeigen", "X-ZEIGEN A", "X-ZEIGEN-BILDSCHIRM A"),
    ("phoenix2014-sentence", "letters", "A B WORT SCH O NN X", "A+B WORT SCH+O+NN X"),
    ("phoenix2014-sentence", "letters", "WORT U N WORT", "WORT U+N WORT"),
    ("phoenix2014-sentence", "raum", "SUEDRAUM", "SUED"),
    ("phoenix2014-sentence", "plusplus", "WORT-PLUSPLUS", "WORT"),
    ("phoenix2014-sentence", "capital-repeats", "WORT WORT ende", "WORT ende"),
    ("phoenix2014-sentence", "dropped", "__EPENTHESIS__ WORT", "WORT"),
    ("phoenix2014-sentence", "repeats", "neg-X neg-X A-B A-B", "neg-X A-B"),
    ("phoenix2014t", "unwanted", "__EPENTHESIS__ x__EMOTION__ WORT", "x WORT"),
    ("phoenix2014t", "marks", "__ON__ WORT __OFF__", "WORT"),
    ("phoenix2014t", "prefixes", "loc-NORD cl-KOMMEN qu-WER", "NORD KOMMEN qu-WER"),
    ("phoenix2014t", "plusplus", "WORT-PLUSPLUS", "WORT"),
    ("phoenix2014t", "raum", "NORDRAUM TRAUM XRAUMY", "NORD T XRAUMY"),
    ("phoenix2014t", "wie-aussehen", "WIE AUSSEHEN", "WIE-AUSSEHEN"),
    ("phoenix2014t", "letters", "K D E", "K+D+E"),
    ("phoenix2014t", "capital-repeats", "WORT WORT WORT WORT", "WORT"),
    ("phoenix2014t", "repeats", "a a b", "a b"),
    ("seed-filter", "marked", "IX POSITIV WORT", "WORT"),
    ("seed-filter", "letters", "A Ä 7 WORT", "7 WORT"),
    ("csl-daily", "width", "Ａ１ （他） 我", "A1 (他) 我"),
    ("nfc", "composed", "GRU\u0308N O\u0302", "GR\u00dcN \u00d4"),
    ("nfc", "invisible", "NO\u200bRD \u202aWIND\u202c \u00ad", "NORD WIND"),
    ("nfc", "invisible", "NO\u200dRD \u200cWIND SU\u0308\u200dD", "NORD WIND S\u00dcD"),
    ("casefold", "invisible", "no\u2060rd", "nord"),
    ("casefold", "case", "Nord STRASSE Straße GRU\u0308N", "nord strasse strasse gr\u00fcn"),
    ("characters", "characters", "ABU\u0308 我好", "A B \u00dc 我 好"),
]


@pytest.mark.parametrize(("name", "rule", "raw", "clean"), RULES)
def test_a_rule_does_what_it_says_and_is_named_for_it(name, rule, raw, clean):
    normaliser = get_normaliser(name)
    assert normaliser.normalise(raw.split()) == clean.split()
    assert rule in [change.rule for change in normaliser.explain(raw.split())]


def test_every_rule_of_every_normaliser_has_its_example():
    silent = {("phoenix2014-sentence", "spaces"), ("phoenix2014t", "spaces")}  # they take out what others emptied
    have = {(name, rule) for name, rule, *_ in RULES} | silent
    assert have == {(item.name, rule.name) for item in NORMALISERS.values() for rule in item.rules}


def test_letters_are_not_joined_across_a_deleted_gloss():
    # The script works on a line in which the deleted mark leaves two spaces.
    assert get_normaliser("phoenix2014-sentence").normalise(["WORT", "A", "__PU__", "B", "WORT"]) == [
        "WORT",
        "A",
        "B",
        "WORT",
    ]


def test_an_explanation_leads_from_the_first_glosses_to_the_last():
    normaliser = get_normaliser("phoenix2014-sentence")
    raw = ["loc-NORDRAUM", "WORT", "WORT", "A", "B", "__PU__"]
    changes = normaliser.explain(raw)
    assert changes[0].before == tuple(raw)
    assert changes[-1].after == tuple(normaliser.normalise(raw))
    assert sum(change.removed for change in changes) == len(raw) - len(normaliser.normalise(raw))


def test_the_name_of_an_earlier_release_still_means_the_same():
    assert get_normaliser("phoenix2014@1") is get_normaliser("phoenix2014-ctm")


def test_the_published_tables_lose_these_tokens(real_data):
    def lost(name, split):
        text = (real_data / "data" / "phoenix2014" / f"phoenix2014.{split}.corpus.csv").read_text(encoding="utf-8")
        rows = [line.split("|")[3].split() for line in text.splitlines()[1:]]
        return sum(len(row) - len(get_normaliser(name).normalise(row)) for row in rows)

    # 640: counted by the forerunner's authors; 502 of the 507 are __ON__ and __OFF__, 9.1 % of the 5,540 tokens.
    assert [lost(name, "dev") for name in ("phoenix2014-ctm", "seed-filter", "phoenix2014t")] == [0, 640, 507]
    assert lost("phoenix2014-sentence", "dev") == 5
