"""The recipes of the examples: their settings are known, their scripts whole."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from slrcli.config import Config, merge
from slrcli.features.layout import load_layout
from slrcli.models.registry import build_model

RECIPES = Path(__file__).parent.parent / "examples" / "recipes"
CONFIGS = sorted(file for file in RECIPES.glob("*.toml") if not file.stem.endswith("-layout"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_setting_of_a_recipe_is_known_and_has_its_script(file):
    given = tomllib.loads(file.read_text())
    config = merge(Config(), given, str(file))
    assert config != Config()
    script = file.with_suffix(".sh")
    assert f"examples/recipes/{file.name}" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


def test_the_student_is_as_small_as_it_says():
    options = tomllib.loads((RECIPES / "isl30-student.toml").read_text())["model"]["options"]
    assert build_model("conv-bilstm", load_layout("kinect-20"), 31, options=options).parameter_count <= 300_000


def test_the_layout_of_boston104_centres_both_hands_on_the_nose():
    layout = load_layout(str(RECIPES / "boston104-layout.toml"))
    (group,) = layout.groups
    assert layout.width == 6 and list(group.anchor) == ["nose"]


def test_a_row_wants_runs_that_are_there(tmp_path):
    done = subprocess.run(
        [sys.executable, RECIPES / "row.py", tmp_path, tmp_path, "dev"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "seed1/best.safetensors" in done.stderr and "Traceback" not in done.stderr
