"""Several systems under several protocols: a table for a paper, a row per utterance and system for a spreadsheet."""

import csv
import json
from pathlib import Path

import jiwer
import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.scoring.protocols import get_protocols
from slrcli.scoring.systems import system_names

REFS = {f"u{n}": f"A B C{n} D" for n in range(12)}
SYSTEMS = {
    "one_a": {id: text.replace("B ", "") for id, text in REFS.items()},
    "b&50%": {id: text.replace("D", "X Y") if id != "u3" else text for id, text in REFS.items()},
    "same": {id: text.replace("B ", "") for id, text in REFS.items()},
}


@pytest.fixture
def files(tmp_path):
    """References with signers, and three systems."""
    (tmp_path / "ref.stm").write_text("".join(f"{id} 1 s1 0.0 1.0 {text}\n" for id, text in REFS.items()))
    for name, side in SYSTEMS.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{id} {text}\n" for id, text in side.items()))
    return [tmp_path / "ref.stm", *(tmp_path / f"{name}.txt" for name in SYSTEMS)]


def run(*arguments):
    done = CliRunner().invoke(app, ["score", *map(str, arguments)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done


def read(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_parts_of_the_rate_are_shares_of_the_reference_tokens(files, tmp_path):
    run(*files, "--table", tmp_path / "t.csv")
    rows = read(tmp_path / "t.csv")
    assert [row["system"] for row in rows] == list(SYSTEMS)
    for row, side in zip(rows, SYSTEMS.values(), strict=True):
        wanted = jiwer.process_words(list(REFS.values()), list(side.values()))
        tokens = wanted.hits + wanted.substitutions + wanted.deletions
        for name, count in (("sub", wanted.substitutions), ("del", wanted.deletions), ("ins", wanted.insertions)):
            assert float(row[name]) == pytest.approx(100 * count / tokens)
        assert float(row["wer"]) == pytest.approx(100 * wanted.wer)
        assert float(row["low"]) <= float(row["wer"]) <= float(row["high"])
    assert rows[0]["difference"] == rows[0]["p_bootstrap"] == ""
    assert float(rows[1]["difference"]) > 0 and float(rows[1]["p_bootstrap"]) < 0.05
    assert float(rows[2]["difference"]) == 0 and float(rows[2]["p_bootstrap"]) == 1


def test_every_protocol_has_a_row_per_system(files, tmp_path):
    found = json.loads(run(*files, "--protocol", "all", "--table", tmp_path / "t.csv", "--json").stdout)
    wanted = [(name, one.signature) for one in get_protocols("all") for name in SYSTEMS]
    assert [(row["system"], row["protocol"]) for row in found["systems"]] == wanted
    rows = read(tmp_path / "t.csv")
    assert [(row["system"], row["protocol"]) for row in rows] == wanted
    assert [float(row["wer"]) for row in rows[: len(SYSTEMS)]] == [found["wer"], *(o["wer"] for o in found["others"])]


def test_markdown_and_tex_hold_what_papers_print_and_escape_names(files, tmp_path):
    for name in ("t.md", "t.tex"):
        run(*files, "--table", tmp_path / name)
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0] == "| system | protocol | WER % | 95 % interval | sub % | del % | ins % | difference | p |"
    assert lines[2] == "| one\\_a | plain@1 | 25.00 | 25.00 to 25.00 | 0.00 | 25.00 | 0.00 | - | - |"
    assert lines[3].startswith("| b\\&50% | plain@1 | 45.83 | ") and "| 22.92 | 0.00 | 22.92 | +20.83 | " in lines[3]
    tex = (tmp_path / "t.tex").read_text().splitlines()
    assert tex[0] == "\\begin{tabular}{llrrrrrrr}" and "WER \\%" in tex[2]
    assert tex[4].startswith("{}one\\_a & plain@1 & 25.00") and tex[5].startswith("{}b\\&50\\% & plain@1 & 45.83")
    run(*files, "--protocol", "cer", "--table", tmp_path / "t.md")
    assert "| CER % |" in (tmp_path / "t.md").read_text()


def test_the_terminal_shows_all_systems_in_80_columns(files):
    shown = run(*files, "--protocol", "all", "--worst", "0").stdout
    table = shown[shown.index("systems, plain@1") : shown.index("points against the first")].splitlines()[:-1]
    assert table[2].split()[:3] == ["system", "WER", "%"]
    assert all(len(line) <= 80 for line in table)
    assert all(f"systems, {one.signature}" in shown for one in get_protocols("all"))
    assert any(line.split()[:2] == ["b&50%", "45.83"] for line in table)


def test_a_system_with_a_long_name_stays_in_the_table(files, tmp_path):
    long = tmp_path / f"{'conformer-' * 4}final.txt"
    files[2].rename(long)
    shown = run(files[0], files[1], long).stdout
    rows = [line.split() for line in shown.splitlines() if line.strip()]
    assert ["45.83"] in [row[1:2] for row in rows if row[0].startswith("conformer-")]


def test_utterances_of_several_systems_name_the_system(files, tmp_path):
    run(*files, "--utterances", tmp_path / "u.csv")
    rows = read(tmp_path / "u.csv")
    assert [(row["system"], row["id"]) for row in rows] == [(name, id) for name in SYSTEMS for id in REFS]
    wanted = {"system": "one_a", "id": "u0", "signer": "s1", "reference": "A B C0 D", "hypothesis": "A C0 D"}
    assert rows[0] == {**wanted, "substitutions": "0", "deletions": "1", "insertions": "0"}
    run(*files[:2], "--utterances", tmp_path / "u.csv")
    rows = read(tmp_path / "u.csv")
    assert len(rows) == len(REFS) and "system" not in rows[0]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/one.ctm", "y/two.v1.ctm"], ["one", "two.v1"]),
        (["one.ctm", "one.txt"], ["one.ctm", "one.txt"]),
        (["x/hyp.ctm", "y/hyp.ctm"], ["x/hyp", "y/hyp"]),
        (["x/a/hyp.ctm", "y/a/hyp.ctm", "z.ctm"], ["x/a/hyp", "y/a/hyp", "z"]),
        (["/hyp.ctm", "/x/hyp.ctm"], ["/hyp", "x/hyp"]),
        (["hyp.ctm", "hyp.ctm"], ["hyp.ctm", "hyp.ctm (2)"]),
        (["hyp.ctm", "x/hyp.ctm"], ["hyp.ctm", "x/hyp"]),
    ],
)
def test_systems_are_called_after_their_files_and_told_apart(paths, names):
    assert system_names([Path(path) for path in paths]) == names
