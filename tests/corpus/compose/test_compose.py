"""Sentences out of single signs: what is drawn, how clips are trimmed and joined, and what is left out."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clusters import local_cluster
from support.planted_hands import signing, swapped
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import ComposeConfig, check_compose
from slrcli.corpus import open_corpus
from slrcli.corpus.compose import compose_corpus
from slrcli.corpus.compose.clips import Clip, read_clips
from slrcli.corpus.compose.language import START, BigramModel
from slrcli.corpus.compose.plan import choose_split, plan, split_clips, with_enough
from slrcli.corpus.compose.write import Studio
from slrcli.errors import DataError, UsageError
from slrcli.features.layout import generic_layout, load_layout
from slrcli.features.motion import FEWEST, MARGIN, MOST, active, bridge, join
from slrcli.features.readers import read_features
from slrcli.features.recording import Recording
from slrcli.features.writers import write_recording

KINECT = load_layout("kinect-20")
GLOSSES = ("RED", "GREEN", "BLUE")
SIGNERS = ("ann", "bob", "eve")


def moving(seed: int, frames: int = 20, columns: int = 60) -> np.ndarray:
    """A clip in which everything moves all the time."""
    rng = np.random.default_rng(seed)
    phase, rate = rng.uniform(0, 6, columns), rng.uniform(0.2, 0.5, columns)
    return np.sin(np.arange(frames)[:, None] * rate + phase).astype(np.float32)


def folder_of_clips(root: Path, takes: int = 4, signers: tuple[str, ...] = SIGNERS) -> Path:
    for g, gloss in enumerate(GLOSSES):
        for s, signer in enumerate(signers):
            for take in range(takes):
                path = root / gloss / signer / f"{take}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, moving(100 * g + 10 * s + take, 12 + take))
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def clip(id: str, gloss: str = "A", signer: str = "ann", split: str = "") -> Clip:
    return Clip(id, gloss, signer, split, lambda: moving(1))


# What is drawn


@st.composite
def collections(draw):
    """Clips of some people and signs, each person with enough of them for a sentence in every split."""
    people = draw(st.integers(1, 5))
    signs = draw(st.integers(1, 6))
    takes = draw(st.integers(6, 12))
    return [
        clip(f"{gloss}/{person}/{take}", f"G{gloss}", f"S{person}")
        for person in range(people)
        for gloss in range(signs)
        for take in range(takes)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    clips=collections(),
    seed=st.integers(0, 1000),
    count=st.integers(3, 40),
    shortest=st.integers(1, 2),
    by=st.sampled_from(["clip", "signer"]),
    spoken=st.booleans(),
)
def test_sentences_are_of_one_signer_and_no_clip_is_in_two_splits(clips, seed, count, shortest, by, spoken):
    options = ComposeConfig(sentences=count, signs=(shortest, 2), split_by=by, dev=0.2, test=0.2, seed=seed)
    if by == "signer" and len({item.signer for item in clips}) < 3:
        with pytest.raises(DataError, match="split by signer"):
            choose_split(clips, options)
        return
    splits = split_clips(clips, choose_split(clips, options), options)
    try:
        splits, _ = with_enough(splits, options)
    except DataError as error:
        assert "No signer has 2 clips" in error.what
        return
    model = BigramModel.count([("G0", "G1", "G0"), ("G1",)], {item.gloss for item in clips}) if spoken else None
    drawn = list(plan(splits, options, model))
    place: dict[str, set[str]] = {}
    for sentence in drawn:
        used = [item.id for item in sentence.clips]
        assert {item.signer for item in sentence.clips} == {sentence.signer}
        assert sentence.glosses == [item.gloss for item in sentence.clips] and shortest <= len(used) <= 2
        assert len(set(used)) == len(used) and len(sentence.gaps) == len(used) - 1
        assert all(options.bridge[0] <= gap <= options.bridge[1] for gap in sentence.gaps)
        place.setdefault(sentence.split, set()).update(used)
    names = list(place)
    assert not any(place[a] & place[b] for i, a in enumerate(names) for b in names[i + 1 :])
    if by == "signer":
        people = [{sentence.signer for sentence in drawn if sentence.split == name} for name in names]
        assert sum(map(len, people)) == len(set().union(*people))
    again = list(plan(splits, options, model))
    assert again == drawn
    more = {item.id: item for item in plan(splits, ComposeConfig(**{**vars(options), "sentences": 2 * count}), model)}
    assert all(more[item.id] == item for item in drawn if item.split == "train")


def test_every_clip_is_used_alike_without_a_model():
    clips = [clip(str(number), f"G{number % 7}") for number in range(40)]
    options = ComposeConfig(sentences=100, signs=(4, 4), dev=0, test=0)
    drawn = list(plan({"train": clips}, options))
    used = [item.id for sentence in drawn for item in sentence.clips]
    counts = {id: used.count(id) for id in set(used)}
    assert len(used) == 400 and set(counts.values()) <= {9, 10, 11} and len(counts) == 40


def test_bigrams_of_a_text_say_what_follows_what():
    known = {"I", "GO", "HOME", "RARE"}
    model = BigramModel.count([("I", "GO", "HOME"), ("I", "GO", "AWAY"), ("GO",)], known)
    assert model.covered == pytest.approx(6 / 7)
    among = ["GO", "HOME", "I", "RARE"]
    # I occurs 2 + 1 times of 4 + 6 in all; the history decides 0.9, the counts 0.1.
    assert model.probabilities("I", among) == pytest.approx([0.9 + 0.04, 0.02, 0.03, 0.01])
    assert model.probabilities(START, among) == pytest.approx([0.04 + 0.3, 0.02, 0.03 + 0.6, 0.01])
    assert model.probabilities("HOME", among) == pytest.approx([0.4, 0.2, 0.3, 0.1])  # nothing follows it
    rng = np.random.default_rng(0)
    assert {model.draw_length(2, 5, rng) for _ in range(20)} == {3}
    clips = [clip(f"{gloss}{take}", gloss) for gloss in known for take in range(5)]
    drawn = list(plan({"train": clips}, ComposeConfig(sentences=300, signs=(3, 3), dev=0, test=0), model))
    pairs = [pair for sentence in drawn for pair in zip(sentence.glosses, sentence.glosses[1:], strict=False)]
    after = [second for first, second in pairs if first == "I"]
    assert 0.85 < after.count("GO") / len(after) < 1


def test_a_gloss_of_few_clips_gives_none_away_before_train_has_one():
    clips = [clip("a", "ONCE"), *(clip(f"b{number}", "OFTEN") for number in range(10))]
    splits = split_clips(clips, "clip", ComposeConfig(dev=0.2, test=0.2))
    assert {name: len(members) for name, members in splits.items()} == {"train": 7, "dev": 2, "test": 2}
    assert "a" in {item.id for item in splits["train"]}


def test_the_first_possible_way_of_splitting_is_taken():
    people = [clip(signer, signer=signer) for signer in SIGNERS]
    assert choose_split(people, ComposeConfig()) == "signer"
    assert choose_split(people[:2], ComposeConfig()) == "clip"
    assert choose_split(people[:2], ComposeConfig(test=0)) == "signer"
    assert choose_split([*people, clip("x", split="dev")], ComposeConfig()) == "given"
    with pytest.raises(DataError, match="no clip says which split"):
        choose_split(people, ComposeConfig(split_by="given"))


# How clips are trimmed and joined


@pytest.mark.parametrize("layout", [KINECT, generic_layout(60)])
def test_rest_poses_at_the_ends_are_cut_and_movement_is_not(layout):
    core = moving(3, 40)
    x = np.concatenate([np.repeat(core[:1], 25, 0), core, np.repeat(core[-1:], 15, 0)])
    x += 0.002 * np.random.default_rng(0).standard_normal(x.shape, dtype=np.float32)
    start, stop = active(x, layout, 0.15)
    assert 25 - MARGIN - 2 <= start <= 25 and 65 <= stop <= 65 + MARGIN + 2
    assert active(x, layout, 0) == (0, 80)


def test_what_never_moves_or_hardly_lasts_stays_whole():
    assert active(np.ones((30, 60), np.float32), KINECT, 0.5) == (0, 30)
    assert active(np.full((30, 60), np.nan, np.float32), KINECT, 0.5) == (0, 30)
    assert active(moving(1, FEWEST), KINECT, 0.9) == (0, FEWEST)
    x = np.concatenate([np.zeros((90, 60), np.float32), moving(1, 10)])
    assert active(x, KINECT, 0.2)[0] == int(MOST * 100)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(0, 12))
def test_a_bridge_lies_between_its_ends_and_starts_and_lands_softly(seed, frames):
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, 3, 8)).astype(np.float32)
    way = bridge(before, after, frames)
    low, high = np.minimum(before[-1], after[0]), np.maximum(before[-1], after[0])
    assert way.shape == (frames, 8) and ((way >= low - 1e-5) & (way <= high + 1e-5)).all()
    steps = np.abs(np.diff(np.concatenate([before[-1:], way, after[:1]]), axis=0))
    # Least jerk is at most 15/8 as fast as the straight course, in the middle, and slowest at both ends.
    assert (steps <= 1.875 * (high - low) / (frames + 1) + 1e-5).all()
    assert (steps[0] <= steps.max(axis=0) + 1e-6).all() and (steps[-1] <= steps.max(axis=0) + 1e-6).all()


def test_a_bridge_knows_what_was_just_seen_and_invents_nothing_else():
    before, after = np.ones((10, 3), np.float32), np.full((10, 3), 3, np.float32)
    before[-2:, 0] = np.nan  # seen two frames earlier
    before[:, 1] = np.nan  # never seen
    after[:6, 2] = np.nan  # seen too late
    way = bridge(before, after, 3)
    assert way[1, 0] == 2 and np.isnan(way[:, 1:]).all()


def test_clips_stand_in_a_sentence_as_they_are():
    clips = [moving(number, 8 + number) for number in range(3)]
    clips[1][2:4, 5] = np.nan
    x, spans = join(clips, (4, 0), KINECT)
    assert x.dtype == np.float32 and len(x) == 8 + 4 + 9 + 0 + 10 and spans == [(0, 8), (12, 21), (21, 31)]
    for own, (start, stop) in zip(clips, spans, strict=True):
        np.testing.assert_array_equal(x[start:stop], own)


# What is read and written


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    options = ComposeConfig(sentences=12, signs=(2, 3))
    for name in ("one", "two"):
        compose_corpus(source, tmp_path / name, options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") and not list(tmp_path.glob(".*"))
    other = compose_corpus(source, tmp_path / "three", ComposeConfig(sentences=12, signs=(2, 3), seed=2))
    manifest = json.loads((tmp_path / "one/composed/manifest.json").read_text())
    assert len(manifest["digest"]) == 64 and manifest["digest"] != other.digest
    assert manifest["options"]["seed"] == 1 and manifest["versions"]["numpy"] == np.__version__
    assert "Nobody signed them" in manifest["what"] and len(manifest["source"]["sha256"]) == 64


def test_annotation_features_and_spans_say_the_same(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    compose_corpus(source, tmp_path / "out", ComposeConfig(sentences=20, signs=(2, 4), rest=0))
    corpus = open_corpus(tmp_path / "out")
    assert corpus.format == "phoenix2014" and sum(map(len, corpus.splits.values())) == 20
    played = {}
    for split in corpus.splits:
        told = [json.loads(line) for line in (tmp_path / f"out/composed/{split}.jsonl").read_text().splitlines()]
        for item, record in zip(corpus.require_features(split), told, strict=True):
            assert (item.id, item.signer) == (record["id"], record["signer"])
            assert item.glosses == tuple(sign["gloss"] for sign in record["signs"])
            x = np.load(item.features)
            for sign in record["signs"]:
                gloss, signer, take = sign["clip"].split("/")
                assert (gloss, signer) == (sign["gloss"], item.signer)
                np.testing.assert_array_equal(
                    x[sign["start"] : sign["stop"]], np.load(source / gloss / signer / f"{take}.npy")
                )
                played.setdefault(sign["clip"], set()).add(split)
    assert all(len(splits) == 1 for splits in played.values())


def pack(path: Path, **changes) -> Path:
    clips = [moving(number, 10 + number % 3, 22) for number in range(24)]
    arrays = {
        "x": np.concatenate(clips).astype(np.float16),
        "length": np.array([len(item) for item in clips]),
        "sign": np.array([("HELLO", "THANK YOU")[number % 2] for number in range(24)]),
        "session": np.arange(24) // 8,
        "part": np.array(["train"] * 16 + ["val"] * 8),
    }
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
    return path


def test_packs_tables_and_folders_hold_clips(tmp_path):
    found = read_clips(pack(tmp_path / "clips.npz")).clips
    assert [found[1].gloss, found[1].signer, found[-1].split, found[1].load().dtype.name] == [
        "THANK-YOU",
        "0",
        "dev",
        "float32",
    ]
    assert len({item.id for item in found}) == 24
    folder_of_clips(tmp_path / "folders")
    assert {(item.gloss, item.signer) for item in read_clips(tmp_path / "folders").clips} == {
        (gloss, signer) for gloss in GLOSSES for signer in SIGNERS
    }
    (tmp_path / "flat/RED").mkdir(parents=True)
    np.save(tmp_path / "flat/RED/001_007_002.npy", moving(1))
    assert read_clips(tmp_path / "flat").clips[0].signer == "unknown"
    assert read_clips(tmp_path / "flat", r"\d+_(\d+)_").clips[0].signer == "007"
    assert read_clips(tmp_path / "flat", r"^RED").clips[0].signer == "RED"
    rows = "id,gloss,signer,split\nRED/ann/0,RED,ann,train\nRED/bob/0,RED,bob,test\nRED/bob/1,RED GREEN,bob,test\n"
    (tmp_path / "folders/all.csv").write_text(rows)
    for source in (tmp_path / "folders", tmp_path / "folders/all.csv"):
        collection = read_clips(source)
        assert [(item.gloss, item.signer, item.split) for item in collection.clips] == [
            ("RED", "bob", "test"),
            ("RED", "ann", "train"),
        ]
        assert collection.left_out == {"test/RED/bob/1": "It has 2 glosses, not one."}


def test_a_broken_table_is_no_folder_of_clips(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/train.csv").write_text("id,glosses\na\n")
    (tmp_path / "features/train").mkdir(parents=True)
    np.save(tmp_path / "features/train/a.npy", moving(1))
    with pytest.raises(DataError, match="1 columns, the header 2"):
        read_clips(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"length": None}, "A pack of clips holds x, length"),
        ({"length": np.arange(24)}, "add up to"),
        ({"sign": np.array(["A"] * 23)}, "one entry per clip"),
        ({"sign": np.array([{}] * 24)}, "cannot be read"),
        ({"sign": np.full(24, 0x110000, np.uint32).view("U1")}, "no letter"),
        ({"signer": np.full((24, 2), 0xD800, ">u4").view(">U2")[:, 0]}, "no letter"),
        ({"x": np.array(["text"])}, "not \\[N, D\\] numbers"),
    ],
)
def test_a_pack_that_does_not_hold_together_is_refused(tmp_path, changes, said):
    with pytest.raises(DataError, match=said):
        read_clips(pack(tmp_path / "clips.npz", **changes))


def test_what_is_no_source_of_clips_is_told(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 half")
    for path, said in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "neither a table"),
        (tmp_path / "broken.npz", "cannot be read"),
    ):
        with pytest.raises(DataError, match=said):
            read_clips(path)
    folder_of_clips(tmp_path / "clips")
    with pytest.raises(UsageError, match="--signer-pattern"):
        read_clips(tmp_path / "clips", "(")
    with pytest.raises(DataError, match="finds no signer"):
        read_clips(tmp_path / "clips", "nobody")


def test_bad_clips_are_named_with_their_reason_and_the_others_composed(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    bad = source / "RED" / "ann"
    (bad / "cut.npy").write_bytes((bad / "0.npy").read_bytes()[:500])
    np.save(bad / "empty.npy", np.zeros((0, 60), np.float32))
    np.save(bad / "other.npy", np.zeros((9, 33), np.float32))
    np.save(bad / "blind.npy", np.full((9, 60), np.nan, np.float32))
    np.save(bad / "short.npy", moving(77, 2))
    np.save(bad / "pickled.npy", np.array([{}]), allow_pickle=True)
    (bad / "copy.npy").write_bytes((bad / "0.npy").read_bytes())
    arguments = ["compose", str(source), "--out", str(tmp_path / "out"), "--sentences", "9", "--signs", "1", "2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    left_out = json.loads((tmp_path / "out/composed/manifest.json").read_text())["left_out"]
    assert {key.rpartition("/")[2]: reason for key, reason in left_out.items()} == {
        "cut": left_out["RED/ann/cut"],
        "empty": "The array is empty: its shape is (0, 60).",
        "other": "It has 33 columns, the layout kinect-20 has 60.",
        "blind": "Nobody is seen in it.",
        "short": "It has 2 frames, and a sign needs 4.",
        "pickled": "The array holds pickled Python objects, which are never loaded.",
        "copy": "It is the same recording as RED/ann/0.",
    }
    assert "damaged or cut short" in left_out["RED/ann/cut"]
    assert "7 clips are left out" in result.stderr and sum(map(len, open_corpus(tmp_path / "out").splits.values())) == 9


def test_nothing_is_left_where_composing_fails(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    (source / "RED|ISH").mkdir()
    np.save(source / "RED|ISH" / "a.npy", moving(999))
    with pytest.raises(DataError, match="separated by"):
        compose_corpus(
            source, tmp_path / "out", ComposeConfig(sentences=60, signs=(1, 1), split_by="clip", dev=0, test=0)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(DataError, match="not empty"):
        compose_corpus(source, tmp_path / "full", ComposeConfig())


@pytest.mark.parametrize(
    ("dev", "test", "missing"),
    [(0.1, 0.1, ["dev", "test"]), (0, 0.1, ["test"]), (0.4, 0.1, ["test"]), (0.4, 0.4, []), (0, 0, [])],
)
def test_a_split_that_was_asked_for_and_not_made_is_told(tmp_path, dev, test, missing):
    source = folder_of_clips(tmp_path / "clips", takes=4, signers=SIGNERS[:1])  # four clips of each gloss
    said = ["--sentences", "12", "--signs", "1", "2", "--split-by", "clip", "--dev", str(dev), "--test", str(test)]
    result = CliRunner().invoke(app, ["compose", str(source), "--out", str(tmp_path / "out"), *said])
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert [split for split in ("dev", "test") if f"The corpus has no {split} split" in told] == missing
    made = {path.name.split(".")[0] for path in (tmp_path / "out" / "annotations").iterdir()}
    wanted = {name for name, share in (("dev", dev), ("test", test)) if share}
    assert made == {"train", *wanted} - set(missing)


def test_a_signer_with_too_few_clips_is_passed_over_and_told(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    for number, gloss in enumerate(GLOSSES):
        (source / gloss / "joe").mkdir()
        np.save(source / gloss / "joe" / "0.npy", moving(1000 + number))
    arguments = ["compose", str(source), "--out", str(tmp_path / "out"), "--sentences", "12", "--split-by", "clip"]
    result = CliRunner().invoke(app, [*arguments, "--signs", "2", "4", "--dev", "0", "--test", "0"])
    assert result.exit_code == 0 and "passed over: joe (" in result.stderr
    assert "joe" not in "".join(path.read_text() for path in (tmp_path / "out/annotations").iterdir())


def test_too_few_clips_are_told_before_anything_is_written(tmp_path):
    source = folder_of_clips(tmp_path / "clips", takes=1)
    with pytest.raises(DataError, match="No signer has 6 clips in train"):
        compose_corpus(source, tmp_path / "out", ComposeConfig(sentences=9))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [{"signs": (3, 2)}, {"signs": (0, 2)}, {"bridge": (-1, 2)}, {"dev": 0.5, "test": 0.5}, {"split_by": "people"},
     {"sentences": 0}, {"every": 0}, {"rest": 1.0}],
)  # fmt: skip
def test_options_that_make_no_corpus_are_refused(changes):
    with pytest.raises(UsageError):
        check_compose(ComposeConfig(**changes))


@pytest.mark.parametrize(
    "flags",
    [["--seed", "2"], ["--signs", "1", "2"], ["--bridge", "0", "0"], ["--rest", "0.9"], ["--every", "2"],
     ["--dev", "0"], ["--test", "0"], ["--split-by", "clip", "--dev", "0.4", "--test", "0"], ["--name", "mine"],
     ["--sentences", "8"], ["--layout", "generic"], ["--signer-pattern", "/(.).*/"], ["--sentences-from", "TEXT"]],
)  # fmt: skip
def test_every_option_of_compose_changes_what_is_written(tmp_path, flags):
    source = folder_of_clips(tmp_path / "clips")
    text = tmp_path / "text.txt"
    text.write_text("RED GREEN\nRED GREEN\nBLUE RED GREEN\n")
    given = [str(text) if flag == "TEXT" else flag for flag in flags]
    base = ["compose", str(source), "--sentences", "9", "--signs", "2", "3", "--json", "--quiet", "--out"]
    plain, changed = (
        json.loads(CliRunner().invoke(app, [*base, str(tmp_path / name), *more]).stdout)
        for name, more in (("plain", []), ("changed", given))
    )
    assert {**plain, "root": ""} != {**changed, "root": ""}


def test_a_text_without_known_glosses_is_refused(tmp_path):
    source = folder_of_clips(tmp_path / "clips")
    text = tmp_path / "text.txt"
    text.write_text("YELLOW PINK\n")
    arguments = ["compose", str(source), "--out", str(tmp_path / "out"), "--sentences-from"]
    result = CliRunner().invoke(app, [*arguments, str(text)])
    assert result.exit_code == 1 and "No gloss of the text has a clip" in result.stderr
    text.write_text("\n")
    assert "holds no sentence" in CliRunner().invoke(app, [*arguments, str(text)]).stderr


def test_real_clips_give_a_corpus_that_passes_its_checks(real_data, tmp_path):
    source = real_data / "data/auslan/clips.npz"
    options = ComposeConfig(sentences=60, every=2, seed=3)
    result = compose_corpus(source, tmp_path / "out", options)
    assert result.split_by == "signer" and 0 < result.trimmed < 0.5
    checked = CliRunner().invoke(app, ["check", "data", "--data-dir", str(tmp_path / "out"), "--only", "D", "--json"])
    levels = [finding["level"] for finding in json.loads(checked.stdout)["findings"]]
    assert checked.exit_code == 0 and "error" not in levels


def test_files_that_name_their_points_are_brought_into_the_layout_that_is_asked_for(tmp_path):
    layout, rng = load_layout("mediapipe-258"), np.random.default_rng(0)
    for number in range(8):
        values = rng.random((20, layout.width), dtype=np.float32)
        (tmp_path / "clips" / "AB"[number % 2]).mkdir(parents=True, exist_ok=True)
        write_recording(tmp_path / "clips" / "AB"[number % 2] / f"{number}.csv", Recording(values, layout))
    options = ComposeConfig(sentences=4, signs=(2, 2))
    done = compose_corpus(tmp_path / "clips", tmp_path / "out", options, "mediapipe-126")
    assert done.layout == "mediapipe-126" and not done.left_out
    made = next((tmp_path / "out" / "features").rglob("*.npy"))
    assert np.load(made).shape[1] == 126


def test_hands_of_composed_clips_are_on_tracks_before_they_are_joined(tmp_path):
    """A bridge from a hand to the other one's place would be a movement that nobody made."""

    def composed(name, spoil):
        for number in range(8):
            path = tmp_path / name / "ABCD"[number // 2] / "ann" / f"{number}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, spoil(signing(24, seed=number), number))
        options = ComposeConfig(sentences=2, signs=(2, 3), dev=0.0, test=0.0, seed=4)
        compose_corpus(tmp_path / name, tmp_path / f"{name} composed", options, "mediapipe-126")
        return [np.load(path) for path in sorted((tmp_path / f"{name} composed" / "features").rglob("*.npy"))]

    whole = composed("whole", lambda x, number: x)
    mixed = composed("mixed", lambda x, number: swapped(x, slice(0, 24, 3) if number % 2 else slice(None)))
    assert len(whole) == 2 and all(np.array_equal(one, other) for one, other in zip(whole, mixed, strict=True))


@pytest.mark.parametrize("source", ["folders", "a pack"])
def test_several_processes_and_a_cluster_write_the_same_bytes(tmp_path, source):
    clips = folder_of_clips(tmp_path / "clips")
    if source == "a pack":
        found = read_clips(clips).clips
        x = [clip.load() for clip in found]
        clips = tmp_path / "clips.npz"
        np.savez(clips, x=np.concatenate(x), length=[*map(len, x)], gloss=[clip.gloss for clip in found],
                 signer=[clip.signer for clip in found])  # fmt: skip
    options = ComposeConfig("c", 150, (1, 4), seed=3)
    one = compose_corpus(clips, tmp_path / "one", options)
    steps = []
    several = compose_corpus(clips, tmp_path / "several", options, jobs=2, step=lambda *said: steps.append(said))
    assert contents(tmp_path / "one") == contents(tmp_path / "several") and one.digest == several.digest
    assert steps[-1] == ("Writing sentences", 150, 150)
    if source == "folders" and importlib.util.find_spec("distributed"):
        with local_cluster(tmp_path, 2) as cluster:
            compose_corpus(clips, tmp_path / "there", options, cluster=cluster.address)
        assert contents(tmp_path / "one") == contents(tmp_path / "there")


def test_a_clip_that_another_process_cannot_read_ends_it_with_nothing_written(tmp_path, monkeypatch):
    clips = folder_of_clips(tmp_path / "clips")
    monkeypatch.setattr(Studio, "anywhere", partial(read_features, tmp_path / "gone.npy"))
    with pytest.raises(DataError, match=r"gone\.npy|read"):
        compose_corpus(clips, tmp_path / "out", ComposeConfig("c", 50), jobs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips"]
