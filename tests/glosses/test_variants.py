"""What is to be seen of a gloss."""

import pytest

from slrcli.glosses.variants import plain, seen, shown, visible


@pytest.mark.parametrize(
    ("gloss", "left"),
    [
        ("A\u200dB", "AB"),
        ("A\u200c\u200dB", "AB"),
        ("AB\u200d", "AB"),
        ("手\u200d话", "手话"),
        ("ДО\u200cМ", "ДОМ"),
        ("می\u200cروم", "می\u200cروم"),
        ("شمس\u200d", "شمس"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("\u202bشمس\u202c", "شمس"),
    ],
)
def test_joiners_belong_to_a_gloss_only_where_they_join(gloss, left):
    assert visible(gloss) == left and seen(gloss) == left
    assert plain(gloss) == plain(left)
    assert (shown(gloss) == gloss) == (gloss == left)
