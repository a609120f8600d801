"""The HTML page of an evaluation: what it shows is what was scored, and nothing in it acts or loads."""

import base64
import hashlib
import math
import re
import struct
import zlib
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from slrcli.checkpoints.meta import Meta
from slrcli.config import Config
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.evaluation.page import parts_of, posterior_of, spikes
from slrcli.features.layout import generic_layout
from slrcli.glosses.vocabulary import BLANK, Vocabulary
from slrcli.models.registry import build_model
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.report.page.confusion import SHOWN
from slrcli.report.page.data import Posterior, ReportData
from slrcli.report.page.document import SECTIONS, render
from slrcli.report.page.posterior import heat_png
from slrcli.report.page.sections import SIGNERS
from slrcli.report.page.utterances import Shown
from slrcli.report.templates import macro, shown
from slrcli.scoring.align import Counts, Edit
from slrcli.scoring.breakdown import calibration, familiarity
from slrcli.scoring.wer import by_group, score

VOID = frozenset({"meta"})  # elements of the page that have no end tag
HOSTILE = "\"'><img src=x onerror=alert(1)></style><script>alert(2)</script>&amp;\x00\x1b[31m\u202e\ud800"


@dataclass
class Element:
    """A node of a parsed page."""

    name: str
    attributes: dict[str, str]
    children: list = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, name: str = "", **attributes: str) -> list["Element"]:
        """Elements below this one with the name and the attributes, in order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                fits = all(child.attributes.get(key.strip("_")) == value for key, value in attributes.items())
                found += [child] * (fits and name in ("", child.name)) + child.all(name, **attributes)
        return found

    def rows(self) -> list[list[str]]:
        """Texts of the cells of a table's body."""
        body = self.all("tbody")[0]
        return [[cell.text for cell in row.children] for row in body.all("tr")]


class Tree(HTMLParser):
    """Builds the tree and insists that every element ends where it should."""

    def __init__(self, page: str):
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert self.open == [self.root], f"not closed: {self.open[-1].name}"

    def handle_starttag(self, name, attributes):
        assert len(dict(attributes)) == len(attributes), f"{name} has an attribute twice"
        element = Element(name, dict(attributes))
        self.open[-1].children.append(element)
        if name not in VOID:
            self.open.append(element)

    def handle_endtag(self, name):
        assert self.open.pop().name == name

    def handle_data(self, text):
        self.open[-1].children.append(text)


def parse(page: str) -> Element:
    return Tree(page).root


def section_of(root: Element, id: str) -> Element:
    (found,) = root.all("section", id=id)
    return found


REFS = {
    "one": ["WETTER", "MORGEN", "REGEN", "NORD"],
    "two": ["NORD", "SUED", "WIND"],
    "three": ["REGEN"],
    "four": ["WETTER", "WIND"],
}
HYPS = {
    "one": ["WETTER", "REGEN", "NORD", "WIND"],
    "two": ["NORD", "REGEN", "WIND"],
    "three": ["REGEN"],
    "four": ["WIND", "WIND", "WIND"],
}
SIGNERS_OF = {"one": "ann", "two": "bob", "three": "ann", "four": ""}


def posterior(labels=("WETTER", "<blank>"), frames=5) -> Posterior:
    probs = np.random.default_rng(0).random((frames, len(labels)), dtype=np.float32)
    return Posterior(probs, labels, [(1, labels[0])], [(2, labels[0])], 0.16)


@pytest.fixture
def data() -> ReportData:
    result = score(REFS, HYPS)
    return ReportData(
        title="run on dev",
        split="dev",
        checkpoint="runs/x/best.safetensors",
        signature="wer|split:dev",
        score=result,
        facts=[("Date", "2026-01-01")],
        groups=by_group(result, SIGNERS_OF),
        intervals={"": (20.25, 70.75), "ann": (10.0, 60.0)},
        calibration=[(0.8, 0.9, 4, 0.85, 0.75), (0.9, 1.0, 6, 0.95, 1.0)],
        posteriors={"one": posterior()},
        protocols=[("plain@1", result, 0), ("vac@1", result, 3)],
        notes=["A note."],
        familiarity=familiarity(result, {id: id == "one" for id in REFS}),
        **parts_of(result),
    )


def bare(result, **parts) -> ReportData:
    return ReportData(title="t", split="dev", checkpoint="c", signature="", score=result, **parts)


def test_a_rate_of_characters_is_called_so_wherever_it_stands():
    parts = dict(groups=by_group(score(REFS, HYPS), SIGNERS_OF), **parts_of(score(REFS, HYPS)))
    spelt, plain = (render(bare(score(REFS, HYPS), spelt=spelt, **parts)) for spelt in (True, False))
    assert "character error rate" in spelt and "CER" in spelt and "WER" not in spelt
    assert "word error rate" in plain and "WER" in plain and "CER" not in plain


def test_the_page_is_well_formed_and_has_every_section_under_its_heading(data):
    root = parse(render(data))
    (html,) = root.all("html")
    assert html.attributes["lang"] == "en" and len(root.all("main")) == len(root.all("nav")) == 1
    sections = root.all("section")
    assert [part.attributes["id"] for part in sections] == list(SECTIONS)
    for part in sections:
        (heading,) = part.all("h2")
        assert heading.text and heading.attributes["id"] == part.attributes["aria-labelledby"]
    assert [link.attributes["href"] for link in root.all("nav")[0].all("a")] == [f"#{id}" for id in SECTIONS]


def test_several_protocols_stand_side_by_side_and_one_alone_does_not(data):
    (part,) = [item for item in parse(render(data)).all("section") if item.attributes["id"] == "protocols"]
    (_, *rows) = part.all("tr")
    assert [row.all("th")[0].text for row in rows] == ["plain@1", "vac@1"]
    assert rows[1].all("td")[-1].text == "3"
    assert 'id="protocols"' not in render(bare(data.score, protocols=[("plain@1", data.score, 0)]))


def test_no_escape_is_shown_in_a_text_of_the_page_itself(data):
    assert "\\x" not in render(data)


def test_ids_are_unique_and_drawings_and_tables_can_be_read_aloud(data):
    root = parse(render(data))
    ids = [item.attributes["id"] for item in root.all() if "id" in item.attributes]
    assert len(ids) == len(set(ids))
    for drawing in root.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        assert hidden or (drawing.attributes["aria-label"] and drawing.children[0].name == "title")
    for head in root.all("th"):
        assert head.attributes["scope"] in ("row", "col")
    for box in root.all("div", class_="scroll"):
        assert box.attributes["tabindex"] == "0" and box.attributes["aria-label"]


def test_nothing_is_loaded_and_nothing_can_run(data):
    page = render(data)
    root = parse(page)
    assert not root.all("script") and not root.all("link") and not root.all("iframe")
    for item in root.all():
        assert not any(name.startswith("on") or name == "style" for name in item.attributes)
        for name in ("href", "src", "xlink:href"):
            assert item.attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    (style,) = root.all("style")
    assert "url(" not in style.text and "@import" not in style.text
    (meta,) = root.all("meta", **{"http-equiv": "Content-Security-Policy"})
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    allowed = dict(rule.strip().split(" ", 1) for rule in meta.attributes["content"].split(";"))
    assert allowed["default-src"] == "'none'" and allowed["style-src"] == f"'sha256-{digest}'"
    assert allowed["img-src"] == "data:" and "script-src" not in allowed


def test_hostile_names_stay_text_everywhere():
    refs = {HOSTILE: [HOSTILE, "A", "B"], "b": ["A", HOSTILE]}
    hyps = {HOSTILE: ["A", HOSTILE, HOSTILE], "b": [HOSTILE, HOSTILE]}
    result = score(refs, hyps)
    page = render(
        ReportData(
            title=HOSTILE,
            split=HOSTILE,
            checkpoint=HOSTILE,
            signature=HOSTILE,
            score=result,
            facts=[(HOSTILE, HOSTILE)],
            groups=by_group(result, {HOSTILE: HOSTILE}),
            intervals={HOSTILE: (1.0, 2.0)},
            posteriors={HOSTILE: posterior((HOSTILE, "<blank>"))},
            protocols=[(HOSTILE, result, 0), (HOSTILE, result, 1)],
            notes=[HOSTILE],
            **parts_of(result),
        )
    )
    root = parse(page)
    assert not root.all("script") and not root.all("img")
    assert not any(name.startswith("on") for item in root.all() for name in item.attributes)
    shown = "\"'><img src=x onerror=alert(1)></style><script>alert(2)</script>&amp;\\x00\\x1b[31m\\u202e\\ud800"
    for place in ("h1", "dd", "code", "th", "h3", "span", "li", "title"):
        assert any(shown in item.text for item in root.all(place)), place
    assert page.encode("utf-8") and not re.search("[\x00-\x09\x0b-\x1f\u202e]", page)


def test_text_is_escaped_and_markup_is_not():
    one = macro("page/parts.html.j2", "utterance", Shown("<b>\u202e", "&", [Edit("D", '"', None)]))
    assert "<p>&lt;b&gt;\\u202e <small>&amp;</small></p>" in one and "<span>&#34;</span><span>***</span>" in one
    assert shown(one) is one and [shown(value) for value in (1.5, 2 / 3, 3, "\x1b")] == ["1.5", "0.67", "3", "\\x1b"]


def test_a_template_adds_no_white_space_of_its_own(data):
    (text,) = re.findall(r"<body>(.*)</body>", render(data), re.S)
    assert not re.search(r">\s+<(?!/|small)", text) and "\n" not in text


def test_the_headline_is_the_score(data):
    (header,) = parse(render(data)).all("header")
    assert data.score.wer == 50.0
    assert header.all("strong")[0].text == "50.00 %"
    assert "interval 20.2 to 70.8 %" in header.text
    tiles = [item.all("strong")[0].text for item in header.all("ul", class_="tiles")[0].all("li")]
    assert tiles == ["2", "1", "2", "10", "4"]  # substituted, deleted, inserted, glosses, utterances
    assert header.all("code")[0].text == data.signature and "A note." in header.text
    named = dict(zip((x.text for x in header.all("dt")), (x.text for x in header.all("dd")), strict=True))
    assert named == {"Checkpoint": data.checkpoint, "Split": "dev", "Date": "2026-01-01"}


def test_rates_by_signer_and_by_length_add_up_to_the_score(data):
    root = parse(render(data))
    rows = section_of(root, "signers").all("table")[0].rows()
    assert [row[0] for row in rows] == ["(unknown)", "ann", "bob"]
    assert rows[1][1:2] + rows[1][3:] == ["40.00 %", "0", "1", "1", "5", "2"]
    for id in ("signers", "lengths"):
        rows = section_of(root, id).all("table")[0].rows()
        sums = [sum(int(row[place]) for row in rows) for place in range(3, 8)]
        whole = data.score
        assert sums == [whole.substitutions, whole.deletions, whole.insertions, whole.ref_tokens, 4]


def test_bars_are_as_long_as_the_rates_and_stay_in_their_cell(data):
    root = parse(render(data))
    section = section_of(root, "signers")
    scale = int(re.search(r"0 to (\d+) %", section.all("thead")[0].text).group(1))
    rates = [group.wer for group in data.groups.values()]
    assert scale == 100 and max(rates) == 100
    for drawing, rate in zip(section.all("svg", class_="bar"), rates, strict=True):
        widths = [float(part.attributes["width"]) for part in drawing.all("rect")]
        starts = [float(part.attributes["x"]) for part in drawing.all("rect")]
        assert sum(widths) == pytest.approx(100 * rate / scale, abs=0.05)
        assert starts == pytest.approx([sum(widths[:place]) for place in range(len(widths))], abs=0.05)
    (line,) = section.all("path", class_="interval")
    assert line.attributes["d"].startswith("M10.00 8H60.00")


def test_rates_beyond_a_hundred_lengthen_the_scale():
    result = score({"a": ["X"]}, {"a": ["Y", "Z", "Z"]})
    section = section_of(parse(render(bare(result, groups={"s": result}))), "signers")
    assert "0 to 300 %" in section.text
    assert sum(float(part.attributes["width"]) for part in section.all("rect")) == pytest.approx(100, abs=0.05)


def test_rates_by_length_need_no_utterances():
    result = score({"a": ["X"]}, {"a": ["X"]})
    section = section_of(parse(render(bare(result, by_length=[("1", Counts(hits=3, substitutions=1))]))), "lengths")
    assert section.all("table")[0].rows() == [["1", "25.00 %", "WER 25.00 %", "1", "0", "0", "4"]]


def test_the_interval_of_the_whole_is_not_that_of_an_unknown_signer(data):
    section = section_of(parse(render(replace(data, intervals={"": (1.0, 2.0)}))), "signers")
    assert not section.all("path", class_="interval") and "confidence interval" not in section.text


def test_an_unknown_interval_is_not_shown(data):
    page = render(replace(data, intervals={"": (math.nan, math.nan), "ann": (math.nan, 5.0)}))
    assert "confidence interval" not in page and "nan to" not in page
    assert not section_of(parse(page), "signers").all("path", class_="interval")


def test_every_row_of_the_confusion_matrix_adds_up_to_its_gloss(data):
    rows = section_of(parse(render(data)), "confusion").all("table", class_="matrix")[0].rows()
    support = {gloss: count for gloss, count, _, _ in data.glosses}
    *glosses, inserted = rows
    assert {row[0] for row in glosses} == {"MORGEN", "WETTER", "WIND", "SUED", "REGEN"}
    for name, *cells, whole in glosses:
        assert sum(int(cell or 0) for cell in cells) == int(whole) == support[name]
    assert sum(int(cell or 0) for cell in inserted[1:-1]) == int(inserted[-1]) == data.score.insertions
    order = [row[0] for row in glosses]
    assert glosses[order.index("SUED")][1 + order.index("REGEN")] == "1"
    assert glosses[order.index("MORGEN")][-2] == "1"  # deleted


def test_glosses_beyond_the_matrix_are_counted_together():
    rng = np.random.default_rng(0)
    refs = {str(number): [f"G{i}" for i in rng.integers(0, 60, 8)] for number in range(60)}
    hyps = {id: [f"G{i}" for i in rng.integers(0, 60, 8)] for id in refs}
    result = score(refs, hyps)
    whole = bare(result, **parts_of(result))
    *rows, inserted = section_of(parse(render(whole)), "confusion").all("table", class_="matrix")[0].rows()
    support = {gloss: count for gloss, count, _, _ in whole.glosses}
    assert len(rows) == SHOWN and any(row[-3] for row in rows) and inserted[-3]
    for name, *cells, total in [*rows, inserted]:
        known = support.get(name, result.insertions)
        assert sum(int(cell or 0) for cell in cells) == int(total) == known


def test_glosses_and_pairs_have_their_numbers(data):
    root = parse(render(data))
    rows = {row[0]: row[1:] for row in section_of(root, "glosses").all("table")[0].rows()}
    assert rows["WIND"][0::2][:2] == ["100 %", "40 %"] and rows["WIND"][4:] == ["2", "2", "5"]
    assert rows["MORGEN"][0::2][:2] == ["0 %", "–"]
    assert "NORD" not in rows and "Without error: 1 of 6" in section_of(root, "glosses").text
    substitutions, deletions, insertions = (table.rows() for table in section_of(root, "pairs").all("table"))
    assert substitutions == [["SUED", "REGEN", "1", "100 %"], ["WETTER", "WIND", "1", "50 %"]]
    assert deletions == [["MORGEN", "1", "100 %"]] and insertions == [["WIND", "2", "40 %"]]


def test_calibration_says_the_expected_error(data):
    section = section_of(parse(render(data)), "calibration")
    assert "calibration error 7.0 %" in section.text  # (4 * 0.10 + 6 * 0.05) / 10
    assert section.all("table")[0].rows()[0][0] == "80 to 90 %"


def test_alignments_are_shown_whole_with_letters(data):
    root = parse(render(data))
    first = section_of(root, "worst").all("article")[0]
    columns = first.all("ol", class_="alignment")[0].all("li")[1:]
    item = data.score.worst(1)[0]
    assert first.all("h3")[0].text.startswith(item.id)
    for column, (op, ref, hyp) in zip(columns, item.alignment.edits, strict=True):
        assert [side.text for side in column.all("span")] == [ref or "***", hyp or "***"]
        assert [mark.text for mark in column.all("b")] == ([] if op == "=" else [op])
    assert len(section_of(root, "all").all("ol", class_="alignment")) == len(REFS)


def test_posteriors_stand_with_their_utterance_and_say_their_spikes(data):
    worst = section_of(parse(render(data)), "worst")
    with_figure = [card for card in worst.all("article") if card.all("image")]
    assert [card.all("h3")[0].text.split()[0] for card in with_figure] == ["one"]
    (drawing,) = with_figure[0].all("svg")
    assert drawing.attributes["aria-label"].endswith("reference WETTER at frame 1; hypothesis WETTER at frame 2")
    assert len(drawing.all("path", class_="ref")) == len(drawing.all("path", class_="hyp")) == 1
    assert [name.text for name in with_figure[0].all("ul")[0].all("li")] == ["WETTER", "<blank>"]


def test_the_picture_holds_the_probabilities():
    values = np.array([[0.0, 1.0, 0.25], [0.04, math.nan, 1.5]])
    png = heat_png(values)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        name, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", png, place + 8 + size) == (zlib.crc32(name + content),)
        chunks[name] = content
        place += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (3, 2, 8, 3, 0, 0, 0)
    pixels = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(2, 4)
    assert pixels.tolist() == [[0, 0, 255, 128], [0, 51, 0, 255]]


def test_what_is_missing_leaves_no_section():
    perfect = score({"a": ["X"]}, {"a": ["X"]})
    assert [part.attributes["id"] for part in parse(render(bare(perfect))).all("section")] == ["all"]
    whole = bare(perfect, **parts_of(perfect))
    assert [part.attributes["id"] for part in parse(render(whole)).all("section")] == ["lengths", "all"]
    nothing = parse(render(bare(score({}, {}))))
    assert not nothing.all("section") and not nothing.all("nav")
    assert nothing.all("strong")[0].text == "n/a"


def test_an_empty_part_of_the_confusions_is_left_out():
    result = score({"a": ["X", "Y"]}, {"a": ["X"]})
    section = section_of(parse(render(bare(result, **parts_of(result)))), "pairs")
    assert [heading.text for heading in section.all("h3")] == ["Deletions"]


def test_utterances_without_posterior_need_no_legend_for_it(data):
    worst = section_of(parse(render(replace(data, posteriors={}))), "worst")
    assert "Triangles" not in worst.text and not worst.all("image")


def test_thousands_of_utterances_stay_below_five_megabytes_and_what_is_left_out_is_counted():
    rng = np.random.default_rng(0)
    refs = {f"utterance-{number}": [f"G{i}" for i in rng.integers(0, 900, 12)] for number in range(8000)}
    hyps = {id: [*ref[:6], "X", *ref[7:]] for id, ref in refs.items()}
    result = score(refs, hyps)
    page = render(bare(result, groups=by_group(result, {id: id for id in refs}), **parts_of(result)))
    assert len(page.encode()) < 5_000_000
    root = parse(page)
    everyone = section_of(root, "all")
    shown = len(everyone.all("ol", class_="alignment"))
    assert 1000 < shown < 8000 and f"Show {shown} of 8000 alignments" in everyone.text
    assert f"Not shown: {8000 - shown} more utterances." in everyone.text
    signers = section_of(root, "signers")
    assert len(signers.all("table")[0].rows()) == SIGNERS
    assert f"Not shown: {8000 - SIGNERS} more signers." in signers.text


def test_the_breakdown_counts_every_token():
    result = score(REFS, HYPS)
    parts = parts_of(result)
    assert sorted(parts["glosses"]) == [
        ("MORGEN", 1, 0, 0),
        ("NORD", 2, 2, 2),
        ("REGEN", 2, 2, 3),
        ("SUED", 1, 0, 0),
        ("WETTER", 2, 1, 1),
        ("WIND", 2, 2, 5),
    ]
    assert list(parts["confusions"]) == [("SUED", "REGEN", 1), ("WETTER", "WIND", 1)]
    lengths = [(label, part.ref_tokens, part.errors) for label, part in parts["by_length"]]
    assert lengths == [("0 to 2", 3, 2), ("3 to 4", 7, 3)]


def test_calibration_pairs_each_confidence_with_its_own_gloss():
    result = score({"a": ["X", "Y", "Z"]}, {"a": ["X", "Q", "Z", "W"]})
    confidences = (0.95, 0.15, 1.0, 0.11)
    spans = ((0, 1),) * 4
    hypothesis = Hypothesis((1, 2, 3, 4), ("X", "Q", "Z", "W"), spans, confidences, 0.0)
    low, high = calibration(result, {"a": hypothesis.confidences})
    assert low == (0.1, 0.2, 2, pytest.approx(0.13), 0.0)
    assert high == (0.9, 1.0, 2, pytest.approx(0.975), 1.0)


def test_spikes_are_where_a_gloss_is_surest():
    probs = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.7, 0.1, 0.2], [0.2, 0.1, 0.7]])
    assert spikes(np.log(probs), ["A", "B"], [1, 2]) == [(2, "A"), (4, "B")]
    assert spikes(np.log(probs[:1]), ["A", "B"], [1, 2]) == [] == spikes(np.log(probs), [], [])


def test_a_posterior_has_the_models_probabilities_of_both_sides_and_of_the_blank(monkeypatch):
    torch.manual_seed(0)
    vocabulary, layout = Vocabulary.build([["A", "B", "C"]]), generic_layout(4)
    recogniser = Recogniser(
        build_model("conv-bilstm", layout, 4).eval(), vocabulary, Meta(Config(), vocabulary, layout)
    )
    clip = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    found = posterior_of(recogniser, clip, ["B", "UNSEEN", "B"], ["C", "B"], fps=25.0)
    assert found.labels == ["B", "C", vocabulary.tokens[BLANK]] and found.seconds == 4 / 25
    with torch.no_grad():
        log_probs = recogniser.model(torch.from_numpy(clip)[None], torch.tensor([40])).log_probs[0]
    columns = [*vocabulary.encode(["B", "C"]), BLANK]
    np.testing.assert_allclose(found.probs, log_probs.exp().numpy()[:, columns], rtol=1e-5)
    assert [gloss for _, gloss in found.ref_spikes] == ["B", "B"]
    assert [gloss for _, gloss in found.hyp_spikes] == ["C", "B"]
    monkeypatch.setattr("slrcli.evaluation.page.ROWS", 1)
    less = posterior_of(recogniser, clip, ["B", "UNSEEN", "B"], ["C", "B"], fps=25.0)
    assert less.labels == ["B", vocabulary.tokens[BLANK]] and less.hyp_spikes == found.hyp_spikes
    np.testing.assert_array_equal(less.probs, found.probs[:, [0, 2]])
