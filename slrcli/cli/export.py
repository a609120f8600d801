"""`slr export`: a checkpoint as a file that decodes without torch."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Annotations, Features, Format, Json, OptionalDataDir, overrides
from slrcli.config import Config, merge
from slrcli.console import Console


def export(
    console: Console,
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint or folder of a run, such as runs/latest.")],
    target: Annotated[Path, typer.Argument(help="The file to write, such as model.onnx.")],
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Weights of linear layers and LSTMs as 8-bit integers: smaller files."),
    ] = False,
    data_dir: OptionalDataDir = None,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    as_json: Json = False,
) -> int:
    """Write a recogniser as one ONNX file, which slr decode --model takes without loading torch.

    What normalises the features is part of the graph, the vocabulary, the layout and all else part of its metadata.
    The table says how far log-probabilities are off torch's at most, on made-up clips and, where --data-dir names a
    corpus, on its dev split, with the word error rate. It takes up to a minute, and the extra 'export'; decoding needs
    the extra 'onnx' alone.

    Example: slr export runs/latest model.onnx

    Example: slr export runs/latest small.onnx --int8 --data-dir DIR
    """
    chosen = overrides(
        data__data_dir=data_dir, data__format=format, data__annotations=annotations, data__features=features
    )
    from slrcli.evaluation.parity import export_checkpoint
    from slrcli.report.text.parity import parity_table

    data = merge(Config(), chosen, "command line").data if chosen else None
    result = export_checkpoint(console, checkpoint, target, int8, data)
    if as_json:
        console.json(result.to_dict())
        return 0
    console.result(parity_table(result.parity))
    console.result(f"exported: {result.path}")
    return 0
