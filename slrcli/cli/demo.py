"""`slr demo`: everything at once on a synthetic corpus."""

from pathlib import Path
from typing import Annotated

from slrcli.cli.options.common import Json, option
from slrcli.config import Config
from slrcli.console import Console


def demo(
    console: Console,
    *,
    keep: Annotated[Path | None, option("demo.keep")],
    small: Annotated[bool, option("demo.small")],
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    as_json: Json,
) -> int:
    """Make a small synthetic corpus and run vocab, check, train, eval and decode on it, in a few minutes.

    Examples:
        slr demo --keep slr-demo
    """
    from slrcli.demo.demo import demo as run
    from slrcli.demo.demo import kept_files, own_data_commands, what_it_proves

    result = run(console, keep, small, seed)
    if as_json:
        console.json({"seconds": round(result.seconds, 1), "folder": str(result.folder) if result.kept else None,
                      "clip": result.decoded.to_dict(), "reference": list(result.reference),
                      "evaluation": result.evaluation.to_dict()})  # fmt: skip
        return 0
    from slrcli.report.text.tables import score_line

    console.note(f"signed      {' '.join(result.reference)}")
    console.note(f"recognised  {' '.join(result.decoded.found.glosses)}")
    console.heading("Result")
    console.result(f"On a signer never seen: {score_line(result.evaluation.score)}")
    console.result(what_it_proves(small, result.training.epochs))
    console.result(f"{result.seconds:.0f} s. {kept_files(result)}")
    console.result("\nThe same on your own data:")
    for line in own_data_commands():
        console.result(f"  {line}")
    return 0
