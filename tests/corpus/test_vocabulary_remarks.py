"""What `slr vocab` remarks about glosses that are several classes and hardly several signs."""

import pytest
from typer.testing import CliRunner

from slrcli.cli import app


@pytest.mark.parametrize(
    ("glosses", "said"),
    [
        ("RAIN Rain SUN", "RAIN = Rain"),
        ("GRÜN GRU\u0308N", "GRU\\u0308N"),
        ("SUN SU\u200bN", "SU\\u200bN"),
        ("A, B A", "A,"),
        ("A|B C", "A|B"),
        ("RAIN SUN (X)", ""),
    ],
)
def test_glosses_written_in_several_ways_are_told(tmp_path, glosses, said):
    (tmp_path / "train.csv").write_text(f'id,glosses\nu1,"{glosses}"\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["vocab", "--data-dir", str(tmp_path)], terminal_width=1000)
    assert result.exit_code == 0
    told = [line for line in result.stderr.splitlines() if "glosses are written" in line or "glosses look like" in line]
    assert bool(told) == bool(said) and said in "".join(told)
