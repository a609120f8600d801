"""The house itself: what may import what, and what a light command must not load."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import chain, takewhile
from pathlib import Path

import numpy as np
import pytest

import slrcli

ROOT = Path(slrcli.__file__).parent


def rooms() -> list[str]:
    """The rooms from the ground up, as the table in the package's README has them: `features`, `features.layout`."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("| room |")[1].splitlines()[2:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [line.split("`")[1].strip("/").replace("/", ".") for line in rows]


@cache
def modules() -> dict[str, Path]:
    """Dotted names below `slrcli` -> file; a package's `__init__` stands under the package's own name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """The source of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {name for name in within if name.removeprefix("slrcli.") in modules()}
            names |= inner if len(inner) == len(within) else inner | {node.module}
    return {name.removeprefix("slrcli.") for name in names if name.removeprefix("slrcli.") in modules()}


def upward(imports: dict[str, set[str]], order: list[str]) -> list[str]:
    """Imports of a module from a room (the first part of a name) that does not stand before its own in `order`."""
    place = {room: number for number, room in enumerate(order)}
    head = {name: name.partition(".")[0] for name in {*imports, *chain(*imports.values())}}
    return sorted(
        f"{name} imports {other}"
        for name, others in imports.items()
        for other in others
        if head[name] != head[other] and place[head[other]] > place[head[name]]
    )


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of a circle of imports, if there is one."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@cache
def imports() -> dict[str, set[str]]:
    """What every module imports of ours, found when it is asked for: every worker collects this file."""
    return {name: imported(path) - {name} for name, path in modules().items()}


def test_every_room_stands_in_the_table_and_every_row_is_a_room():
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert sorted(rooms()) == sorted(packages | {name for name in modules() if "." not in name})


def test_rooms_import_only_from_rooms_above_them_in_the_table():
    assert upward(imports(), [room for room in rooms() if "." not in room]) == []


def test_no_file_imports_itself_by_way_of_others():
    assert circle(imports()) == []


def test_the_check_of_imports_can_fail():
    assert upward({"errors": {"training.loop"}, "training.loop": {"errors"}}, ["errors", "training"]) == [
        "errors imports training.loop"
    ]
    assert set(circle({"a.x": {"a.y"}, "a.y": {"a.z"}, "a.z": {"a.x"}})) == {"a.x", "a.y", "a.z"}
    assert "checkpoints.checkpoint" in imports()["recognition.from_checkpoint"]
    assert {"ctc.paths", "features.layout"} <= imports().keys()


def test_nobody_imports_click_or_unpickles():
    for name, path in modules().items():
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(item.split(".")[0] == "click" for item in names), name
            assert not any(item.split(".")[0] in ("pickle", "_pickle") for item in names), name
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert node.value.value is False, name


def test_onnxruntime_is_loaded_only_where_it_is_kept_from_reporting():
    for name, path in modules().items():
        for node in ast.walk(tree(path)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(item.split(".")[0] == "onnxruntime" for item in named), f"{name}: use load_runtime"


def test_only_the_console_prints():
    for name, path in modules().items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", name


def loaded_after(*arguments: str) -> set[str]:
    """Top-level modules loaded when the command line was run with these arguments."""
    code = (
        "import sys\nfrom slrcli.cli import app\n"
        f"try:\n    app({list(arguments)!r})\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "sys.stderr.write('LOADED ' + ' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("LOADED ")[1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("check", "--help"), ("--version",)])
def test_help_loads_neither_torch_nor_numpy_nor_pandas(arguments):
    assert loaded_after(*arguments).isdisjoint({"torch", "numpy", "pandas"})


def test_vocab_never_loads_torch(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.corpus.csv").write_text("id|folder|signer|annotation\na|a|s|HELLO YOU\n")
    assert "torch" not in loaded_after("vocab", "--data-dir", str(tmp_path))


def clip_corpus(folder: Path) -> Path:
    """Two clips of one number a frame, with their table."""
    for split, id in (("train", "a"), ("dev", "b")):
        (folder / "features" / split).mkdir(parents=True)
        np.save(folder / "features" / split / f"{id}.npy", np.zeros((9, 60), np.float32))
        (folder / "annotations").mkdir(exist_ok=True)
        table = f"id|folder|signer|annotation\n{id}|{id}|s|HELLO YOU\n"
        (folder / "annotations" / f"{split}.corpus.csv").write_text(table)
    return folder


def test_corpus_layout_show_and_convert_never_load_torch(tmp_path):
    clip = clip_corpus(tmp_path / "corpus") / "features" / "train" / "a.npy"
    assert "torch" not in loaded_after("corpus", str(tmp_path / "corpus"))
    assert "torch" not in loaded_after("layout", "kinect-20")
    assert "torch" not in loaded_after("show", str(clip), "--out", str(tmp_path / "a.html"))
    assert "torch" not in loaded_after("convert", str(clip), str(tmp_path / "a.csv"))


def test_score_never_loads_torch(tmp_path):
    (tmp_path / "a.txt").write_text("u HELLO YOU\n")
    arguments = [str(tmp_path / "a.txt"), str(tmp_path / "a.txt"), "--protocol", "all", "--details"]
    assert "torch" not in loaded_after("score", *arguments)


def test_lm_never_loads_torch(tmp_path):
    (tmp_path / "a.txt").write_text("HELLO YOU\n")
    assert "torch" not in loaded_after("lm", str(tmp_path / "a.txt"), "--out", str(tmp_path / "lm.arpa"))
