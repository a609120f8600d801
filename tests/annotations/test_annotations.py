"""Annotations in time, as pympi and other programs write them."""

import datetime

import pympi
import pytest
import srt
import webvtt

from slrcli.annotations import Mark, Tier, read_annotations, signers_of, utterances_of
from slrcli.annotations.signers import words_of
from slrcli.errors import DataError


def elan(path, tiers, media=(), participants=None):
    """An ELAN file as pympi writes it: tier -> (start, end, text) in milliseconds."""
    file = pympi.Elan.Eaf(author="test")
    file.remove_tier("default")
    for name, rows in tiers.items():
        file.add_tier(name, part=(participants or {}).get(name))
        for start, end, text in rows:
            file.add_annotation(name, start, end, text)
    for place, relative, origin in media:
        file.add_linked_file(place, relative, "video/mp4", time_origin=origin)
    file.to_file(path)
    return path


def document(tiers, slots, about='TIME_UNITS="milliseconds"'):
    """An ELAN file as ELAN writes it, with what pympi cannot make."""
    order = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{id}"' + ("" if time is None else f' TIME_VALUE="{time}"') + "/>"
        for id, time in slots.items()
    )
    schema = 'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+01:00" '
        f'VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" {schema}>'
        f'<HEADER MEDIA_FILE="" {about}/><TIME_ORDER>{order}</TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>'
    )


def aligned(id, first, last, text):
    inner = f'ANNOTATION_ID="{id}" TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{last}"'
    return f"<ANNOTATION><ALIGNABLE_ANNOTATION {inner}><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>" \
           "</ALIGNABLE_ANNOTATION></ANNOTATION>"  # fmt: skip


def referring(id, parent, text, previous=""):
    inner = f'ANNOTATION_ID="{id}" ANNOTATION_REF="{parent}"'
    inner += f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return f"<ANNOTATION><REF_ANNOTATION {inner}><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>" \
           "</REF_ANNOTATION></ANNOTATION>"  # fmt: skip


def tier(name, *annotations, more=""):
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="x" {more}>{"".join(annotations)}</TIER>'


def test_the_times_of_a_tier_are_those_that_pympi_reads(tmp_path):
    rows = [(1000, 1400, "B"), (0, 700, "A"), (1400, 2000, ""), (2500, 2600, " "), (3000, 3333, "Ä Ö")]
    path = elan(tmp_path / "a.eaf", {"GLOSS": rows})
    file = pympi.Elan.Eaf(str(path), suppress_version_warning=True)
    oracle = sorted(row for row in file.get_annotation_data_for_tier("GLOSS") if row[2].strip())
    found = read_annotations(path).tiers["GLOSS"]
    assert [(round(1000 * mark.start), round(1000 * mark.end), mark.text) for mark in found.marks] == oracle
    assert found.empty == 2


def test_symbolic_annotations_share_the_time_of_their_parent(tmp_path):
    words = [referring("a4", "a1", "C", "a3"), referring("a2", "a1", "A"), referring("a3", "a1", "B", "a2")]
    text = document(
        tier("Meaning", referring("a5", "a2", "one"), more='PARENT_REF="Words"')
        + tier("Words", *words, more='PARENT_REF="Sentence"')
        + tier("Sentence", aligned("a1", "ts1", "ts2", "a sentence"), more='PARTICIPANT="Ann"'),
        {"ts1": 1000, "ts2": 4000},
    )
    (tmp_path / "a.eaf").write_text(text, encoding="utf-8")
    found = read_annotations(tmp_path / "a.eaf").tiers
    assert found["Words"].marks == (Mark(1, 2, "A"), Mark(2, 3, "B"), Mark(3, 4, "C"))
    assert found["Meaning"].marks == (Mark(1, 2, "one"),)
    assert found["Sentence"].participant == "Ann"


def test_limits_that_were_never_set_share_the_time_between_those_that_were(tmp_path):
    rows = [aligned("a1", "ts1", "ts2", "A"), aligned("a2", "ts2", "ts3", "B"), aligned("a3", "ts3", "ts4", "C")]
    lost = aligned("a4", "ts5", "ts6", "D")
    slots = {"ts1": 0, "ts2": None, "ts3": None, "ts4": 900, "ts5": None, "ts6": None}
    (tmp_path / "a.eaf").write_text(document(tier("G", *rows, lost), slots), encoding="utf-8")
    found = read_annotations(tmp_path / "a.eaf").tiers["G"]
    assert [(round(mark.start, 6), round(mark.end, 6), mark.text) for mark in found.marks] == [
        (0.0, 0.3, "A"),
        (0.3, 0.6, "B"),
        (0.6, 0.9, "C"),
    ]
    assert found.timeless == 1


@pytest.mark.parametrize(
    ("unit", "seconds"), [("milliseconds", 0.05), ("PAL-frames", 2.0), ("NTSC-frames", 50 * 1001 / 30000)]
)
def test_units_of_time_are_those_of_the_file(tmp_path, unit, seconds):
    text = document(tier("G", aligned("a1", "ts1", "ts2", "A")), {"ts1": 0, "ts2": 50}, f'TIME_UNITS="{unit}"')
    (tmp_path / "a.eaf").write_text(text, encoding="utf-8")
    assert read_annotations(tmp_path / "a.eaf").tiers["G"].marks[0].end == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("place", "relative", "name"),
    [
        ("file:///home/me/My%20Video.mp4", "./My%20Video.mp4", "My Video.mp4"),
        ("file:///C:/Users/me/x_1a1.mp4", None, "x_1a1.mp4"),
        (r"file:///C:\Users\me\x.mpg", None, "x.mpg"),
        ("file:///a/x.mp4", "../videos/x.mp4", "x.mp4"),
    ],
)
def test_videos_are_known_by_their_names(tmp_path, place, relative, name):
    media = read_annotations(elan(tmp_path / "a.eaf", {"G": []}, [(place, relative, 1500)])).media
    assert [(one.name, one.origin) for one in media] == [(name, 1.5)]


SOUND = document(tier("G", aligned("a1", "ts1", "ts2", "A")), {"ts1": 0, "ts2": 50})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not xml",
        "<html/>",
        SOUND[:300],
        SOUND.replace("TIME_SLOT_REF2", "OTHER"),
        SOUND.replace('REF2="ts2"', 'REF2="ts9"'),
        SOUND.replace('TIME_VALUE="50"', 'TIME_VALUE="x"'),
        SOUND.replace('TIME_VALUE="0"', 'TIME_VALUE="99"'),
        SOUND.replace("<ANNOTATION_VALUE>A</ANNOTATION_VALUE>", ""),
        SOUND.replace("milliseconds", "days"),
        document(tier("W", referring("a2", "a1", "A")), {}),
        document(tier("W", referring("a1", "a2", "A")) + tier("V", referring("a2", "a1", "A")), {}),
        SOUND.replace("<HEADER", '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><HEADER').replace(">A<", ">&b;<"),
    ],
)
def test_a_damaged_file_is_an_error_of_ours(tmp_path, text):
    (tmp_path / "a.eaf").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_annotations(tmp_path / "a.eaf")


def test_a_missing_file_is_an_error_of_ours(tmp_path):
    for name in ("a.eaf", "a.srt", "a.txt"):
        with pytest.raises(DataError):
            read_annotations(tmp_path / name)


def seconds(value):
    return datetime.timedelta(seconds=value)


CUES = [(0.5, 1.25, "HELLO YOU"), (3661.0, 3662.5, "NAME\nWHAT"), (2.0, 2.5, "<b>&")]


def test_cues_of_srt_are_those_that_were_written(tmp_path):
    text = srt.compose([srt.Subtitle(n, seconds(a), seconds(b), text) for n, (a, b, text) in enumerate(CUES, 1)])
    (tmp_path / "a.srt").write_text(text, encoding="utf-8")
    marks = read_annotations(tmp_path / "a.srt").tiers[""].marks
    assert marks == (Mark(0.5, 1.25, "HELLO YOU"), Mark(2.0, 2.5, "<b>&"), Mark(3661.0, 3662.5, "NAME WHAT"))


def test_cues_of_vtt_are_those_that_were_written(tmp_path):
    file = webvtt.WebVTT()
    file.captions.append(webvtt.Caption("00:00:00.500", "00:00:01.250", "<v Ann>HELLO &amp; YOU</v>"))
    file.captions.append(webvtt.Caption("01:01:01.000", "01:01:02.500", ["NAME", "WHAT"]))
    file.save(str(tmp_path / "a.vtt"))
    marks = read_annotations(tmp_path / "a.vtt").tiers[""].marks
    assert marks == (Mark(0.5, 1.25, "HELLO & YOU"), Mark(3661.0, 3662.5, "NAME WHAT"))


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "1\n00:00:02,000 --> 00:00:01,000\nA\n", "1\n0:2 --> 0:3\nA\n", "1\n00:00:02,000 -->\nA\n",
        *(f"1\n00:02,000 --> {hours}:00:03,000\nA\n" for hours in ("9" * 400, "9" * 5000)),
    ],
)  # fmt: skip
def test_damaged_subtitles_are_an_error_of_ours(tmp_path, text):
    for name, start in (("a.srt", ""), ("a.vtt", "WEBVTT\n\n")):
        (tmp_path / name).write_text(start + text, encoding="utf-8")
        with pytest.raises(DataError):
            read_annotations(tmp_path / name)


# Signers and hands.


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["GLOSS"], {"": ["GLOSS"]}),
        (["GLOSS-R", "GLOSS-L"], {"": ["GLOSS-R", "GLOSS-L"]}),
        (["RH-IDgloss", "LH-IDgloss"], {"": ["RH-IDgloss", "LH-IDgloss"]}),
        (["Lexem_Gebärde_r_A", "Lexem_Gebärde_l_A"], {"": ["Lexem_Gebärde_r_A", "Lexem_Gebärde_l_A"]}),
        (
            ["Lexem_Gebärde_r_A", "Lexem_Gebärde_r_B", "Lexem_Gebärde_l_A", "Lexem_Gebärde_l_B"],
            {"A": ["Lexem_Gebärde_r_A", "Lexem_Gebärde_l_A"], "B": ["Lexem_Gebärde_r_B", "Lexem_Gebärde_l_B"]},
        ),
        (["GlossR S1", "GlossL S1", "GlossR S2"], {"S1": ["GlossR S1", "GlossL S1"], "S2": ["GlossR S2"]}),
        (["A_right hand", "B_right hand"], {"A": ["A_right hand"], "B": ["B_right hand"]}),
        (["Gloss", "Fingerspelling"], {"": ["Gloss", "Fingerspelling"]}),
    ],
)
def test_tiers_belong_to_hands_and_signers_by_their_names(names, wanted):
    found = signers_of([Tier(name) for name in names])
    assert {signer.label: [tier.name for tier in signer.tiers] for signer in found} == wanted


def test_the_participant_of_a_tier_goes_before_its_name():
    found = signers_of([Tier("x1", participant="Ann"), Tier("x2", participant="Ann"), Tier("x3", participant="Bob")])
    assert [(signer.label, len(signer.tiers)) for signer in found] == [("Ann", 2), ("Bob", 1)]


def test_words_for_a_hand_are_no_part_of_a_name():
    assert words_of("Glosses R-hand") == ("glosses",) and words_of("Rechte Hand_P1") == ("p1",)


def tiers(*rows):
    return [Tier(str(n), tuple(Mark(*row) for row in own)) for n, own in enumerate(rows)]


def test_a_sign_of_both_hands_is_one_sign():
    right = [(0, 1, "A"), (1, 2, "A"), (3, 4, "B")]
    left = [(0.1, 1.1, "A"), (1.0, 2.0, "A"), (3.2, 3.9, "C"), (5, 6, "B")]
    (cut,), counts = utterances_of(tiers(right, left), None, 9)
    assert cut.glosses == ("A", "A", "B", "C", "B") and counts.both == 2


def test_signs_are_ordered_by_their_start_and_divided_by_pauses():
    cuts, counts = utterances_of(tiers([(2, 3, "C"), (0, 4, "A B"), (0.5, 1, "B"), (5, 6, "D")]), None, 1.0)
    assert [(cut.start, cut.end, cut.glosses) for cut in cuts] == [(0, 4, ("A-B", "B", "C")), (5, 6, ("D",))]
    assert counts.spaced == 1


def test_a_sentence_has_the_signs_that_lie_in_it():
    signs = tiers([(0, 1, "A"), (1.8, 3, "B"), (4, 5, "C"), (9, 10, "D")])
    sentences = tiers([(2, 6, "second"), (0, 2, "first"), (6, 7, "bare")])
    cuts, counts = utterances_of(signs, sentences, None)
    assert [(cut.start, cut.end, cut.glosses) for cut in cuts] == [(0, 2, ("A",)), (2, 6, ("B", "C"))]
    assert (counts.outside, counts.bare) == (1, 1)


def test_a_tier_of_sentences_made_of_glosses_divides_itself():
    given = tiers([(0, 2, "HELLO YOU"), (3, 4, "NAME")])
    cuts, _ = utterances_of(given, given, None)
    assert [cut.glosses for cut in cuts] == [("HELLO", "YOU"), ("NAME",)]


def test_what_decode_writes_is_read(tmp_path):
    from slrcli.decoding.hypothesis import Hypothesis
    from slrcli.transcripts import FORMATS, TimedClip

    hypothesis = Hypothesis((1, 2, 2), ("A", "B", "B"), ((0, 4), (4, 9), (20, 30)), (0.5, 0.6, 0.7), -1.0, (1, 5, 21))
    clip = TimedClip("x", 40, hypothesis, 25.0)
    for format in ("eaf", "srt", "vtt"):
        (tmp_path / f"x.{format}").write_text(FORMATS[format].write([clip]), encoding="utf-8")
        found = read_annotations(tmp_path / f"x.{format}").tiers
        marks = found["glosses" if format == "eaf" else ""].marks
        wanted = [(row.start, row.end, row.gloss) for row in clip.rows]
        assert [(round(m.start, 3), round(m.end, 3), m.text) for m in marks] == wanted
