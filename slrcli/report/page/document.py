"""The page: one HTML file without scripts, which loads nothing and opens from a disk.

A section is a function that makes what it shows of the evaluation, and a template of its name that shows it.
"""

import base64
import hashlib
from importlib.resources import files

from slrcli.report import templates
from slrcli.report.page.confusion import confusion_section
from slrcli.report.page.data import ReportData
from slrcli.report.page.sections import (
    calibration_section,
    glosses_section,
    headline,
    lengths_section,
    pairs_section,
    protocols_section,
    sentences_section,
    signers_section,
)
from slrcli.report.page.utterances import all_section, worst_section

SECTIONS = {
    "protocols": ("Protocols", protocols_section),
    "signers": ("Signers", signers_section),
    "sentences": ("Sentences", sentences_section),
    "lengths": ("Lengths", lengths_section),
    "confusion": ("Matrix", confusion_section),
    "glosses": ("Glosses", glosses_section),
    "pairs": ("Confusions", pairs_section),
    "calibration": ("Calibration", calibration_section),
    "worst": ("Worst utterances", worst_section),
    "all": ("All utterances", all_section),
}


def render(data: ReportData) -> str:
    """The whole page. Sections for which `data` holds nothing are left out."""
    style = files("slrcli.report.page").joinpath("style.css").read_text(encoding="utf-8")
    made = [(id, name, view) for id, (name, make) in SECTIONS.items() if (view := make(data)) is not None]
    return templates.render(
        "page/page.html.j2",
        title=data.title,
        style=style,
        policy=policy(style),
        headline=headline(data),
        sections=made,
    )


def policy(style: str, script: str = "") -> str:
    """The content security policy: nothing but this very style sheet (and script) and pictures within the page."""
    scripts = f" script-src 'sha256-{_digest(script)}';" if script else ""
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}';{scripts} img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
