"""ELAN's annotation files (.eaf, version 3.0) of one clip, written by pympi-ling and read without it.

They hold no id: the file's name is the id.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from slrcli.errors import DataError, DependencyError, with_extra
from slrcli.transcripts.items import Entry, Segment, complete, number, rows_of

GLOSSES, CONFIDENCES = "glosses", "confidence"  # the tiers
MEDIA = {".mp4": "video/mp4", ".mpg": "video/mpeg", ".mpeg": "video/mpeg", ".mov": "video/quicktime"}
OTHER_MEDIA = "unknown"  # what ELAN itself writes


def read(text: str, path: str) -> Iterator[Segment]:
    """The words of the annotations in the tier `glosses`, sorted by time, with the confidences of its child tier.

    Raises:
        DataError: the file is not XML, or has no such tier.
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"This is not an ELAN file: {error}.", path, "Use an .eaf file saved by ELAN.") from error
    tiers = {tier.get("TIER_ID", ""): tier for tier in root.iter("TIER")}
    if GLOSSES not in tiers:
        named = ", ".join(tiers) or "none"
        fix = f"Rename the tier with the glosses. The tiers are: {named}."
        raise DataError(f"No tier has the name {GLOSSES}.", path, fix)
    slots = {slot.get("TIME_SLOT_ID"): number(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    found = list(tiers[GLOSSES].iter("ALIGNABLE_ANNOTATION"))
    times = {id(one): slots.get(one.get("TIME_SLOT_REF1"), number(None)) for one in found}
    if all(time == time for time in times.values()):  # a slot without a time lies between its neighbours in the file
        found.sort(key=lambda one: times[id(one)])
    below = tiers[CONFIDENCES].iter("REF_ANNOTATION") if CONFIDENCES in tiers else ()
    sure = {one.get("ANNOTATION_REF"): number(_value(one)) for one in below}
    glosses = tuple(word for one in found for word in _value(one).split())
    confidences = [sure.get(one.get("ANNOTATION_ID"), number(None)) for one in found]
    yield Segment(Path(path).stem, glosses, line=1, confidences=complete(confidences, len(glosses)))


def _value(annotation: ElementTree.Element) -> str:
    return annotation.findtext("ANNOTATION_VALUE") or ""


def write(entries: Sequence[Entry]) -> str:
    """Two tiers: the glosses, and below each its confidence. A video that the clip was made from is linked.

    Raises:
        DependencyError: pympi-ling is not installed.
        DataError: a gloss has a character that XML cannot hold.
    """
    pympi = need_pympi()
    (clip,) = entries
    file = _empty(pympi)
    if clip.media is not None:
        path = clip.media.resolve()
        kind = MEDIA.get(path.suffix.lower(), OTHER_MEDIA)
        file.add_linked_file(path.as_uri(), f"./{path.name}", kind)
    for row in rows_of(clip, "eaf"):
        if not _fits_xml(row.gloss):
            raise DataError(f"ELAN cannot hold the gloss {row.gloss!r}.", clip.id, "Choose another format.")
        start, end = round(1000 * row.start), round(1000 * row.end)
        end = max(end, start + 2)
        file.add_annotation(GLOSSES, start, end, row.gloss)
        # found by its middle: where one gloss begins, the one before may end
        file.add_ref_annotation(CONFIDENCES, GLOSSES, (start + end) // 2, f"{row.confidence:.3f}")
    file.properties = [("lastUsedAnnotationId", file.maxaid)]  # from where ELAN numbers new ones
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + pympi.Elan.to_string(file)


def need_pympi() -> ModuleType:
    """The library; DependencyError where it is not installed."""
    try:
        import pympi
    except ImportError as error:
        raise DependencyError("ELAN files need the library pympi-ling.", "--format eaf", with_extra("elan")) from error
    return pympi


def _empty(pympi: ModuleType) -> Any:
    """A file with the two tiers and nothing in them."""
    file = pympi.Elan.Eaf(author="slr")
    schema = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
    file.adocument |= {"VERSION": "3.0", "FORMAT": "3.0", "xsi:noNamespaceSchemaLocation": schema}
    file.header |= {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    file.add_linguistic_type("gloss")
    file.add_linguistic_type("number", "Symbolic_Association", timealignable=False)
    file.add_tier(GLOSSES, "gloss")
    file.add_tier(CONFIDENCES, "number", parent=GLOSSES)
    file.remove_tier("default")
    file.remove_linguistic_type("default-lt")
    return file


def _fits_xml(text: str) -> bool:
    """Whether XML 1.0 has all of its characters."""
    return all(
        char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in text
    )
