"""`slr export`: a checkpoint as a file that decodes without torch."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Json, OptionalRecognisedCorpus, OwnNetwork, option, overrides
from slrcli.config import Config, merge
from slrcli.console import Console
from slrcli.models.trust import allow


def export(
    console: Console,
    *,
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint or folder of a run, such as runs/latest.")],
    target: Annotated[Path, typer.Argument(help="The file to write, such as model.onnx.")],
    arch: OwnNetwork,
    int8: Annotated[bool, option("export.int8")],
    corpus: OptionalRecognisedCorpus,
    as_json: Json,
) -> int:
    """Export a recogniser as one ONNX file, which decodes without torch.

    The graph includes the normalisation of the features; vocabulary, layout and all else are its metadata. The table
    shows the maximum deviation of the log-probabilities from torch's, on synthetic clips and, with --data-dir, on the
    dev split, with the word error rate. The export takes up to a minute and requires the extra 'export'; decoding
    requires the extra 'onnx' alone.

    Examples:
        slr export runs/latest model.onnx
        slr export runs/latest small.onnx --int8 --data-dir DIR
    """
    chosen = overrides(**{f"data__{name}": value for name, value in corpus.items()})
    from slrcli.evaluation.parity import export_checkpoint
    from slrcli.report.text.parity import parity_table

    allow(arch)
    data = merge(Config(), chosen, "command line").data if chosen else None
    result = export_checkpoint(console, checkpoint, target, int8, data)
    if as_json:
        console.json(result.to_dict())
        return 0
    console.result(parity_table(result.parity))
    console.result(f"exported: {result.path}")
    return 0
