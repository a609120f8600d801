"""`--table` and `to_frame`: the utterances of a score, read back by other programs."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.console import Console
from slrcli.errors import DependencyError
from slrcli.scoring.score import score_files

WANTED = [
    {"id": "u1", "signer": "s_1", "reference": "A|B C D", "hypothesis": "A|B X", "substitutions": 1, "deletions": 1,
     "insertions": 0},
    {"id": "u2", "signer": "s2", "reference": "", "hypothesis": "[D\\ ~^$%&#{}<", "substitutions": 0, "deletions": 0,
     "insertions": 2},
]  # fmt: skip


@pytest.fixture
def sides(tmp_path) -> tuple[Path, Path]:
    """References and hypotheses with what means something to Markdown and TeX."""
    paths = tmp_path / "ref.stm", tmp_path / "hyp.txt"
    rows = [f"{row['id']} 1 {row['signer']} 0.0 9.0 {row['reference']}\n" for row in WANTED]
    paths[0].write_text("".join(rows))
    paths[1].write_text("".join(f"{row['id']} {row['hypothesis']}\n" for row in WANTED))
    return paths


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def written(sides, name: str) -> Path:
    path = sides[0].parent / name
    done = run(*sides, "--table", path, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["errors"] == 4  # what goes to stdout is the same
    return path


def test_a_csv_table_is_read_by_csv(sides):
    with written(sides, "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{key: str(value) for key, value in row.items()} for row in WANTED]


def test_a_parquet_table_is_read_by_pyarrow(sides):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(written(sides, "t.parquet")).to_pylist() == WANTED


def test_a_data_frame_holds_the_same_rows(sides):
    pytest.importorskip("pandas")
    frame = score_files(Console(), sides[0], [sides[1]]).to_frame()
    assert frame.to_dict("records") == WANTED


def test_marks_of_markdown_and_tex_are_escaped(sides):
    lines = written(sides, "t.md").read_text().splitlines()
    assert lines[0] == "| id | signer | reference | hypothesis | substitutions | deletions | insertions |"
    assert lines[2] == "| u1 | s\\_1 | A\\|B C D | A\\|B X | 1 | 1 | 0 |"
    assert "\\[D\\\\ \\~^$%\\&\\#\\{\\}\\<" in lines[3]
    tex = written(sides, "t.tex").read_text().splitlines()
    assert tex[0] == "\\begin{tabular}{llllrrr}" and tex[-1] == "\\end{tabular}"
    assert tex[4] == "{}u1 & s\\_1 & A\\textbar{}B C D & A\\textbar{}B X & 1 & 1 & 0 \\\\"
    assert "[D\\textbackslash{} \\textasciitilde{}\\textasciicircum{}\\$\\%\\&\\#\\{\\}\\textless{}" in tex[5]


def test_what_cannot_be_written_is_refused_before_anything_is_read(sides, tmp_path, monkeypatch):
    done = run("none.stm", "none.txt", "--table", tmp_path / "t.xlsx")
    assert done.exit_code == 2 and ".csv, .md, .tex, .parquet" in done.stderr
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("none.stm", "none.txt", "--table", tmp_path / "t.parquet")
    assert done.exit_code == 1 and "slrcli[parquet]" in done.stderr
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyError, match="pip install pandas"):
        score_files(Console(), sides[0], [sides[1]]).to_frame()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hyp.txt", "ref.stm"]


def test_a_score_without_a_table_loads_no_pandas(sides):
    code = "import sys; from slrcli.cli import app\ntry: app(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, "score", *map(str, sides)], capture_output=True).returncode == 0
