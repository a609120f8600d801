"""The house itself: what may import what, and what a light command must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import slrcli

ROOT = Path(slrcli.__file__).parent

# From the ground up. A module imports from entries before its own, never from later ones; a package's inner order is
# that of its list.
PAGE = [
    f"page.{name}"
    for name in ("markup", "data", "parts", "confusion", "posterior", "sections", "utterances", "document")
] + ["page"]
OUTPUTS = [f"outputs.{name}" for name in ("clip", "lines", "subtitles", "elan", "write")] + ["outputs"]
CLIP = [f"clip.{name}" for name in ("skeleton", "timeline", "html", "gif")] + ["clip"]
SHEET = [f"sheet.{name}" for name in ("rest", "spread", "panels", "svg", "png")] + ["sheet"]
VIDEO = [
    f"video.{name}"
    for name in (
        "library", "sources", "frames", "timing", "holistic", "extraction", "preview", "manifest", "job", "newest",
        "streams",
    )
] + ["video"]  # fmt: skip
FLOORS = [
    ("errors",),
    ("files",),
    ("processes",),
    ("memory",),
    ("findings",),
    ("config", "retired", "values", "text", "sections", "adaptive", "commands", "resolve"),
    ("console",),
    ("glosses", "rules", "phoenix"),
    ("store", "form", "reader", "writer"),
    ("scoring", "align", "wer", "bulk", "protocols", "sclite", "stats", "breakdown", "signature", "spread"),
    (
        "features",
        "values",
        "group",
        "layout",
        "hands",
        "landmarks",
        "gaps",
        "augment",
        "recording",
        *[
            f"readers.{name}"
            for name in ("common", "people", "arrays", "keypoints", "named_arrays", "table", "parquet", "packed")
        ],
        *[f"readers.{name}" for name in ("pose_names", "pose")],
        "readers",
        "packing",
        "clip",
        "rows",
        "writers",
        "speed",
        "motion",
        "recombine",
        *VIDEO,
    ),
    ("vocab",),
    ("language", "ngram", "kneser_ney", "arpa", "perplexity", "bound"),
    ("transcripts", "words", "read", "write"),
    ("corpus", "finder", "utterances", "sentences", "settings", "tables", "formats", "division", "write", "folds"),
    ("synth", "lexicon", "signer", "body", "face", "motion", "render", "write"),
    ("compose", "clips", "language", "plan", "write"),
    ("paths",),
    ("ctc",),
    ("ahead",),
    ("parallel",),
    (
        "models",
        "frames",
        "masked",
        "past",
        "columns",
        "body",
        "running",
        "frontend",
        "base",
        "heads",
        "blocks",
        "tcn",
        "conv_bilstm",
        "ensemble",
        "conformer",
        "streaming",
        "mobilenetv3",
        "collapsed",
        "registry",
    ),
    ("data",),
    (
        "decoding",
        "hypothesis",
        "greedy",
        "stream",
        "alignment",
        "calibration",
        "scorer",
        "hotwords",
        "prefixes",
        "beam",
        "segments",
        "decoder",
        "cores",
    ),
    ("meta",),
    ("clip_recogniser",),
    ("exported",),
    ("checkpoint",),
    ("running",),
    ("recognise",),
    ("sliding",),
    ("evaluate",),
    ("lstm_operator",),
    ("export",),
    (
        "training",
        "optim",
        "average",
        "distill",
        "teacher",
        "framewise",
        "objective",
        "history",
        "verdicts",
        "monitor",
        "locate",
        "loop",
    ),
    (
        "doctor",
        "context",
        "choice",
        "layers",
        "probe",
        "environment",
        "sides",
        "measure",
        "records",
        "distributions",
        "timekeeping",
        "model_output",
        "model_place",
        "model_state",
        "model_gradient",
        "model_time",
        "model_training",
        "model_numbers",
        "model_cost",
        "model_checks",
        "data_tables",
        "data_files",
        "data_motion",
        "data_body",
        "data_hands",
        "data_splits",
        "data_checks",
        "vocab_checks",
        "env_checks",
        "checkpoint_checks",
        "order",
        "order_checks",
        "overfit_checks",
        "run",
        "catalogue",
    ),
    (
        "report",
        "alignment",
        "tables",
        "scores",
        "profile",
        "curve",
        "environment",
        "histograms",
        "tuning",
        "corpus",
        "folds",
        "palette",
        "extraction",
        "parity",
        *PAGE,
        *CLIP,
        *SHEET,
        *OUTPUTS,
    ),
    (
        "workflows",
        "runs",
        "recogniser",
        "opening",
        "timing",
        "adapt",
        "material",
        "own_model",
        "vocab",
        "lm",
        "score",
        "check",
        "corpus",
        "compose",
        "pack",
        "show",
        "picture",
        "learnt",
        "teach",
        "guard",
        "record",
        "decoder",
        "train",
        "overfit",
        "evaluate",
        "check_things",
        "check_all",
        "export",
        "tune",
        "calibrate",
        "plan",
        "side_by_side",
        "folds",
        "report",
        "extract",
        "videos",
        "decode",
        "align",
        "stream",
        "live",
        "convert",
        "demo",
    ),
    (
        "cli",
        "common",
        "processes",
        "lazily",
        "vocab",
        "lm",
        "corpus",
        "compose",
        "pack",
        "show",
        "score",
        "check_common",
        "check_things",
        "check_overfit",
        "check_all",
        "check",
        "several",
        "train",
        "decoding",
        "evaluate",
        "export",
        "extract",
        "outputs",
        "stream",
        "decode",
        "align",
        "layout",
        "convert",
        "demo",
    ),
    ("__main__",),
]


def modules() -> dict[str, Path]:
    """Dotted names below `slrcli` -> file; a package's `__init__` stands under the package's own name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def place(name: str) -> tuple[int, int]:
    """Floor and place within it; a package's `__init__` stands above its files."""
    head, _, inner = name.partition(".")
    for number, (floor, *rooms) in enumerate(FLOORS):
        if floor == head:
            return number, (rooms.index(inner) if inner else len(rooms))
    raise AssertionError(f"{name} has no place in the house")


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    known = modules()
    ours = {name.removeprefix("slrcli.") for name in names if name.startswith("slrcli.")}
    return {name for name in ours if name in known}


def test_every_file_has_a_place_in_the_house():
    for name in modules():
        place(name)


@pytest.mark.parametrize("name", sorted(modules()))
def test_files_import_only_downwards(name):
    here = place(name)
    for other in imported(modules()[name]):
        if other == name or name.startswith(other + "."):
            continue  # a package named on the way to its own file
        there = place(other)
        if "." not in other and any(module.startswith(other + ".") for module in modules()):
            there = (there[0], -1) if there[0] == here[0] else there
        assert there < here, f"{name} imports {other}, which stands above it"


def test_the_check_of_imports_can_fail():
    assert place("training.loop") > place("errors")
    assert not place("errors") > place("training.loop")
    assert "checkpoint" in imported(ROOT / "recognise.py")


def test_nobody_imports_click_or_unpickles():
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(item.split(".")[0] == "click" for item in names), name
            assert name == "vocab" or not any(item.split(".")[0] == "pickle" for item in names), name
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert node.value.value is False, name


def test_only_the_console_prints():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
