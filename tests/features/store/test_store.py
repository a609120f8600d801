"""The packed store: what is written comes back to the bit, what was stopped goes on, what is damaged is refused."""

import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from slrcli.errors import DataError, SlrError
from slrcli.features.clip import is_mapped
from slrcli.features.store import FLOAT16, Clip, StoreWriter, find_clip, open_store, store_of
from slrcli.features.store.form import HEADER, RECORD, Header, hash_of, parts, read_header


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


def write(path, clips, **more):
    with StoreWriter(path, **more) as writer:
        for name, x in clips.items():
            if name not in writer:
                writer.add(name, Clip(x), (x.size, 7))
        writer.finish()
    return path


@pytest.fixture
def store(tmp_path):
    return write(tmp_path / "train.slrpack", arrays())


def test_every_clip_comes_back_to_the_bit(store):
    opened, clips = open_store(store), arrays()
    assert len(opened) == len(clips) and list(opened.names()) == list(clips)
    for name, x in clips.items():
        found = opened.values(opened.row(name))
        assert found.shape == x.shape and np.array_equal(found.view(np.uint32), x.view(np.uint32))
    assert opened.row("folder") is None and opened.row("") is None and opened.row("folder/clip 0") is None
    assert opened.damage() == []


def test_a_clip_is_an_array_over_the_file_that_nobody_can_change(store):
    opened = open_store(store)
    x = opened.values(3)
    assert is_mapped(x) and is_mapped(x[1:, :2].T) and not is_mapped(x.copy())
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0
    assert x.ctypes.data % 64 == 0


def test_a_path_leads_through_a_store_but_not_through_a_folder_of_that_name(tmp_path, store):
    found, row = find_clip(store / "folder" / "clip 2ä")
    assert found.entry(row).frames == 7
    (tmp_path / "old.slrpack").mkdir()
    inside = write(tmp_path / "old.slrpack" / "dev.slrpack", arrays(2))
    assert store_of(tmp_path / "old.slrpack" / "clip.npy") is None
    assert store_of(inside / "folder" / "clip 0ä")[1] == "folder/clip 0ä"
    assert store_of(tmp_path / "none.slrpack" / "clip") is None
    with pytest.raises(DataError, match="holds no clip 'folder/clip 99'"):
        find_clip(store / "folder" / "clip 99")


def test_a_store_that_is_replaced_is_opened_anew(store):
    before = open_store(store)
    x = before.values(5)
    copy = x.copy()
    write(store, arrays(4, seed=1))
    assert len(open_store(store)) == 4 and len(before) == 12
    assert np.array_equal(x.view(np.uint32), copy.view(np.uint32))  # who still holds the old one sees the old one


def test_names_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    for module in ("reader", "writer"):
        monkeypatch.setattr(f"slrcli.features.store.{module}.hash_of", lambda name: hash_of(name) % 2)
    clips = arrays()
    opened = open_store(write(tmp_path / "a.slrpack", clips))
    assert [opened.row(name) for name in clips] == list(range(len(clips)))
    assert opened.row("another") is None


def test_what_the_writer_is_told_is_what_the_index_says(tmp_path):
    path = tmp_path / "a.slrpack"
    with StoreWriter(path) as writer:
        half = np.ones((4, 2), np.float16)
        writer.add("a", Clip(half, 2, {"name": "one"}, 25.0, (640, 480), 0.25, 0.5))
        writer.add("b", Clip(half, 0, {"name": "two"}))
        writer.add("c", Clip(half.astype(np.float32), 0, {"name": "one"}))
        writer.finish(b"0123456789abcdef")
    opened = open_store(path)
    first, second, third = (opened.entry(row) for row in range(3))
    assert (first.kind, first.derived, first.fps, first.width, first.height) == (FLOAT16, 2, 25.0, 640, 480)
    assert (first.lost, first.lost_derived, first.size) == (0.25, 0.5, 16)
    assert opened.shared == [{"name": "one"}, {"name": "two"}]
    assert (first.shared, second.shared, third.shared) == (0, 1, 0)
    assert opened.sources == b"0123456789abcdef"


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../b", "a\\b", "a\x1bb", "C:a", "a//b"])
def test_a_name_that_leads_elsewhere_is_not_written(tmp_path, name):
    with StoreWriter(tmp_path / "a.slrpack") as writer, pytest.raises(DataError, match="cannot have the name"):
        writer.add(name, Clip(np.ones((1, 1), np.float32)))


def test_nothing_stands_under_the_name_before_it_is_whole(tmp_path):
    path = tmp_path / "a.slrpack"
    with StoreWriter(path) as writer:
        writer.add("a", Clip(np.ones((3, 2), np.float32)))
        assert not path.exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.slrpack.journal", "a.slrpack.part"]
    part = (tmp_path / "a.slrpack.part").rename(tmp_path / "b.slrpack")
    with pytest.raises(DataError, match=r"not a packed store|not finished"):
        open_store(part)


def test_a_second_writer_is_refused(tmp_path):
    with (
        StoreWriter(tmp_path / "a.slrpack") as writer,
        pytest.raises(SlrError, match="Another process"),
        StoreWriter(tmp_path / "a.slrpack"),
    ):
        pass
    assert len(writer) == 0


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_stopped_and_resumed_gives_the_same_bytes(tmp_path, stop):
    whole = write(tmp_path / "whole.slrpack", arrays()).read_bytes()
    path, clips = tmp_path / "a.slrpack", arrays()
    with pytest.raises(KeyboardInterrupt), StoreWriter(path) as writer:
        for number, (name, x) in enumerate(clips.items()):
            if number == stop:
                raise KeyboardInterrupt
            writer.add(name, Clip(x), (x.size, 7))
    with StoreWriter(path) as writer:
        assert list(writer.entries) == list(clips)[:stop]
    assert write(path, clips).read_bytes() == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.slrpack", "whole.slrpack"]


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_torn_journal_costs_its_last_clip_alone(tmp_path, cut):
    """A power failure may leave half a line in the journal, and more numbers than it speaks of."""
    whole = write(tmp_path / "whole.slrpack", arrays()).read_bytes()
    path, clips = tmp_path / "a.slrpack", arrays()
    with StoreWriter(path) as writer:
        for name, x in clips.items():
            writer.add(name, Clip(x), (x.size, 7))
    journal = tmp_path / "a.slrpack.journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    with (tmp_path / "a.slrpack.part").open("ab") as part:
        part.write(b"half a clip")
    with StoreWriter(path) as writer:
        assert list(writer.entries) == list(clips)[:-1]
    assert write(path, clips).read_bytes() == whole


def test_a_file_that_lost_numbers_the_journal_speaks_of_is_written_again_from_there(tmp_path):
    whole = write(tmp_path / "whole.slrpack", arrays()).read_bytes()
    path, clips = tmp_path / "a.slrpack", arrays()
    with StoreWriter(path) as writer:
        for name, x in clips.items():
            writer.add(name, Clip(x), (x.size, 7))
    os.truncate(tmp_path / "a.slrpack.part", 800)
    assert write(path, clips).read_bytes() == whole


def test_other_settings_or_changed_sources_are_written_again(tmp_path):
    path, clips = tmp_path / "a.slrpack", arrays()
    with StoreWriter(path, b"one") as writer:
        for name, x in clips.items():
            writer.add(name, Clip(x), (x.size, 7))
    stamps = {name: (x.size, 7) for name, x in clips.items()}
    changed = {**stamps, list(clips)[4]: (1, 8)}
    with StoreWriter(path, b"one", changed) as writer:
        assert list(writer.entries) == list(clips)[:4]
    with StoreWriter(path, b"two", stamps) as writer:
        assert not len(writer)


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
import slrcli.features.store.writer as module
from slrcli.features.store import Clip, StoreWriter
module.FLUSH_BYTES = 2000
with StoreWriter(Path(sys.argv[1])) as writer:
    for number in range(10_000):
        writer.add(f"clip{number}", Clip(np.full((50, 3), number, np.float32)), (1, 1))
        time.sleep(0.002)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_writer_that_is_killed_is_resumed(tmp_path):
    path = tmp_path / "a.slrpack"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    part = tmp_path / "a.slrpack.journal"
    limit = time.monotonic() + 30
    while time.monotonic() < limit and not (part.exists() and part.stat().st_size > 3000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL and not path.exists()
    with StoreWriter(path) as writer:
        done = len(writer)
        assert 10 < done < 10_000
        for number in range(done, done + 3):
            writer.add(f"clip{number}", Clip(np.full((50, 3), number, np.float32)), (1, 1))
        writer.finish()
    opened = open_store(path)
    assert opened.damage() == [] and len(opened) == done + 3
    assert all((opened.values(opened.row(f"clip{n}")) == n).all() for n in range(done + 3))


# Stores that nobody should trust.


def changed(store, change):
    """A store whose bytes went through `change(bytearray, header, places)`, at another place."""
    data = bytearray(store.read_bytes())
    header = read_header(bytes(data[:256]), len(data), "")
    data = change(data, header, parts(header)[0]) or data
    path = store.with_name("hostile.slrpack")
    path.write_bytes(data)
    return path


def set_record(row, **values):
    """Writes fields of one record."""

    def change(data, header, places):
        records = np.frombuffer(data, RECORD, header.clips, places[0][0]).copy()
        for key, value in values.items():
            records[row][key] = value
        data[places[0][0] : places[0][0] + records.nbytes] = records.tobytes()

    return change


def set_header(**values):
    def change(data, header, places):
        data[: HEADER.size] = header._replace(**values).packed()

    return change


def set_part(number, value, kind):
    """Writes the first number of a part of the index."""

    def change(data, header, places):
        struct.pack_into(kind, data, places[number][0], value)

    return change


HOSTILE = {
    "empty": (lambda data, *_: bytearray(b"\0"), "not a packed store"),
    "another kind of file": (lambda data, *_: bytearray(b"\x93NUMPY") + data, "not a packed store"),
    "cut in the clips": (lambda data, *_: data[:300], "damaged"),
    "cut in the index": (lambda data, *_: data[:-70], "damaged"),
    "longer than it says": (lambda data, *_: data + b"\0" * 64, "damaged"),
    "a later version": (lambda data, *_: data[:8] + b"\x09" + data[9:], "version 9"),
    "not finished": (set_header(place=0), "not finished"),
    "a huge count": (set_header(clips=2**63), "damaged"),
    "a count one too large": (set_header(clips=13), "damaged"),
    "no clips": (set_header(clips=0), "announces"),
    "an index beyond the end": (set_header(place=2**64 - 64), "damaged"),
    "an index in the header": (set_header(place=64), "damaged"),
    "huge names": (set_header(name_bytes=2**64 - 1), "damaged"),
    "huge text": (set_header(shared_bytes=2**40), "announces"),
    "a clip beyond the end": (set_record(11, offset=1 << 40), "beyond the end"),
    "a clip before the beginning": (set_record(0, offset=2**64 - 64), "beyond the end"),
    "a clip in the header": (set_record(0, offset=0), "overlaps"),
    "a clip over another": (set_record(3, offset=HEADER.size), "overlaps"),
    "a clip between two numbers": (set_record(1, offset=HEADER.size + 65), "not aligned"),
    "a clip that reaches into the index": (set_record(11, frames=90), "beyond the end"),
    "a clip larger than memory": (set_record(2, frames=2**32 - 1, columns=2**32 - 1), "larger than any"),
    "a clip without frames": (set_record(2, frames=0), "no frames"),
    "an unknown type": (set_record(2, kind=9), "unknown type"),
    "too many differences": (set_record(2, derived=200), "more differences"),
    "a layout that is not there": (set_record(2, shared=0), "not there"),
    "a negative layout": (set_record(2, shared=-5), "not there"),
    "names that end before they begin": (set_part(1, 2**60, "<Q"), "names"),
    "hashes out of order": (set_part(2, 2**64 - 1, "<Q"), "looked up"),
    "a hash of no record": (set_part(3, 4000, "<I"), "looked up"),
    "text that is no JSON": (set_part(5, 0x22, "<B"), "JSON"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_store_is_refused_with_its_name(store, kind):
    change, reason = HOSTILE[kind]
    path = changed(store, change)
    with pytest.raises(DataError, match=reason) as refused:
        open_store(path)
    assert str(path) in refused.value.where


def test_a_name_that_leads_elsewhere_is_refused_where_it_is_read(store):
    def change(data, header, places):
        start = places[4][0]
        data[start : start + 6] = b"../../"

    opened = open_store(changed(store, change))
    with pytest.raises(DataError, match="the name of clip 0"):
        list(opened.names())


def test_random_damage_is_refused_or_found_by_the_hashes(store):
    """Any one byte of header or index, and bytes all over the clips: nothing but a DataError, and never unnoticed."""
    data = store.read_bytes()
    header = read_header(data[:256], len(data), "")
    used = [range(HEADER.size)]
    used += [range(place, place + length * kind.itemsize) for place, length, kind in parts(header)[0]]
    opened = open_store(store)
    used += [range(opened.entry(row).offset, opened.entry(row).offset + opened.entry(row).size) for row in range(12)]
    skip = {*range(12, 16), *range(64, HEADER.size)}  # padding of the header, and the fingerprint of the sources
    places = sorted({place for part in used for place in part} - skip)
    rng = np.random.default_rng(0)
    path = store.with_name("hostile.slrpack")
    for place in rng.choice(places, 400, replace=False):
        broken = bytearray(data)
        broken[place] ^= 1 << rng.integers(8)
        path.unlink(missing_ok=True)
        path.write_bytes(broken)
        try:
            assert open_store(path).damage(), place
        except DataError:
            continue


def test_opening_takes_milliseconds_for_many_clips(tmp_path):
    with StoreWriter(tmp_path / "a.slrpack") as writer:
        x = np.ones((1, 1), np.float32)
        for number in range(20_000):
            writer.add(f"utterance-{number}", Clip(x))
        writer.finish()
    spent = []
    for _ in range(5):
        os.utime(tmp_path / "a.slrpack")
        before = time.process_time()
        opened = open_store(tmp_path / "a.slrpack")
        spent.append(time.process_time() - before)
        assert opened.row("utterance-12345") == 12345
    assert min(spent) < 0.03  # a parse of 20,000 entries takes longer


def test_a_full_disk_is_an_error_that_keeps_what_is_there(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    with pytest.raises(SlrError, match="no space left") as refused, StoreWriter(tmp_path / "a.slrpack") as writer:
        writer.add("a", Clip(np.ones((3, 2), np.float32)))
        monkeypatch.setattr("os.fsync", refuse)
        writer.finish()
    assert "same command continues where it stopped" in refused.value.fix and not (tmp_path / "a.slrpack").exists()


def test_a_header_says_what_it_was_made_of():
    header = Header(3, 640, 10, 2, b"d" * 16, b"s" * 16)
    assert len(header.packed()) == HEADER.size == 128 and RECORD.itemsize == 64
    assert read_header(header.packed(), parts(header)[1], "") == header
