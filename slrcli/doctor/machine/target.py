"""`slr check env`: this machine."""

from dataclasses import dataclass
from pathlib import Path

from slrcli.config import RUNS
from slrcli.console import Console
from slrcli.doctor.machine.checks import ENV_CHECKS
from slrcli.doctor.machine.environment import EnvContext


@dataclass(frozen=True)
class MachineTarget:
    """The machine that `slr` runs on, with its runs going to the folder `runs`."""

    runs: Path = RUNS
    checks = ENV_CHECKS

    def open(self, console: Console) -> tuple[str, EnvContext]:
        """Gather what the checks look at."""
        return "This machine", EnvContext.here(self.runs)
