"""How far it is from `slr train` to the first step of the optimiser, in files that a newcomer has to open."""

import subprocess
from pathlib import Path

from support.forked import program
from support.quick_corpus import write_corpus

TESTS = Path(__file__).parents[1]
FILES = 56  # it was 70 before the package was cut by subject; fewer are better


def test_the_way_from_train_to_the_first_step_is_short(tmp_path):
    corpus = write_corpus(tmp_path / "corpus")
    command = [*program("support.way"), corpus, tmp_path / "run"]
    done = subprocess.run(list(map(str, command)), cwd=TESTS, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *rows, total = done.stdout.splitlines()
    files = [row.split()[1] for row in rows]
    assert {"cli/train.py", "training/loop.py", "ctc/loss.py", "models/tcn.py"} <= set(files)
    assert len(files) <= FILES, total
