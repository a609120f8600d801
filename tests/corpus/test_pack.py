"""`slr pack`: a packed folder is the corpus it was made from, to every command and to the bit."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.calling import slr
from support.stores import VERSION_1

from slrcli.corpus import open_corpus
from slrcli.features.augment import derivatives
from slrcli.features.clip import is_mapped, load_clip
from slrcli.features.layout import load_layout
from slrcli.features.readers import (
    clips_below,
    feature_header,
    feature_shape,
    frame_rate,
    own_layout,
    read_features,
    read_recording,
)
from slrcli.features.readers.packed import with_differences
from slrcli.features.recording import Recording
from slrcli.features.store import Clip, StoreWriter, open_store
from slrcli.features.store.packing import Packing, pack_clip

GLOSSES = ("LEFT", "RIGHT", "STOP")
QUICK = [
    "--epochs",
    "1",
    "--batch-size",
    "4",
    "--set",
    "model.options.width=32",
    "--set",
    "model.options.dilations=[1]",
]


def write_corpus(root, train=16, width=4):
    """A corpus in the Phoenix-2014 layout, four numbers a frame or more, of which some are missing."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", train), ("dev", 4), ("test", 4)):
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(count):
            glosses = [GLOSSES[i] for i in rng.integers(0, 3, 1 + number % 3)]
            x = rng.normal(size=(8 + 16 * len(glosses), width)).astype(np.float32)
            x[2:4, 1], x[6:, 2] = np.nan, np.nan if number % 4 == 0 else 1
            id = f"{split}{number}.v{number % 2}"
            np.save(root / "features" / split / f"{id}.npy", x)
            rows.append(f"{id}|{id}|{'ann' if number % 2 else 'bob'}|{' '.join(glosses)}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory, corpus):
    out = tmp_path_factory.mktemp("packed") / "packed"
    done = slr("pack", "--data-dir", corpus, "--out", out)
    assert done.exit_code == 0, done.output
    return out


def same(x, y):
    return x.shape == y.shape and np.array_equal(x.view(np.uint32), np.ascontiguousarray(y).view(np.uint32))


def test_a_packed_folder_is_the_same_corpus(corpus, packed):
    plain, other = open_corpus(corpus), open_corpus(packed)
    assert other.hash == plain.hash and other.format == plain.format and other.source == plain.source
    for name, items in plain.splits.items():
        for item, again in zip(items, other.require_features(name), strict=True):
            assert (again.id, again.glosses, again.signer, again.line) == (
                item.id,
                item.glosses,
                item.signer,
                item.line,
            )
            assert same(read_features(item.features), read_features(again.features))
            assert feature_shape(item.features) == feature_shape(again.features)
            assert feature_header(item.features).sample == feature_header(again.features).sample
    assert stores_in(packed) == ["dev.slrpack", "test.slrpack", "train.slrpack"]


def stores_in(root):
    return sorted(file.name for file in (root / "features").iterdir())


def content(folder):
    """Every file below a folder, and when it was changed."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_training_from_either_gives_the_same_weights_to_the_bit(corpus, packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, folder in (("plain", corpus), ("packed", packed)):
        done = slr("train", "--data-dir", folder, "--output-dir", tmp_path / name, *QUICK)
        assert done.exit_code == 0, done.output
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("plain", "packed"))
    assert first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)
    scores = []
    for folder in (corpus, packed):
        done = slr("eval", tmp_path / "plain", "--data-dir", folder, "--json")
        assert done.exit_code == 0, done.output
        scores.append(done.stdout)
    assert str(scores[0]).replace(str(corpus), "") == str(scores[1]).replace(str(packed), "")
    aligned = [
        slr("align", "--data-dir", folder, "--split", "dev", "--model", tmp_path / "plain", "--json").stdout
        for folder in (corpus, packed)
    ]
    assert aligned[0] == aligned[1] and "dev0.v0" in aligned[0]
    decoded = slr("decode", packed / "features" / "test.slrpack", "--model", tmp_path / "plain", "--json")
    assert decoded.exit_code == 0, decoded.output
    plain = slr("decode", corpus / "features" / "test", "--model", tmp_path / "plain", "--json")
    glosses = [[[one["gloss"] for one in item["glosses"]] for item in json.loads(x.stdout)] for x in (decoded, plain)]
    assert glosses[0] == glosses[1] and len(glosses[0]) == 4
    tables = tmp_path / "subtitles"
    files = ["--format", "srt", "--out", tables]
    assert slr("decode", packed / "features" / "test.slrpack", "--model", tmp_path / "plain", *files).exit_code == 0
    assert sorted(file.stem for file in tables.iterdir()) == [f"test{n}.v{n % 2}" for n in range(4)]


def test_checks_and_summaries_find_the_same(corpus, packed):
    for command in (["check", "data", "--full", "--data-dir"], ["corpus"]):
        plain, other = (slr(*command, folder, "--json") for folder in (corpus, packed))
        assert plain.exit_code == other.exit_code, other.output
        assert other.stdout.replace(str(packed), "") == plain.stdout.replace(str(corpus), ""), command


def test_a_packed_clip_without_a_line_is_an_orphan(packed, tmp_path):
    table = (packed / "annotations" / "train.corpus.csv").read_text().splitlines()
    (tmp_path / "train.corpus.csv").write_text("\n".join(table[:-1]) + "\n")
    done = slr("check", "data", "--data-dir", packed, "--annotations", tmp_path, "--only", "D23", "--json")
    assert "train15.v1" in done.stdout and "1 feature file has no line" in done.stdout


def test_folds_and_new_splits_lead_into_the_store(packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = slr("corpus", packed, "--split-by", "sentence", "--out", tmp_path / "parted")
    assert done.exit_code == 0, done.output
    again = open_corpus(tmp_path / "parted")
    plain = {item.id: item for items in open_corpus(packed).splits.values() for item in items}
    found = {item.id: item for items in again.splits.values() for item in items}
    assert {id: item.features.resolve() for id, item in found.items()} == {
        id: item.features.resolve() for id, item in plain.items()
    }
    done = slr("train", "--data-dir", packed, "--folds", "signer", "--output-dir", tmp_path / "folds", *QUICK)
    assert done.exit_code == 0, done.output


def test_ids_that_other_clips_paths_repeat_are_not_mixed_up(tmp_path):
    """A table whose path column names files by numbers that are ids of other clips."""
    (tmp_path / "in" / "clips").mkdir(parents=True)
    for number in range(3):
        np.save(tmp_path / "in" / "clips" / f"{number}.npy", np.full((5, 4), number, np.float32))
    rows = [f"{(number + 1) % 3},clips/{number}.npy,A B" for number in range(3)]
    (tmp_path / "in" / "train.csv").write_text("id,path,glosses\n" + "\n".join(rows) + "\n")
    assert slr("pack", "--data-dir", tmp_path / "in", "--out", tmp_path / "out").exit_code == 0
    for plain, other in zip(
        open_corpus(tmp_path / "in").split("train"), open_corpus(tmp_path / "out").split("train"), strict=True
    ):
        assert same(read_features(plain.features), read_features(other.features))


def test_takes_of_a_sentence_and_columns_of_ones_own_come_along(tmp_path):
    root = tmp_path / "in"
    (root / "corpus_csv_files").mkdir(parents=True)
    (root / "corpus_csv_files" / "ISL Corpus sign glosses.csv").write_text("Sentence,SIGN GLOSSES\nhello you,A B\n")
    (root / "features" / "hello you").mkdir(parents=True)
    for take in ("1.a", "1.b"):
        np.save(root / "features" / "hello you" / f"{take}.npy", np.ones((4, 3), np.float32))
    assert slr("pack", "--data-dir", root, "--out", tmp_path / "out").exit_code == 0
    assert open_corpus(tmp_path / "out").hash == open_corpus(root).hash
    own = tmp_path / "own"
    (own / "tables").mkdir(parents=True)
    (own / "tables" / "all.tsv").write_text("Clip\tSigns\tpath\none\tA B\tone\n")
    (own / "corpus.toml").write_text('annotations = "tables/all.tsv"\n[columns]\nid = "Clip"\nglosses = "Signs"\n')
    np.save(own / "one.npy", np.ones((4, 3), np.float32))
    done = slr("pack", "--data-dir", own, "--out", tmp_path / "out2")
    assert done.exit_code == 0, done.output
    assert open_corpus(tmp_path / "out2").hash == open_corpus(own).hash


# Kinds of clips.


def recording_of(tmp_path, recording, **packing):
    """A recording that went through a store."""
    layout = recording.layout or load_layout("generic", recording.values.shape[1])
    clip = pack_clip(recording, Packing(layout, **packing), "clip")
    with StoreWriter(tmp_path / "a.slrpack") as writer:
        writer.add("clip", clip)
        writer.finish()
    return tmp_path / "a.slrpack" / "clip"


def landmarks(frames=9, missing=True):
    layout = load_layout("mediapipe-6516")
    x = np.random.default_rng(0).uniform(0, 1, (frames, layout.positions)).astype(np.float32)
    if missing:
        x[3:5, 99:162], x[0, :3] = np.nan, np.nan
    return layout, x


def test_what_a_file_says_about_itself_is_kept(tmp_path):
    x = np.random.default_rng(0).uniform(0, 1, (5, 258)).astype(np.float32)
    source = Recording(x, load_layout("mediapipe-258"), 29.97, (640, 480))
    path = recording_of(tmp_path, source)
    found = read_recording(path)
    assert found.layout == source.layout == own_layout(path) and found.size == (640, 480)
    assert found.fps == frame_rate(path) == pytest.approx(29.97) and same(found.values, x)
    other = load_layout("mediapipe-126")  # brought into it by name, as from a file of its own
    assert read_features(path, other).shape == feature_shape(path, other) == (5, 126)


@pytest.mark.parametrize("frames", [1, 2, 9])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_differences_made_in_place_are_those_of_augmentation(frames, count):
    _, x = landmarks(frames)
    assert same(with_differences(x, count), np.hstack([x, derivatives(x, count)]))


def test_stored_differences_are_left_out_only_where_they_come_back_to_the_bit(tmp_path):
    layout, x = landmarks()
    whole = np.hstack([x, derivatives(x, 3)])
    path = recording_of(tmp_path, Recording(whole, layout))
    assert open_store(path.parent).entry("clip").shard.columns == 1629
    assert same(read_features(path), whole) and feature_shape(path) == whole.shape
    nudged = whole.copy()
    nudged[8, 4888] = np.nextafter(nudged[8, 4888], 9)
    for tolerance, columns in ((0.0, 6516), (1e-6, 1629)):
        path = recording_of(tmp_path, Recording(nudged, layout), tolerance=tolerance)
        assert open_store(path.parent).entry("clip").shard.columns == columns
    scaled = whole.copy()
    scaled[:, 1629:] *= 25
    path = recording_of(tmp_path, Recording(scaled, layout), tolerance=1e-6)
    assert same(read_features(path), scaled)


def test_positions_alone_are_not_copied_where_nothing_else_is_wanted(tmp_path):
    layout, x = landmarks()
    path = recording_of(tmp_path, Recording(np.hstack([x, derivatives(x, 3)]), layout))
    found = read_features(path, load_layout("mediapipe-1629"))
    assert is_mapped(found) and same(found, x) and feature_shape(path, load_layout("mediapipe-1629")) == x.shape
    assert not is_mapped(read_features(path, layout))


def test_a_clip_without_gaps_reaches_the_recogniser_uncopied(tmp_path):
    layout, x = load_layout("generic", 4), np.ones((6, 4), np.float32)
    assert is_mapped(load_clip(recording_of(tmp_path, Recording(x)), layout))
    x[2, 1] = np.nan
    filled = load_clip(recording_of(tmp_path, Recording(x)), layout)
    assert (filled == 1).all() and not is_mapped(filled)


def test_float16_loses_what_it_says_and_differences_are_made_of_float32(tmp_path):
    layout, x = landmarks()
    whole = np.hstack([x, derivatives(x, 3)])
    path = recording_of(tmp_path, Recording(whole, layout), dtype="float16")
    entry, found = open_store(path.parent).entry("clip").shard, read_features(path)
    rounded = x.astype(np.float16).astype(np.float32)
    assert found.dtype == np.float32 and same(found, np.hstack([rounded, derivatives(rounded, 3)]))
    assert entry.lost == np.nanmax(np.abs(rounded - x)) < 2.5e-4
    assert entry.lost_derived == np.nanmax(np.abs(found - whole)) > entry.lost
    whole[:, 1629:] *= 25  # nobody can make these again: they and the clip stay float32
    path = recording_of(tmp_path, Recording(whole, layout), dtype="float16")
    assert same(read_features(path), whole) and feature_header(path).stored_as == "float32"


def test_a_number_beyond_float16_is_a_failure_with_a_name(tmp_path):
    root = write_corpus(tmp_path / "in", train=3)
    np.save(root / "features" / "train" / "train1.v1.npy", np.full((9, 4), 70000, np.float32))
    done = slr("pack", "--data-dir", root, "--out", tmp_path / "out", "--dtype", "float16")
    assert done.exit_code == 1 and "train/train1.v1 failed" in done.stderr and "65504" in done.stderr


# Whole, or not at all; on from where it was stopped.


def test_failures_are_listed_and_a_mended_clip_finishes_the_split(tmp_path):
    root, out = write_corpus(tmp_path / "in"), tmp_path / "out"
    broken = root / "features" / "train" / "train3.v1.npy"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:150])
    (root / "features" / "train" / "train5.v1.npy").unlink()
    done = slr("pack", "--data-dir", root, "--out", out)
    assert done.exit_code == 1 and "2 clips failed" in done.stderr
    assert "train/train3.v1 failed" in done.stderr and "train/train5.v1 failed" in done.stderr
    assert not (out / "features" / "train.slrpack").exists() and not (out / "annotations").exists()
    assert (out / "features" / "dev.slrpack").exists()
    assert slr("train", "--data-dir", out).exit_code == 1
    partial = slr("pack", "--data-dir", root, "--out", out, "--partial", "--json")
    assert partial.exit_code == 1 and json.loads(partial.stdout)["splits"]["train"]["clips"] == 14
    assert [item.id for item in open_corpus(out).unmatched("train")] == ["train3.v1", "train5.v1"]
    again = slr("pack", "--data-dir", root, "--out", out)
    assert again.exit_code == 1 and "2 clips failed" in again.stderr
    broken.write_bytes(whole)
    np.save(root / "features" / "train" / "train5.v1.npy", np.ones((40, 4), np.float32))
    refused = slr("pack", "--data-dir", root, "--out", out)
    assert refused.exit_code == 1 and "--overwrite" in refused.stderr
    assert slr("pack", "--data-dir", root, "--out", out, "--overwrite").exit_code == 0
    assert len(open_corpus(out).require_features("train")) == 16


def test_packing_again_does_nothing_and_jobs_change_nothing(corpus, packed, tmp_path):
    before = content(packed / "features")
    again = slr("pack", "--data-dir", corpus, "--out", packed, "--json")
    assert again.exit_code == 0
    assert [split["found"] for split in json.loads(again.stdout)["splits"].values()] == [16, 4, 4]
    done = slr("pack", "--data-dir", corpus, "--out", tmp_path / "two", "--jobs", "2")
    assert done.exit_code == 0, done.output
    assert content(packed / "features") == before
    two = content(tmp_path / "two" / "features")
    assert {name: data for name, (_, data) in two.items()} == {name: data for name, (_, data) in before.items()}


def test_a_packed_corpus_is_packed_again_and_clips_below_it_are_found(packed, tmp_path):
    assert slr("pack", "--data-dir", packed, "--out", tmp_path / "half", "--dtype", "float16").exit_code == 0
    paths = clips_below(tmp_path / "half")
    assert len(paths) == 24 and feature_header(paths[0]).stored_as == "float16"
    assert open_corpus(tmp_path / "half").hash == open_corpus(packed).hash


def test_a_folder_of_version_1_is_a_corpus_and_is_converted(tmp_path):
    root = tmp_path / "old"
    (root / "features").mkdir(parents=True)
    (root / "features" / "train.slrpack").write_bytes(VERSION_1)
    (root / "train.csv").write_text("id,glosses\na,A B\nfolder/b ä,B\n", encoding="utf-8")
    before = {item.id: read_features(item.features) for item in open_corpus(root).require_features("train")}
    done = slr("pack", "--data-dir", root, "--out", tmp_path / "new")
    assert done.exit_code == 0, done.output
    again = open_corpus(tmp_path / "new").require_features("train")
    assert len(before) == 2 and all(same(read_features(item.features), before[item.id]) for item in again)
    assert frame_rate(again[0].features) == 25 and slr("pack", "--verify", tmp_path / "new").exit_code == 0
    done = slr("pack", "--verify", root)
    assert done.exit_code == 1 and "slr pack --data-dir OLD --out NEW" in " ".join(done.stderr.split())


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path):
    root, out = write_corpus(tmp_path / "in", train=30, width=2000), tmp_path / "out"
    slow = (
        "import time, slrcli.features.store.writer as writer\n"
        "keep = writer.StoreWriter.add\n"
        "def add(self, *arguments):\n    time.sleep(0.05)\n    keep(self, *arguments)\n"
        "writer.StoreWriter.add = add\nfrom slrcli.cli import app\n"
        f"app(['pack', '--data-dir', {str(root)!r}, '--out', {str(out)!r}, '--shard-mb', '1'])"
    )
    process = subprocess.Popen([sys.executable, "-c", slow], stderr=subprocess.DEVNULL)
    shard = out / "features" / "train.slrpack.part" / "shard-00002.tsv"
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not shard.exists():
        time.sleep(0.02)
    process.kill()
    assert process.wait(20) == -signal.SIGKILL
    assert not (out / "features" / "train.slrpack").exists() and not (out / "annotations").exists()
    assert clips_below(out) == []  # what is not whole is nowhere taken for clips
    done = slr("pack", "--data-dir", root, "--out", out, "--shard-mb", "1", "--json")
    assert done.exit_code == 0 and 0 < json.loads(done.stdout)["splits"]["train"]["found"] < 30
    assert slr("pack", "--data-dir", root, "--out", tmp_path / "whole", "--shard-mb", "1").exit_code == 0
    found, whole = (content(place / "features") for place in (out, tmp_path / "whole"))
    assert {name: data for name, (_, data) in found.items()} == {name: data for name, (_, data) in whole.items()}
    assert stores_in(out) == ["dev.slrpack", "test.slrpack", "train.slrpack"] and len(found) > 20


def test_verify_names_the_clip_that_was_changed(tmp_path):
    root = write_corpus(tmp_path / "in")
    assert slr("pack", "--data-dir", root, "--out", tmp_path / "out").exit_code == 0
    sound = slr("pack", "--verify", tmp_path / "out")
    assert sound.exit_code == 0 and sound.stdout.count("sound") == 3
    path = tmp_path / "out" / "features" / "train.slrpack"
    place = 128 + open_store(path).entry("train7.v1").first * 16 + 5
    with (path / "shard-00000.npy").open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    done = slr("pack", "--verify", path, "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)[0]["damaged"] == ["train7.v1"]


def test_mistakes_are_said_plainly(corpus, packed, tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "train.slrpack").write_bytes(b"no store at all")
    for arguments, code, words in (
        (["pack", "--data-dir", corpus], 2, "an output folder"),
        (["pack", "--data-dir", corpus, "--out", corpus], 2, "a folder of its own"),
        (["pack", "--data-dir", corpus, "--out", tmp_path / "x", "--dtype", "float8"], 2, "float8"),
        (["pack", "--verify", corpus], 1, "no packed store"),
        (["pack", "--verify", tmp_path], 1, "not a packed store"),
        (["pack", "--data-dir", corpus, "--out", tmp_path], 1, "--overwrite"),
        (["check", "data", "--data-dir", corpus, "--features", tmp_path / "features"], 1, "not a packed store"),
        (["show", packed / "features" / "train.slrpack"], 1, "holds many clips"),
        (["show", packed / "features" / "train.slrpack" / "nobody"], 1, "no clip"),
    ):
        done = slr(*arguments)
        assert done.exit_code == code and words in done.stderr and "defect" not in done.stderr, (arguments, done.output)


def test_a_layout_of_other_columns_in_a_store_is_damage(tmp_path):
    with StoreWriter(tmp_path / "a.slrpack") as writer:
        for number, layout in enumerate((load_layout("kinect-20").to_dict(), {"groups": 3}, "kinect", None)):
            writer.add(str(number), Clip(np.ones((4, 3), np.float32), 0, layout))
        writer.finish()
    for number in range(3):
        done = slr("show", tmp_path / "a.slrpack" / str(number))
        assert done.exit_code == 1 and "defect" not in done.stderr, done.stderr
    assert read_features(tmp_path / "a.slrpack" / "3").shape == (4, 3)
