"""The packed store: what is written comes back to the bit, what was stopped goes on, what is damaged is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.stores import VERSION_1

from slrcli.errors import DataError, SlrError
from slrcli.features.clip import is_mapped
from slrcli.features.store import Clip, StoreWriter, find_clip, is_store, open_store, store_of
from slrcli.features.store.form import MANIFEST, digest_of, read_manifest, table_text


def arrays(count=12, seed=0):
    """Clips of several lengths and widths: NaN of unusual bits, infinities, negative zeros, numbers below normal."""
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(count):
        x = rng.normal(size=(1 + 3 * number, 3 + number % 2)).astype(np.float32)
        bits = x.view(np.uint32)
        bits[0, 0], bits[-1, 1], bits[-1, -1] = 0x7FC12345, 0xFF800001, 0x80000000
        x[len(x) // 2, 2] = np.float32(1e-42)
        made[f"folder/clip {number}ä"] = x
    return made


SHARD = 400  # bytes: clips of two widths make eight shards


def write(path, clips, **more):
    with StoreWriter(path, shard_bytes=SHARD, **more) as writer:
        for name, x in clips.items():
            if name not in writer.names:
                writer.add(name, Clip(x), (x.size, 7))
        writer.finish()
    return path


def content(store):
    return {file.name: file.read_bytes() for file in store.iterdir()}


@pytest.fixture
def store(tmp_path):
    return write(tmp_path / "train.slrpack", arrays())


def test_every_clip_comes_back_to_the_bit(store):
    opened, clips = open_store(store), arrays()
    assert len(opened) == len(clips) and set(opened.names()) == set(clips) and len(opened.shards) > 4
    for name, x in clips.items():
        found = opened.values(name)
        assert found.shape == x.shape and np.array_equal(found.view(np.uint32), x.view(np.uint32))
    assert "folder" not in opened and "" not in opened and "folder/clip 0" not in opened
    assert opened.damage() == []


def test_numpy_and_pandas_read_a_store_alone(store):
    """And a shard is, byte for byte, what numpy would have saved."""
    clips, found = arrays(), {}
    for table in sorted(store.glob("*.tsv")):
        shard = np.load(table.with_suffix(".npy"), allow_pickle=False)
        np.save(store.parent / "again.npy", shard)
        assert (store.parent / "again.npy").read_bytes() == table.with_suffix(".npy").read_bytes()
        rows = pd.read_csv(table, sep="\t")
        for row in rows.itertuples():
            found[row.id] = shard[row.first : row.first + row.frames]
    assert found.keys() == clips.keys()
    assert all(found[name].tobytes() == x.tobytes() for name, x in clips.items())


def test_a_clip_is_an_array_over_the_file_that_nobody_can_change(store):
    opened = open_store(store)
    x = opened.values("folder/clip 3ä")
    assert is_mapped(x) and is_mapped(x[1:, :2].T) and not is_mapped(x.copy())
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0


def test_a_bounded_number_of_shards_is_mapped(store, monkeypatch):
    monkeypatch.setattr("slrcli.features.store.reader.MOST_MAPPED", 2)
    opened, names = open_store(store), list(arrays())
    kept = [opened.values(name) for name in names]  # what somebody still holds stays readable
    assert opened._mapped.cache_info().currsize == 2 and opened._mapped.cache_info().misses >= len(opened.shards)
    assert all(x.tobytes() == clip.tobytes() for x, clip in zip(kept, arrays().values(), strict=True))


def test_a_path_leads_through_a_store_but_not_through_a_folder_of_that_name(tmp_path, store):
    found, name = find_clip(store / "folder" / "clip 2ä")
    assert found.entry(name).frames == 7
    (tmp_path / "old.slrpack").mkdir()
    inside = write(tmp_path / "old.slrpack" / "dev.slrpack", arrays(2))
    assert store_of(tmp_path / "old.slrpack" / "clip.npy") is None
    assert store_of(inside / "folder" / "clip 0ä")[1] == "folder/clip 0ä"
    assert store_of(tmp_path / "none.slrpack" / "clip") is None
    with pytest.raises(DataError, match="holds no clip 'folder/clip 99'"):
        find_clip(store / "folder" / "clip 99")


def test_a_store_that_is_replaced_is_opened_anew(store):
    before = open_store(store)
    x = before.values("folder/clip 5ä")
    copy = x.copy()
    write(store, arrays(4, seed=1))
    assert len(open_store(store)) == 4 and len(before) == 12
    assert np.array_equal(x.view(np.uint32), copy.view(np.uint32))  # who still holds the old one sees the old one


def test_a_file_that_is_cut_short_while_it_is_open_is_refused_before_it_is_touched(store, tmp_path):
    old = tmp_path / "old.slrpack"
    old.write_bytes(VERSION_1)
    for path, files, name in ((store, store.glob("*.npy"), "folder/clip 3ä"), (old, [old], "a")):
        opened = open_store(path)
        assert opened.values(name).size  # from now on it is mapped
        for file in files:
            os.truncate(file, 200)
        with pytest.raises(DataError, match="has 200 bytes instead of"):
            opened.values(name)


def test_what_the_writer_is_told_is_what_the_index_says(tmp_path):
    path = tmp_path / "a.slrpack"
    with StoreWriter(path) as writer:
        half = np.ones((4, 2), np.float16)
        writer.add("a", Clip(half, 2, {"name": "one"}, 29.97, (640, 480), 0.25, 0.5))
        writer.add("b", Clip(half, 0, {"name": "two"}))
        writer.add("c", Clip(half.astype(np.float32), 0, {"name": "one"}))
        writer.finish("made of this")
    opened = open_store(path)
    first, second, third = map(opened.entry, "abc")
    assert (first.shard.dtype, first.shard.derived, *first[3:]) == ("float16", 2, 29.97, 640, 480)
    assert (first.shard.lost, first.shard.lost_derived, opened.values("a").nbytes) == (0.25, 0.5, 16)
    assert opened.layouts == [{"name": "one"}, {"name": "two"}]
    assert (first.shard.layout, second.shard.layout, third.shard.layout) == (0, 1, 0)
    assert opened.sources == "made of this"


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../a", "a/../b", "a\\b", "a\x1bb", "C:a", "a//b", "shard-00000.npy", "manifest.json"]
)
def test_a_name_that_leads_elsewhere_is_not_written(tmp_path, name):
    with StoreWriter(tmp_path / "a.slrpack") as writer, pytest.raises(DataError, match="cannot have the name"):
        writer.add(name, Clip(np.ones((1, 1), np.float32)))


def test_nothing_stands_under_the_name_before_it_is_whole(tmp_path):
    path = tmp_path / "a.slrpack"
    with StoreWriter(path) as writer:
        writer.add("a", Clip(np.ones((3, 2), np.float32)))
        assert not path.exists()
    (part,) = tmp_path.iterdir()
    assert not is_store(part.rename(tmp_path / "b.slrpack"))
    write(path, arrays())
    data = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**data, "digest": ""}))
    with pytest.raises(DataError, match="not finished"):
        open_store(path)


def test_a_second_writer_is_refused(tmp_path):
    with (
        StoreWriter(tmp_path / "a.slrpack") as writer,
        pytest.raises(SlrError, match="Another process"),
        StoreWriter(tmp_path / "a.slrpack"),
    ):
        pass
    assert not writer.names


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_stopped_and_resumed_gives_the_same_bytes(tmp_path, stop):
    whole = content(write(tmp_path / "whole.slrpack", arrays()))
    path, clips = tmp_path / "a.slrpack", arrays()
    with pytest.raises(KeyboardInterrupt), StoreWriter(path, shard_bytes=SHARD) as writer:
        for number, (name, x) in enumerate(clips.items()):
            if number == stop:
                raise KeyboardInterrupt
            writer.add(name, Clip(x), (x.size, 7))
    with StoreWriter(path, shard_bytes=SHARD) as writer:
        assert set(writer.names) <= set(list(clips)[:stop]) and len(writer.names) >= stop - 7
    assert content(write(path, clips)) == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.slrpack", "whole.slrpack"]


@pytest.mark.parametrize("suffix", [".npy", ".tsv"])
def test_a_shard_that_was_cut_short_is_written_again_and_all_after_it(tmp_path, suffix):
    """A power failure may take what a disk said it had."""
    whole = content(write(tmp_path / "whole.slrpack", arrays()))
    path, clips = tmp_path / "a.slrpack", arrays()
    with StoreWriter(path, shard_bytes=SHARD) as writer:
        for name, x in clips.items():
            writer.add(name, Clip(x), (x.size, 7))
        done = len(writer._shards)
    os.truncate(tmp_path / "a.slrpack.part" / f"shard-00002{suffix}", 20)
    (tmp_path / "a.slrpack.part" / "shard-00009.npy").write_bytes(b"half a shard")
    with StoreWriter(path, shard_bytes=SHARD) as writer:
        assert len(writer._shards) == 2 < done
    assert content(write(path, clips)) == whole


def test_other_settings_or_changed_sources_are_written_again(tmp_path):
    path, clips = tmp_path / "a.slrpack", arrays()
    stamps = {name: (x.size, 7) for name, x in clips.items()}
    with StoreWriter(path, b"one", shard_bytes=SHARD) as writer:
        for name, x in clips.items():
            writer.add(name, Clip(x), stamps[name])
        whole = list(writer.names)
    with StoreWriter(path, b"one", stamps, SHARD) as writer:
        kept = list(writer.names)
        assert 6 < len(kept) < len(whole)
    changed = {**stamps, kept[4]: (1, 8)}
    with StoreWriter(path, b"one", changed, SHARD) as writer:
        assert kept[4] not in writer.names and writer.names.keys() < set(kept)
    with StoreWriter(path, b"two", stamps, SHARD) as writer:
        assert not writer.names


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from slrcli.features.store import Clip, StoreWriter
with StoreWriter(Path(sys.argv[1]), shard_bytes=6000) as writer:
    for number in range(10_000):
        writer.add(f"clip{number}", Clip(np.full((50, 3), number, np.float32)), (1, 1))
        time.sleep(0.002)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_writer_that_is_killed_is_resumed(tmp_path):
    path = tmp_path / "a.slrpack"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    shard = tmp_path / "a.slrpack.part" / "shard-00002.tsv"
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not shard.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL and not path.exists()
    with StoreWriter(path, shard_bytes=6000) as writer:
        done = len(writer.names)
        assert 10 < done < 10_000
        for number in range(done, done + 3):
            writer.add(f"clip{number}", Clip(np.full((50, 3), number, np.float32)), (1, 1))
        writer.finish()
    opened = open_store(path)
    assert opened.damage() == [] and len(opened) == done + 3
    assert all((opened.values(f"clip{n}") == n).all() for n in range(done + 3))


# Stores that nobody should trust.


def changed_manifest(store, change, digest=True):
    """The store with another manifest, whose hash is right again."""
    found = change(read_manifest((store / MANIFEST).read_bytes(), ""))
    (store / MANIFEST).write_text((replace(found, digest=found.content()) if digest else found).text())


def set_shard(number, **values):
    def change(store):
        changed_manifest(store, lambda found: replace(found, shards={
            **found.shards, number: replace(found.shards[number], **values)
        }))  # fmt: skip

    return change


def set_cell(row, column, value):
    """Another cell in the table of the first shard, whose hash is right again."""

    def change(store):
        path = store / "shard-00000.tsv"
        with path.open(newline="") as file:
            head, *rows = csv.reader(file, "excel-tab")
        rows[row][head.index(column)] = value
        path.write_text(table_text(rows))
        set_shard(0, table=digest_of(path.read_bytes()))(store)

    return change


def set_bytes(name, start, value):
    """Other bytes at a place of a file."""

    def change(store):
        data = bytearray((store / name).read_bytes())
        data[start : start + len(value)] = value
        (store / name).write_bytes(data)

    return change


def pickled(store):
    np.save(store / "shard-00000.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


SHARD_0 = "shard-00000.npy"
HOSTILE = {
    "no manifest": (lambda store: (store / MANIFEST).unlink(), "no packed store"),
    "an empty manifest": (lambda store: (store / MANIFEST).write_text(""), "manifest cannot be read"),
    "a manifest that is a list": (lambda store: (store / MANIFEST).write_text("[]"), "manifest cannot be read"),
    "a deep manifest": (lambda store: (store / MANIFEST).write_text("[" * 100_000), "manifest cannot be read"),
    "a later version": (set_bytes(MANIFEST, 14, b"9"), "version 9"),
    "another hash": (lambda store: changed_manifest(store, lambda found: replace(found, digest="0"), False), "written"),
    "no shards": (lambda store: changed_manifest(store, lambda found: replace(found, shards={})), "not finished"),
    "a shard left out": (
        lambda store: changed_manifest(
            store,
            lambda found: replace(found, shards={number: shard for number, shard in found.shards.items() if number}),
        ),
        "written",
    ),
    "a name that leads elsewhere": (
        lambda store: changed_manifest(
            store, lambda found: replace(found, shards={"../../etc/passwd": found.shards[0]})
        ),
        "manifest cannot be read",
    ),
    "a table that is not there": (lambda store: (store / "shard-00001.tsv").unlink(), "table cannot be read"),
    "another table": (set_bytes("shard-00001.tsv", 0, b"x"), "table is not what was written"),
    "a huge count": (set_shard(0, frames=2**63), "table cannot be read"),
    "no clips": (set_shard(0, clips=0), "no frames"),
    "a part of a frame": (set_shard(0, frames=5.5), "whole numbers"),
    "text for a number": (set_shard(0, columns="3"), "manifest cannot be read"),
    "an unknown type": (set_shard(0, dtype="O"), "unknown type"),
    "too many differences": (set_shard(0, derived=200), "more differences"),
    "a layout that is not there": (set_shard(0, layout=0), "not there"),
    "a negative layout": (set_shard(0, layout=-5), "not there"),
    "more clips than there are": (set_shard(0, clips=4), "clips end at frame"),
    "a clip beyond the end": (set_cell(-1, "frames", "800"), "clips end at frame"),
    "a clip over another": (set_cell(1, "first", "0"), "overlaps"),
    "a clip before the beginning": (set_cell(0, "first", "-5"), "overlaps"),
    "a clip larger than memory": (set_cell(1, "frames", "9" * 40), "impossible length"),
    "a clip without frames": (set_cell(1, "frames", "0"), "impossible length"),
    "a number of too many digits": (set_cell(1, "frames", "9" * 9000), "table cannot be read"),
    "a clip that leads elsewhere": (set_cell(0, "id", "../../passwd"), "the name '../../passwd' is invalid"),
    "a clip with an endless name": (set_cell(0, "id", "a" * 200_000), "table cannot be read"),
    "a clip that is a shard": (set_cell(0, "id", SHARD_0), "the name 'shard-00000.npy' is invalid"),
    "a clip that stands there twice": (set_cell(0, "id", "folder/clip 2ä"), "invalid"),
    "a clip in two shards": (set_cell(0, "id", "folder/clip 11ä"), "the same name"),
    "an array that is not there": (lambda store: (store / SHARD_0).unlink(), "shard cannot be read"),
    "an array cut short": (lambda store: os.truncate(store / SHARD_0, 200), "200 bytes"),
    "an array of other columns": (set_bytes(SHARD_0, 70, b"9"), "another header"),
    "an array of another type": (set_bytes(SHARD_0, 21, b"|O8"), "another header"),
    "an array of pickles": (pickled, "another header"),
}


def test_a_manifest_too_deep_to_be_looked_at_is_damage(store):
    text = (store / MANIFEST).read_text()
    known = json.loads(text)["shards"]["shard-00000"]["sources"]
    (store / MANIFEST).write_text(text.replace(f'"{known}"', "[" * 800 + "]" * 800))
    with pytest.raises(DataError, match="hashes are not texts"):
        read_manifest((store / MANIFEST).read_bytes(), "here")
    (store / MANIFEST).write_text(text.replace('"digest": "', '"digest": [], "sources": "'))
    with pytest.raises(DataError):
        open_store(store)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_store_is_refused_with_its_name(store, kind):
    change, reason = HOSTILE[kind]
    change(store)
    with pytest.raises(DataError, match=reason) as refused:
        open_store(store).damage()
    assert str(store) in refused.value.where


def test_random_damage_is_refused_or_found_by_the_hashes(store):
    """Any one byte of any file: nothing but a DataError, and never unnoticed."""
    rng = np.random.default_rng(0)
    for number in range(300):
        path = rng.choice(sorted(store.iterdir()))
        data = path.read_bytes()
        broken = bytearray(data)
        place = rng.integers(len(data))
        broken[place] ^= 1 << rng.integers(8)
        if path.name == MANIFEST and said_of_sources(data, broken):
            continue
        path.write_bytes(broken)
        os.utime(store / MANIFEST, (number, number))
        with suppress(DataError):
            assert open_store(store).damage(), (path.name, place)
        path.write_bytes(data)


def said_of_sources(data, broken):
    """Whether a manifest differs only in what packing compares with its sources."""
    old, new = data.splitlines(), bytes(broken).splitlines()
    return any(a != b and a.strip().startswith((b'"sources"', b'"settings"')) for a, b in zip(old, new, strict=False))


def test_a_full_disk_is_an_error_that_keeps_what_is_there(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    with pytest.raises(SlrError, match="no space left") as refused, StoreWriter(tmp_path / "a.slrpack") as writer:
        writer.add("a", Clip(np.ones((3, 2), np.float32)))
        monkeypatch.setattr("os.fsync", refuse)
        writer.finish()
    assert "what is whole is kept" in refused.value.fix and not (tmp_path / "a.slrpack").exists()


# Stores of version 1.


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.slrpack"
    path.write_bytes(VERSION_1)
    return path


def test_a_store_of_version_1_is_read(old):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    x[1, 1] = np.nan
    opened = open_store(old)
    assert is_store(old) and list(opened.names()) == ["a", "folder/b ä", "c"] and opened.layouts == [{"name": "kinect"}]
    for name, clip, about in (
        ("a", x, ("float32", 0, -1, 25.0, 640, 480)),
        ("folder/b ä", x[:2].astype(np.float16), ("float16", 0, -1, 0, 0, 0)),
        ("c", x[:3], ("float32", 1, 0, 0, 0, 0)),
    ):
        entry, found = opened.entry(name), opened.values(name)
        assert (entry.shard.dtype, entry.shard.derived, entry.shard.layout, *entry[3:]) == about
        assert found.dtype == clip.dtype and found.tobytes() == clip.tobytes()


def test_a_damaged_store_of_version_1_is_refused(old):
    data = old.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(200):
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << rng.integers(8)
        old.write_bytes(broken if number else data[:-70])
        os.utime(old, (number, number))
        try:
            opened = open_store(old)
            for name in opened.names():
                opened.values(name)
        except DataError:
            refused += 1
    assert refused > 50
