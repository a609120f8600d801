"""`slr export`: a checkpoint as a file that decodes without torch, or as a page for browsers."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.extract import Square
from slrcli.cli.options.common import Json, OptionalRecognisedCorpus, OwnNetwork, option, overrides
from slrcli.config import Config, merge
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.models.trust import allow


def export(
    console: Console,
    *,
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint or folder of a run, such as runs/latest.")],
    target: Annotated[Path | None, typer.Argument(help="The file to write, such as model.onnx.")] = None,
    web: Annotated[Path | None, option("export.web")],
    assets: Annotated[Path | None, option("export.assets")],
    cdn: Annotated[bool, option("export.cdn")],
    square: Square,
    arch: OwnNetwork,
    int8: Annotated[bool, option("export.int8")],
    corpus: OptionalRecognisedCorpus,
    as_json: Json,
) -> int:
    """Export a recogniser as one ONNX file, which decodes without torch, or as a page for browsers.

    The graph includes the normalisation of the features; vocabulary, layout and all else are its metadata. The table
    shows the maximum deviation of the log-probabilities from torch's, on synthetic clips and, with --data-dir, on the
    dev split, with the word error rate. The export takes up to a minute and requires the extra 'export'; decoding
    requires the extra 'onnx' alone.

    With --web, a static page is written: landmarks and glosses of camera or video are found in the browser, and nothing
    leaves the device. Its libraries come from npm: run npm ci in its folder, or give --assets or --cdn.

    Examples:
        slr export runs/latest model.onnx
        slr export runs/latest small.onnx --int8 --data-dir DIR
        slr export runs/latest --web page --assets node_modules
    """
    chosen = overrides(**{f"data__{name}": value for name, value in corpus.items()})
    _require_one(target, web, bool(int8 or chosen), bool(assets or cdn or square is not None))
    allow(arch)
    if web:
        from slrcli.report.text.web import page_lines
        from slrcli.web.page import write_page

        page = write_page(console, checkpoint, web, assets, cdn, **({} if square is None else {"square": square}))
        if as_json:
            console.json(page.to_dict())
        else:
            console.result(page_lines(page))
        return 0
    from slrcli.evaluation.parity import export_checkpoint
    from slrcli.report.text.parity import parity_table

    assert target is not None  # see `_require_one`
    data = merge(Config(), chosen, "command line").data if chosen else None
    result = export_checkpoint(console, checkpoint, target, int8, data)
    if as_json:
        console.json(result.to_dict())
        return 0
    console.result(parity_table(result.parity))
    console.result(f"exported: {result.path}")
    return 0


def _require_one(target: Path | None, web: Path | None, of_file: bool, of_page: bool) -> None:
    """UsageError unless either a file or a page is asked for, with the options that belong to it."""
    if (target is None) == (web is None):
        what = "Both a file and a page are named." if web else "There is nothing to write."
        raise UsageError(what, "TARGET, --web", "Name a file such as model.onnx, or a folder with --web.")
    if web and of_file:
        fix = "Leave them out, or export a file."
        raise UsageError("A page is neither quantised nor compared on a corpus.", "--int8, --data-dir", fix)
    if target and of_page:
        what = "These options are for a page, and a file is named."
        raise UsageError(what, "--assets, --cdn, --square", "Leave them out, or name a folder with --web.")
