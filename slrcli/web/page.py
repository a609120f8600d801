"""What `slr export --web` does: a folder for any web server, with which a browser recognises signing.

MediaPipe finds the landmarks there, onnxruntime-web runs the network, and the scripts in `site/` do what happens in
between. What they have to know of a recogniser stands in `model.json`, so that none of it is written in two languages:
the columns of the layout, the decoder, the times. What they compute is compared with this package by tests.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from slrcli.checkpoints.runs import BEST, LAST, find_checkpoint, shown
from slrcli.config import FRAMES_PER_SECOND, DecodeConfig, ExtractConfig, LiveConfig
from slrcli.console import Console
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.decoder import decoder_signature
from slrcli.errors import DataError, UsageError
from slrcli.evaluation.parity import as_it_decodes
from slrcli.features.hands import free_hands
from slrcli.features.layout import Layout
from slrcli.files import atomic_write_bytes, file_hash, whole_folder
from slrcli.recognition.export import export
from slrcli.recognition.export_step import StepGraph, export_step
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.load import EXPORTED
from slrcli.recognition.sliding import JITTER
from slrcli.video.holistic import Columns
from slrcli.video.landmarks import check_layout

FORMAT = "slr-web-1"
GRAPH, MODEL = "model.onnx", "model.json"
HOLISTIC, RUNTIME = "@mediapipe/holistic", "onnxruntime-web"
NEEDED = {  # what the page loads of each package
    HOLISTIC: (
        "holistic.js", "holistic.binarypb",
        "holistic_solution_packed_assets.data", "holistic_solution_packed_assets_loader.js",
        "holistic_solution_simd_wasm_bin.js", "holistic_solution_simd_wasm_bin.wasm",
        "holistic_solution_wasm_bin.js", "holistic_solution_wasm_bin.wasm",
        "pose_landmark_full.tflite",
    ),
    RUNTIME: ("dist/ort.wasm.min.mjs", "dist/ort-wasm-simd-threaded.mjs", "dist/ort-wasm-simd-threaded.wasm"),
}  # fmt: skip
CDN = "https://cdn.jsdelivr.net/npm/"


@dataclass(frozen=True)
class WebPage:
    """A page that was written.

    Attributes:
        checkpoint: what it recognises with.
        folder: where it lies.
        assets: where it loads its libraries from: `copied`, `node_modules` or `cdn`.
        difference: the largest one of a log-probability from torch's, on made-up clips.
        megabytes: of all its files.
    """

    checkpoint: Path
    folder: Path
    assets: str
    difference: float
    megabytes: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {**asdict(self), "checkpoint": str(self.checkpoint), "folder": str(self.folder)}


def write_page(
    console: Console,
    checkpoint: Path | None,
    folder: Path,
    assets: Path | None = None,
    cdn: bool = False,
    square: bool = ExtractConfig().square,
) -> WebPage:
    """Write the page of a recogniser.

    Args:
        checkpoint: file or run; None is the newest run, which a note names.
        folder: a new one, or one that holds nothing.
        assets: a folder `node_modules` from which the libraries are copied; None: they are expected in a folder of that
            name in the page's own, which `npm ci` makes there.
        cdn: let visitors load the libraries from a public server instead.
        square: coordinates in fractions of the square around the picture, as the training data were extracted.

    Raises:
        SlrError: the recogniser does not read what MediaPipe finds, cannot be exported, or libraries are missing.
    """
    if assets and cdn:
        raise UsageError("--assets and --cdn exclude each other.", "--cdn", "Leave one of them out.")
    path = _checkpoint(console, checkpoint)
    _require_empty(folder)
    sources = _sources(assets)
    recogniser = as_it_decodes(console, path, folder / GRAPH)
    check_layout(recogniser.meta.layout)
    if recogniser.meta.tuned is not None and recogniser.meta.tuned.width:
        console.warn("The page decodes by the best path; the beam search of this recogniser stays with slr decode.")
    with console.progress("exporting", 1) as task:
        step, graph, difference = _graph(recogniser, file_hash(path))
        task.advance()
    model = describe(recogniser, step, _places(assets, cdn), square)
    kind = "copied" if assets else "cdn" if cdn else "node_modules"
    with whole_folder(folder) as new:
        for name, base in sources.items():
            for part in NEEDED[name]:
                target = new / "assets" / name / part
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(base / part, target)
        for item in _site().iterdir():
            if not item.name.endswith(".j2") and (kind == "node_modules" or not item.name.startswith("package")):
                atomic_write_bytes(new / item.name, item.read_bytes())
        atomic_write_bytes(new / GRAPH, graph)
        atomic_write_bytes(new / MODEL, json.dumps(model, ensure_ascii=False, indent=1).encode() + b"\n")
        atomic_write_bytes(new / "index.html", _index(recogniser, path, cdn, model["fps"]).encode())
        size = sum(item.stat().st_size for item in new.rglob("*") if item.is_file())
    return WebPage(path, folder, kind, difference, size / 2**20)


def _checkpoint(console: Console, named: Path | None) -> Path:
    path = find_checkpoint(named)
    if path.suffix == EXPORTED:
        what = "A page needs the checkpoint that an exported model was made from."
        raise UsageError(what, str(path), "Name the run, or its .safetensors file.")
    if named is None:
        console.note(f"model: {shown(path)} (the newest run)")
    return path


def _site() -> Traversable:
    """The files that are the same for every recogniser."""
    return files("slrcli.web").joinpath("site")


def _require_empty(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError("The folder is not empty.", folder, "Choose another name, or remove what is in it.")


def _graph(recogniser: Recogniser, hashed: str) -> tuple[StepGraph | None, bytes, float]:
    """The step of a network that reads a running stream, else the network of whole clips."""
    if recogniser.running() is not None and describe_decoder(recogniser)["kind"] == "best-path":
        step = export_step(recogniser)
        return step, step.data, step.difference
    whole = export(recogniser, hashed)
    return None, whole.data, whole.difference


def describe(recogniser: Recogniser, step: StepGraph | None, places: dict[str, str], square: bool) -> dict[str, Any]:
    """What the page has to know of a recogniser beside its graph: `model.json`."""
    meta, live = recogniser.meta, LiveConfig()
    layout, data = meta.layout, meta.config.data
    columns = Columns.of(layout)
    calibration = _calibration(recogniser)
    return {
        "format": FORMAT,
        "graph": GRAPH,
        "assets": places,
        "glosses": list(meta.vocabulary.tokens),
        "fps": meta.fps or FRAMES_PER_SECOND,
        "columns": {"point": columns.point.tolist(), "coordinate": columns.coordinate.tolist()},
        "square": square,
        "positions": layout.positions,
        "width": layout.width,
        "storedDerivatives": layout.stored_derivatives,
        "groups": [
            {"start": group.start, "stop": group.stop, "step": len(group.coordinates)} for group in layout.groups
        ],
        "zeroIsMissing": layout.zero_is_missing,
        "hands": describe_hands(layout) if data.assign_hands else None,
        "maxGap": data.max_gap,
        "stride": recogniser.stride,
        "leastFrames": recogniser.least_frames,
        "late": recogniser.late,
        "decoder": describe_decoder(recogniser),
        "calibration": calibration and {"scale": calibration.scale, "shift": calibration.shift},
        "live": {"window": live.window, "hop": live.hop, "settle": live.settle, "jitter": JITTER},
        "streaming": step and {
            "step": step.step,
            "skip": step.skip,
            "lookahead": step.lookahead,
            "state": [{"name": name, "type": kind, "shape": shape} for name, kind, shape in step.state],
        },
    }  # fmt: skip


def describe_hands(layout: Layout) -> list[dict[str, Any]] | None:
    """The columns of two hands without a body, which have to be assigned to their slots; None for other layouts."""
    hands = free_hands(layout)
    return hands and [
        {
            "start": hand.start,
            "stop": hand.stop,
            "places": [[hand.column(point, axis) for axis in ("x", "y")] for point in hand.points],
        }
        for hand in hands
    ]


def _decoder(recogniser: Recogniser) -> DecodeConfig:
    """How the page finds glosses: by the lengths of signs where the recogniser does, else by the best path."""
    options = recogniser.meta.tuned or recogniser.meta.decode
    return options if options.sign_frames else DecodeConfig()


def _calibration(recogniser: Recogniser) -> Calibration | None:
    """That of the page's decoder, which may not be the decoder that the recogniser was tuned to."""
    signature = decoder_signature(_decoder(recogniser))
    known = (recogniser.calibration, recogniser.meta.calibration)
    return next((item for item in known if item and item.decoder == signature), None)


def describe_decoder(recogniser: Recogniser) -> dict[str, Any]:
    """The decoder for the page's scripts."""
    options = _decoder(recogniser)
    if not options.sign_frames:
        return {"kind": "best-path"}
    return {
        "kind": "segments",
        "frames": options.sign_frames,
        "spread": options.sign_spread,
        "weight": options.length_weight,
        "bonus": options.insertion_bonus,
    }


def _places(assets: Path | None, cdn: bool) -> dict[str, str]:
    """Where the page finds its libraries, relative to itself or not."""
    if cdn:
        versions = json.loads(_site().joinpath("package.json").read_text())["dependencies"]
        bases = {name: f"{CDN}{name}@{versions[name]}/" for name in NEEDED}
    else:
        bases = {name: f"{'assets' if assets else 'node_modules'}/{name}/" for name in NEEDED}
    return {"holistic": bases[HOLISTIC], "onnxruntime": f"{bases[RUNTIME]}dist/"}


def _sources(assets: Path | None) -> dict[str, Path]:
    """The folder of each library in a `node_modules`; UsageError where one lacks what the page loads."""
    found = {name: assets / name for name in NEEDED} if assets else {}
    for name, base in found.items():
        missing = [item for item in NEEDED[name] if not (base / item).is_file()]
        if missing:
            fix = "Write the page without --assets first and run npm ci in its folder; that makes one."
            raise UsageError(f"{name} is not whole there: {missing[0]} is missing.", f"--assets {assets}", fix)
    return found


def policy(cdn: bool) -> str:
    """The content security policy: everything from the page's own place, and nothing goes elsewhere.

    WebAssembly has to be allowed by name.
    """
    others = " https://cdn.jsdelivr.net" if cdn else ""
    return "; ".join((
        "default-src 'none'",
        f"script-src 'self' 'wasm-unsafe-eval'{others}",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        f"connect-src 'self'{others}",
        "base-uri 'none'",
        "form-action 'none'",
    ))  # fmt: skip


def _index(recogniser: Recogniser, checkpoint: Path, cdn: bool, fps: float) -> str:
    from jinja2 import Environment, StrictUndefined

    meta = recogniser.meta
    rate = f"{meta.metrics['wer']:.1f} %" if "wer" in meta.metrics else "unknown"
    facts = (
        ("Recogniser", f"{checkpoint.parent.name}/{checkpoint.name}"),
        ("Architecture", meta.config.model.arch),
        ("Glosses", str(len(meta.vocabulary.tokens) - 1)),
        ("WER on dev", rate),
        ("Layout", f"{meta.layout.name}, {fps:g} frames/s"),
        ("Landmarks", "MediaPipe Holistic (Apache-2.0)"),
        ("Network", "onnxruntime-web (MIT)"),
    )
    source = _site().joinpath("index.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    return template.render(
        title=f"{_named(checkpoint)} – sign-language captions",
        policy=policy(cdn), facts=facts, glosses=" · ".join(meta.vocabulary.tokens[1:]),
    )  # fmt: skip


def _named(checkpoint: Path) -> str:
    """What a person calls it: its run by the folder, any other checkpoint by its file."""
    return checkpoint.parent.name if checkpoint.name in (BEST, LAST) else checkpoint.stem
