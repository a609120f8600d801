"""The pool of processes: what fails or dies takes nothing else with it, and nobody outlives the parent."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, Executor
from pathlib import Path

import pytest
from support import worker_jobs as jobs

import slrcli
from slrcli.errors import DataError, SlrError
from slrcli.parallel.workers import WorkerDied, Workers, as_they_end, usable_cores

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def meeting():
    with jobs.Meeting() as meeting:
        yield meeting


def test_every_job_is_done_in_order_and_what_is_told_is_heard():
    heard = []
    with Workers(2, heard=heard.append) as pool:
        assert isinstance(pool, Executor)
        assert list(pool.map(jobs.square, range(7))) == [number * number for number in range(7)]
    assert sorted(heard) == list(range(7))


def test_results_are_in_the_order_of_jobs_however_they_end(tmp_path):
    mark = tmp_path / "mark"
    with Workers(2) as pool:
        waits, comes = pool.submit(jobs.wait_for, mark, "first"), pool.submit(jobs.touch, mark, "second")
        ticks = []
        ended = [future.result() for future in as_they_end([waits, comes], lambda: ticks.append(1))]
        assert sorted(ended) == ["first", "second"] and ticks
        mark.unlink()
        both = pool.map(jobs.call, (jobs.wait_for, jobs.touch), (mark, mark), ("first", "second"))
        assert list(both) == ["first", "second"]


def test_what_a_job_raises_comes_back_and_the_process_goes_on():
    with Workers(1) as pool:
        pid = pool.submit(os.getpid).result()
        refused, stumbled = pool.submit(jobs.refuse, "here").exception(), pool.submit(jobs.stumble, 0).exception()
        assert isinstance(refused, DataError)
        assert (refused.what, refused.where, refused.fix) == ("refused", "here", "do otherwise")
        assert isinstance(stumbled, IndexError) and "in stumble" in stumbled.__notes__[0]
        assert pool.submit(os.getpid).result() == pid


def test_what_cannot_be_sent_is_a_failure_of_its_job_alone():
    with Workers(1) as pool:
        pid = pool.submit(os.getpid).result()
        with pytest.raises(RuntimeError, match="Unsendable: this and that"):
            pool.submit(jobs.raise_unsendable).result()
        with pytest.raises(RuntimeError, match="lambda"):
            pool.submit(jobs.unsendable).result()
        with pytest.raises(Exception, match="pickle"):
            pool.submit(lambda: None).result()
        assert pool.submit(os.getpid).result() == pid


def test_what_listens_may_fail_and_no_answer_is_taken_for_another():
    def heard(number):
        if number == 3:
            raise ValueError("deaf")

    with Workers(1, heard=heard) as pool:
        found = [pool.submit(jobs.square, number) for number in (2, 3, 4)]
        assert [item.exception() and str(item.exception()) for item in found] == [None, "deaf", None]
        assert found[0].result() == 4 and found[2].result() == 16


@posix
def test_a_process_that_dies_takes_its_own_job_and_no_other(tmp_path):
    mark = tmp_path / "mark"
    with Workers(2) as pool:
        beside = pool.submit(jobs.wait_for, mark, "done")  # at work while the other process dies
        dies, after = pool.submit(jobs.die), pool.submit(jobs.square, 3)
        error = dies.exception()
        assert isinstance(error, WorkerDied) and isinstance(error, SlrError) and "signal 9" in error.what
        assert after.result() == 9
        mark.touch()
        assert beside.result() == "done"


@posix
def test_an_initializer_is_called_in_each_process_and_in_the_one_that_follows_a_dead_one():
    with Workers(1, jobs.keep, ("given",)) as pool:
        assert pool.submit(jobs.kept).result() == ["given"] == pool.submit(jobs.kept).result()
        assert isinstance(pool.submit(jobs.die).exception(), WorkerDied)
        assert pool.submit(jobs.kept).result() == ["given"]


def test_an_initializer_that_fails_fails_the_jobs():
    with Workers(1, jobs.refuse, ("here",)) as pool:
        assert [type(pool.submit(jobs.square, 1).exception()) for _ in range(2)] == [DataError, DataError]


def test_libraries_have_one_thread_in_each_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with Workers(1) as pool:
        assert pool.submit(jobs.threads).result() == (1, "1")


def test_a_cancelled_job_is_not_done_and_the_others_are(tmp_path):
    with Workers(1) as pool:
        first = pool.submit(jobs.wait_for, tmp_path / "mark", 1)
        second, third = pool.submit(jobs.touch, tmp_path / "second"), pool.submit(jobs.square, 3)
        assert second.cancel()
        (tmp_path / "mark").touch()
        assert first.result() == 1 and third.result() == 9
    assert not (tmp_path / "second").exists()


def test_shutdown_lets_what_is_at_work_end_cancels_the_rest_and_takes_no_more(meeting, tmp_path):
    pool = Workers(1)
    first, rest = pool.submit(jobs.call_and_wait_for, meeting.port, tmp_path / "mark"), pool.submit(jobs.square, 3)
    meeting.meet(1)
    pool.shutdown(wait=False, cancel_futures=True)
    assert rest.cancelled() and not first.done()
    (tmp_path / "mark").touch()
    pool.shutdown()
    assert first.result() == "done"
    with pytest.raises(RuntimeError):
        pool.submit(jobs.square, 1)


@posix
def test_an_exception_calls_off_what_is_at_work_and_it_cleans_up(meeting):
    with pytest.raises(ZeroDivisionError), Workers(2) as pool:
        busy = [pool.submit(jobs.clean_up, meeting.port) for _ in range(2)]
        rest = pool.submit(jobs.square, 3)
        meeting.meet(2)
        raise ZeroDivisionError
    assert rest.cancelled() and [type(item.exception()) for item in busy] == [CancelledError] * 2
    assert meeting.last_words() == [b"cleaned up"] * 2


@posix
def test_a_job_that_hears_that_it_is_called_off_has_a_result(meeting):
    with pytest.raises(ZeroDivisionError), Workers(1) as pool:
        job = pool.submit(jobs.end_in_good_order, meeting.port)
        meeting.meet(1)
        raise ZeroDivisionError
    assert job.result() == "saved" and meeting.last_words() == [b""]


@posix
def test_a_job_that_hears_nothing_is_ended_when_patience_is(meeting):
    with pytest.raises(ZeroDivisionError), Workers(1, patience=0.5) as pool:
        job = pool.submit(jobs.hear_nothing, meeting.port)
        meeting.meet(1)
        raise ZeroDivisionError
    assert isinstance(job.exception(), CancelledError) and meeting.last_words() == [b""]


@posix
def test_the_interruption_of_a_terminal_does_not_reach_a_job():
    with Workers(1) as pool:
        assert pool.submit(jobs.interrupt_oneself).result() == []
        assert pool.submit(jobs.square, 2).result() == 4


# The end of the parent


@posix
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("job", [jobs.idle, jobs.clean_up, jobs.compute, jobs.hear_nothing])
def test_no_process_outlives_its_parent(meeting, job, kind):
    with jobs.parent_of(job, meeting.port) as parent:
        meeting.meet(2)
        parent.send_signal(kind)
        assert parent.wait(jobs.LIMIT) == -kind
        assert meeting.last_words() == [b"cleaned up" if job is jobs.clean_up else b""] * 2


@posix
def test_an_interruption_of_all_is_answered_by_the_parent(meeting):
    with jobs.parent_of(jobs.clean_up, meeting.port) as parent:
        meeting.meet(2)
        os.killpg(parent.pid, signal.SIGINT)
        assert meeting.last_words() == [b"cleaned up"] * 2
        error = parent.communicate(timeout=jobs.LIMIT)[1]
        assert parent.returncode == -signal.SIGINT and error.count("Traceback") == 1, error


@posix
def test_a_second_interruption_ends_at_once_what_does_not_end_for_the_first(meeting):
    with jobs.parent_of(jobs.hear_and_go_on, meeting.port, patience=10 * jobs.LIMIT) as parent:
        meeting.meet(2)
        parent.send_signal(signal.SIGINT)
        assert meeting.words() == [b"heard"] * 2
        parent.send_signal(signal.SIGINT)
        assert meeting.last_words() == [b""] * 2
        parent.communicate(timeout=jobs.LIMIT)
        assert parent.returncode == -signal.SIGINT


def test_nothing_else_in_the_package_makes_processes():
    root = Path(slrcli.__file__).parent
    makes = re.compile(r"ProcessPoolExecutor\(|\.Process\(|\bfork\(|Popen\(|subprocess\.run\(")
    found = [path.relative_to(root).as_posix() for path in root.rglob("*.py") if makes.search(path.read_text("utf-8"))]
    assert found == ["parallel/workers.py"]


def test_there_is_at_least_one_core():
    assert 1 <= usable_cores() <= os.cpu_count()


@posix
def test_an_interruption_that_falls_into_a_callback_of_the_interpreter_comes_again():
    """As during an import: Python swallows there what is raised, and would say so on stderr."""
    script = (
        "import os, signal, time, weakref\n"
        "from slrcli.parallel import serving\n"
        "signal.signal(signal.SIGTERM, serving._interrupt)\n"
        "class Thing: pass\n"
        "thing = Thing()\n"
        "kept = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.01)))\n"
        "try:\n"
        "    del thing\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(slrcli.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=50)
    assert (done.stdout.strip(), done.stderr) == ("interrupted", "")
