"""A normaliser: glosses without the number of their variant."""

import re

from slrcli.glosses import Normaliser, Rule


def _bare(glosses):
    return [re.sub(r"(?<=\D)\d+$", "", gloss) for gloss in glosses]


WITHOUT_NUMBERS = Normaliser(
    "without-numbers",
    1,
    (Rule("number", "leave out the number of a variant", _bare),),
    "HOUSE1 and HOUSE2 are HOUSE.",
)
