"""Runs that belong together on the workers of a cluster: the bits of the serial run, whoever is killed."""

import json
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.calling import slr
from support.clusters import local_cluster
from support.quick_corpus import QUICK, write_corpus
from support.worker_jobs import LIMIT

pytest.importorskip("distributed")


def kill_at_work(cluster, folder, killed):
    """Kill the worker that has saved its first epoch of a run, while it goes on."""
    end = time.monotonic() + LIMIT
    while not any(path.stat().st_size for path in folder.glob("*/metrics.jsonl")) and time.monotonic() < end:
        time.sleep(0.02)
    worker = cluster.workers[0]
    worker.kill()
    killed.append(worker.wait())


@pytest.mark.slow
def test_a_worker_killed_midway_changes_no_bit_of_any_run(tmp_path):
    corpus = write_corpus(tmp_path / "corpus")
    base = ("train", "--data-dir", corpus, *QUICK, "--epochs", 5, "--seeds", 2)
    alone = slr(*base, "-o", tmp_path / "alone")
    assert alone.exit_code == 0, alone.output
    killed: list[int] = []
    (tmp_path / "dask").mkdir()
    with local_cluster(tmp_path / "dask", 2) as cluster:
        hunter = threading.Thread(target=kill_at_work, args=(cluster, tmp_path / "shared", killed))
        hunter.start()
        shared = slr(*base, "-o", tmp_path / "shared", "--cluster", cluster.address)
        hunter.join()
        runs = sorted(path.parent for path in (tmp_path / "alone").glob("*/result.json"))
        comparison = ("eval", *runs, "--data-dir", corpus, "--split", "dev", "--json")
        here, there = slr(*comparison), slr(*comparison, "--cluster", cluster.address)
    assert len(runs) == 2 and there.exit_code == 0 and json.loads(there.stdout) == json.loads(here.stdout), there.output
    assert shared.exit_code == 0 and killed == [-9], shared.output
    assert shared.stderr.count("after the last epoch") == 2
    one, other = (json.loads((tmp_path / name / "folds.json").read_text()) for name in ("alone", "shared"))
    assert other["complete"] and other["summary"] == one["summary"]
    for run in (item["run"] for item in one["runs"]):
        first, second = (load_file(tmp_path / name / run / "last.safetensors") for name in ("alone", "shared"))
        assert all(np.array_equal(first[name], second[name]) for name in first)
        lines = (tmp_path / "shared" / run / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [*range(1, len(lines) + 1)]


def test_a_cluster_is_for_several_runs_and_its_address_is_checked(tmp_path):
    alone = slr("train", "--data-dir", tmp_path, "--cluster", "tcp://127.0.0.1:9")
    assert alone.exit_code == 2 and "only to several runs" in alone.stderr
    alone = slr("eval", tmp_path, "--data-dir", tmp_path, "--cluster", "tcp://127.0.0.1:9")
    assert alone.exit_code == 2 and "only to several recognisers" in alone.stderr
