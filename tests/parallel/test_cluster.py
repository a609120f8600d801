"""Workers of a Dask scheduler do what the pool of this machine does; one that is killed costs nothing."""

import sys
import threading
import time

import pytest
from support.clusters import local_cluster
from support.worker_jobs import (
    LIMIT,
    die,
    die_the_first_time,
    leave_word,
    refuse,
    square,
    stumble,
    wait_for,
)

from slrcli.errors import DataError, DependencyError, SlrError
from slrcli.parallel import cluster as subject
from slrcli.parallel.cluster import Cluster, pool
from slrcli.parallel.workers import WorkerDied, Workers, as_they_end

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with local_cluster(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


def test_results_errors_and_messages_come_back(cluster, tmp_path):
    heard = []
    with Cluster(cluster.address, tmp_path, heard=heard.append) as workers:
        jobs = {workers.submit(square, number): number for number in range(5)}
        assert {jobs[job]: job.result() for job in as_they_end(jobs)} == {n: n * n for n in range(5)}
        with pytest.raises(DataError, match="refused") as caught:
            workers.submit(refuse, "here").result()
        assert (caught.value.where, caught.value.fix) == ("here", "do otherwise")
        with pytest.raises(IndexError):
            workers.submit(stumble, 3).result()
        end = time.monotonic() + LIMIT
        while len(heard) < 5 and time.monotonic() < end:
            time.sleep(0.02)
    assert sorted(heard) == list(range(5))


def test_a_job_that_is_called_off_is_interrupted_and_its_worker_goes_on(cluster, tmp_path):
    started, ended = tmp_path / "started", tmp_path / "ended"
    with pytest.raises(KeyboardInterrupt), Cluster(cluster.address, tmp_path) as workers:
        workers.submit(leave_word, started, ended)
        wait_for(started)
        raise KeyboardInterrupt
    wait_for(ended)
    with Cluster(cluster.address, tmp_path) as workers:
        assert [job.result() for job in [workers.submit(square, 3) for _ in range(4)]] == [9] * 4


def test_workers_that_see_another_file_system_or_have_threads_are_refused(cluster, tmp_path):
    with Cluster(cluster.address, tmp_path / "nowhere") as workers, pytest.raises(SlrError, match="does not see"):
        workers.submit(square, 2).result()
    with local_cluster(tmp_path, 0) as other:
        other.add(threads=2)
        with Cluster(other.address, tmp_path) as workers, pytest.raises(SlrError, match="2 threads") as caught:
            workers.submit(square, 2).result()
    assert "--nthreads 1" in caught.value.fix


def test_a_wrong_address_and_a_missing_library_are_said_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(subject, "LONGEST_CALL", 0.5)
    with pytest.raises(SlrError, match="does not answer") as caught:
        Cluster("tcp://127.0.0.1:9", tmp_path)
    assert "dask scheduler" in caught.value.fix
    for wrong in ("nonsense", str(tmp_path / "none.json"), "tcp://127.0.0.1:none"):
        with pytest.raises(SlrError, match="does not answer"):
            Cluster(wrong, tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DependencyError, match="distributed") as caught:
        Cluster("tcp://127.0.0.1:9", tmp_path)
    assert "[cluster]" in caught.value.fix


def test_without_an_address_the_pool_is_that_of_this_machine(tmp_path):
    with pool("", 2, tmp_path) as workers:
        assert isinstance(workers, Workers) and workers.slots == 2


def test_a_killed_worker_costs_no_job_and_one_that_kills_them_all_is_named(tmp_path):
    """The last one, with workers of its own."""
    with local_cluster(tmp_path, 2) as cluster, Cluster(cluster.address, tmp_path) as workers:
        jobs = [workers.submit(die_the_first_time, tmp_path / "died", number) for number in range(6)]
        assert [job.result(LIMIT) for job in jobs] == [number * number for number in range(6)]
        assert workers.slots == 1
        stop = threading.Event()

        def refill():
            while not stop.wait(0.2):
                if all(worker.poll() is not None for worker in cluster.workers):
                    cluster.add()

        thread = threading.Thread(target=refill)
        thread.start()
        try:
            with pytest.raises(WorkerDied, match="Every worker"):
                workers.submit(die).result(LIMIT)
        finally:
            stop.set()
            thread.join()
