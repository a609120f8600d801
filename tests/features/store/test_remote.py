"""Packed corpora in an object store: read as from a folder, from a server of another's making on this machine."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
import s3fs
from safetensors.numpy import load_file
from support.calling import slr
from support.object_store import object_store
from support.quick_corpus import write_corpus

from slrcli.corpus import open_corpus, pack
from slrcli.corpus.pack import Way
from slrcli.errors import DataError, DependencyError, UsageError
from slrcli.features.store import address_of, local_folder, open_store, remote

SMALL = ["--epochs", "2", "--batch-size", "4", "--set", "optim.order=shards", "--quiet"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with object_store(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A packed corpus whose train split has several shards."""
    place = tmp_path_factory.mktemp("packed")
    corpus = write_corpus(place / "corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "Way", lambda *given: Way(*given[:-1], shard_bytes=3000))
        result = slr("pack", "--data-dir", corpus, "--out", place / "packed")
    assert result.exit_code == 0, result.output
    assert len(open_store(place / "packed/features/train.slrpack").shards) >= 4
    return place / "packed"


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    """The server, found through the environment, with a cache that is empty."""
    for name, value in {**server.environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    remote._looked.clear()
    s3fs.S3FileSystem.clear_instance_cache()
    return server


def shards_of_copy(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("shard-*.npy"))


def test_a_path_is_no_address():
    assert address_of("s3://bucket/corpus/") == "s3://bucket/corpus" == address_of(Path("s3://bucket/corpus"))
    assert address_of("gs://b/a") == "gs://b/a" and address_of("github://o:r@main/a") == "github://o:r@main/a"
    for path in ("corpus", "/corpus", "C:/corpus", r"C:\corpus", "a/s3://b", "", "./s3:x", "s3:"):
        assert address_of(path) == "" and local_folder(path) == Path(path)


def test_only_what_is_small_is_copied_at_first_and_shards_when_they_are_read(client, packed):
    folder = local_folder(client.put(packed, "small"))
    assert shards_of_copy(folder) == []
    corpus = open_corpus(folder)
    assert {name: len(items) for name, items in corpus.splits.items()} == {"train": 24, "dev": 6, "test": 6}
    store, own = (open_store(place / "features/train.slrpack") for place in (folder, packed))
    name = next(iter(store.names()))
    assert store.values(name).tobytes() == own.values(name).tobytes()
    assert shards_of_copy(folder) == ["features/train.slrpack/shard-00000.npy"]
    assert all(store.values(name).tobytes() == own.values(name).tobytes() for name in own.names())
    assert store.damage() == []


@pytest.mark.slow
def test_training_evaluation_and_resuming_from_an_address_are_those_from_the_folder(client, packed, tmp_path):
    address = client.put(packed, "train")
    for place, run in ((packed, "here"), (address, "there")):
        result = slr("train", "--data-dir", place, "--output-dir", tmp_path / run, *SMALL)
        assert result.exit_code == 0, result.output
    here, there = (load_file(tmp_path / run / "last.safetensors") for run in ("here", "there"))
    assert {name: x.tobytes() for name, x in here.items()} == {name: x.tobytes() for name, x in there.items()}
    assert address in (tmp_path / "there/config.toml").read_text()
    tables = []
    for place, run in ((packed, "here"), (address, "there")):
        result = slr("eval", tmp_path / run, "--data-dir", place, "--split", "test", "--json")
        assert result.exit_code == 0, result.output
        tables.append(json.loads(result.stdout)["wer"])
    assert tables[0] == tables[1]
    result = slr("train", "--resume", tmp_path / "there", "--epochs", "3", "--quiet")
    assert result.exit_code == 0, result.output


def test_the_longest_unused_shards_make_room(client, packed, monkeypatch):
    folder = local_folder(client.put(packed, "room"))
    store = open_store(folder / "features/train.slrpack")
    sizes = [shard.size for shard in store.shards]
    monkeypatch.setenv(remote.ROOM, str((sizes[0] + sizes[1] + sizes[2]) / 1e9))
    for number in (0, 1, 2):
        store._map(number)
        os.utime(store.array(number), (number, number))
    store._map(0)  # used again: 1 is the oldest now
    store._map(3)
    assert [number for number in range(4) if store.array(number).exists()][-2:] != [1, 3]
    assert store.array(3).exists() and store.array(0).exists() and not store.array(1).exists()
    monkeypatch.setenv(remote.ROOM, "much")
    with pytest.raises(UsageError, match="gigabytes"):
        store._map(1)


def test_a_corpus_that_is_packed_anew_is_noticed(client, packed, tmp_path):
    address = client.put(packed, "anew")
    folder = local_folder(address)
    was = open_store(folder / "features/train.slrpack")
    was._map(0)
    corpus = shutil.copytree(packed.parent / "corpus", tmp_path / "corpus")
    (corpus / "annotations/dev.corpus.csv").unlink()
    assert slr("pack", "--data-dir", corpus, "--out", tmp_path / "p", "--dtype", "float16").exit_code == 0
    client.files.rm("signs/anew", recursive=True)
    client.put(tmp_path / "p", "anew")
    with pytest.raises(DataError, match=r"has changed|cannot be read"):
        open_store(folder / "features/train.slrpack")._map(1)  # before anybody looks again
    remote._looked.clear()
    assert set(open_corpus(address).splits) == {"train", "test"}
    new = open_store(folder / "features/train.slrpack")
    own = open_store(tmp_path / "p/features/train.slrpack")
    assert new.digest == own.digest != was.digest and new.damage() == []
    assert not (folder / "features/dev.slrpack/manifest.json").exists()


def test_a_copy_that_was_stopped_midway_is_completed_and_holds_nothing_old(client, packed):
    address = client.put(packed, "midway")
    folder = local_folder(address)
    wanted = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for note in ("", "{", '{"address": 3}'):  # it is written last
        (folder.parent / "origin.json").write_text(note)
        (folder / "annotations/train.corpus.csv").write_text("an older one")
        (folder / "annotations/dev.corpus.csv").unlink()
        (folder / "annotations/gone.corpus.csv").write_text("of before")
        remote._looked.clear()
        assert local_folder(address) == folder
        assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == wanted


def test_an_empty_file_is_copied_too_and_a_file_is_no_corpus(client, packed):
    address = client.put(packed, "empty")
    client.files.pipe("signs/empty/notes.txt", b"")
    assert (local_folder(address) / "notes.txt").read_bytes() == b""
    with pytest.raises(DataError, match="no corpus at this address"):
        local_folder(f"{address}/corpus.toml")


def test_several_at_a_time_fetch_a_shard_once(client, packed, monkeypatch):
    folder = local_folder(client.put(packed, "once"))
    array = open_store(folder / "features/train.slrpack").array(0)
    fetched = []
    threads = [threading.Thread(target=lambda: fetched.append(remote.fetch(array))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(fetched) == [False, False, False, True]
    remote.fetch_ahead([array.with_name("shard-00001.npy"), array.with_name("shard-00002.npy")])
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.main_thread() and "work" in thread.name:
            thread.join(60)
    assert len(shards_of_copy(folder)) == 3


def test_names_from_the_store_lead_nowhere_else(client, packed, tmp_path):
    address = client.put(packed, "names")
    client.files.pipe("signs/names/annotations/../../../evil.csv", b"x")
    with pytest.raises(DataError, match="cannot be a file name"):
        local_folder(address)
    assert not list(tmp_path.rglob("evil.csv"))


@pytest.mark.parametrize("place, word", [
    ("s3://signs/nothing", "no corpus at this address"), ("s3://no-bucket/corpus", "cannot be read|no corpus"),
    ("nowhere://a/b", "cannot be read"), ("gs://bucket/corpus", "another library"),
])  # fmt: skip
def test_what_cannot_be_reached_is_said(client, place, word):
    with pytest.raises((DataError, DependencyError), match=word) as caught:
        local_folder(place)
    assert place in str(caught.value.where)
    result = slr("check", "data", "--data-dir", place)
    assert result.exit_code == 1 and "Traceback" not in result.output


def test_a_store_that_ends_while_it_is_read_is_said(client, packed, monkeypatch):
    folder = local_folder(client.put(packed, "gone"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(DataError, match="cannot be read"):
        open_store(folder / "features/train.slrpack").values("train0")
    assert not list(folder.rglob("*.npy")) and not list(folder.rglob(".slr-*"))


def test_a_folder_that_is_not_packed_is_not_copied_whole(client, packed, monkeypatch):
    monkeypatch.setattr(remote, "MOST_BYTES", 10_000)
    address = client.put(packed.parent / "corpus", "loose")
    with pytest.raises(DataError, match="would be copied"):
        local_folder(address)
    assert not list((Path(os.environ["XDG_CACHE_HOME"])).rglob("*.csv"))


def test_a_copied_file_cannot_name_a_place_to_fetch_from(client, packed, tmp_path):
    shutil.copytree(packed, tmp_path / "remote/x/corpus")
    (tmp_path / "remote/x/origin.json").write_text(json.dumps({"address": "s3://signs/small", "files": {}}))
    store = open_store(tmp_path / "remote/x/corpus/features/train.slrpack")
    store.array(0).unlink()
    with pytest.raises(DataError, match="a shard cannot be read"):
        store._map(0)
