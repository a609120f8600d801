"""What is installed: bounds that agree in all places where they stand, and an installation without torch."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from slrcli.errors import DependencyError, missing, with_extra

ROOT = Path(__file__).parent.parent
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LIGHT = tomllib.loads((ROOT / "examples" / "without-torch" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITHOUT_TORCH = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Nowhere())
from slrcli.cli import app
app(sys.argv[1:])
"""


def test_the_installation_without_torch_needs_the_rest_and_what_decodes():
    extras = WHOLE["optional-dependencies"]
    rest = [item for item in WHOLE["dependencies"] if not item.startswith("torch>")]
    assert len(rest) == len(WHOLE["dependencies"]) - 1
    assert sorted(LIGHT["dependencies"]) == sorted([*rest, *extras["onnx"]])
    assert {name: extras[name] for name in LIGHT["optional-dependencies"]} == LIGHT["optional-dependencies"]
    assert {key: WHOLE[key] for key in ("requires-python", "license", "scripts")} == {
        key: LIGHT[key] for key in ("requires-python", "license", "scripts")
    }


def bounds(requirements: list[str]) -> dict[str, Version]:
    """The lower bounds of requirements, by normalised name."""
    items = [Requirement(item) for item in requirements]
    return {canonicalize_name(item.name): Version(next(iter(item.specifier)).version) for item in items}


def test_the_oldest_versions_that_are_tested_are_the_bounds():
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    tested = bounds([line for line in lines if not line.startswith("#")])
    asked = bounds([*WHOLE["dependencies"], *WHOLE["optional-dependencies"]["test"]])
    fitting = {"aiobotocore", "boto3", "botocore", "werkzeug"}  # pinned so that s3fs, moto and Flask agree
    assert {name: tested[name] for name in tested.keys() - fitting} == {
        name: version for name, version in asked.items() if name in tested
    }
    assert asked.keys() - tested.keys() == {"hatchling", "ruff", "mypy", "pandas-stubs"}  # none runs with slr


def test_extras_have_one_bound_each():
    extras = WHOLE["optional-dependencies"].values()
    found = {(name, version) for extra in extras for name, version in bounds(extra).items()}
    assert len(found) == len({name for name, _ in found})


def without_torch(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=None)


@pytest.mark.parametrize(
    "arguments", [["train", "--data-dir", "x"], ["demo", "--small"], ["check", "model"], ["export", "a.safetensors"]]
)
def test_a_command_that_needs_torch_says_that_it_is_missing(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = without_torch(*arguments, *(["b.onnx"] if arguments[0] == "export" else []), cwd=tmp_path)
    assert done.returncode == 1 and "defect" not in done.stderr
    assert "This command needs the library torch" in done.stderr and "pip install torch" in done.stderr


@pytest.mark.parametrize("arguments", [["check", "env"], ["score", "a.txt", "a.txt"], ["layout"], ["show", "a.csv"]])
def test_other_commands_do_without_torch(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "a.txt").write_text("a HELLO YOU\n")
    (tmp_path / "a.csv").write_text("0,1\n1,2\n2,4\n")
    done = without_torch(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_other_missing_module_is_taken_for_something_to_install():
    told = missing(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert isinstance(told, DependencyError)
    assert missing(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
    assert missing(ModuleNotFoundError("no name")) is None


@pytest.mark.parametrize("light", [False, True])
def test_an_extra_is_one_of_what_is_installed(monkeypatch, light):
    from importlib import metadata

    def version(name):
        if not light:
            raise metadata.PackageNotFoundError(name)
        return "0.1.0"

    monkeypatch.setattr(metadata, "version", version)
    assert with_extra("pose") == f"Run pip install '{'slrcli-decode' if light else 'slrcli'}[pose]'."
