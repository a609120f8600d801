"""A tracker: a line of JSON for what a run was told, for each of its epochs, and for how it ended."""

import json
from pathlib import Path


class Lines:
    """Writes `tracked.jsonl` in the folder of the run.

    Args:
        settings: of the run, by section.
        manifest: what is trained on what; `run` is its folder.
    """

    def __init__(self, settings: dict, manifest: dict):
        self._path = Path(manifest["run"]) / "tracked.jsonl"
        self._write({"start": {"arch": settings["model"]["arch"], **manifest}})

    def epoch(self, metrics: dict) -> None:
        """The numbers of an epoch, as `metrics.jsonl` has them."""
        self._write({"epoch": metrics})

    def end(self, result: dict) -> None:
        """How the run ended: the numbers of its best epoch, and what stopped it."""
        self._write({"end": result})

    def _write(self, line: dict) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
