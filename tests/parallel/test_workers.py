"""Work in several processes: what fails or dies takes nothing else with it."""

import os
import signal
import time

from slrcli.errors import DataError, SlrError
from slrcli.parallel.workers import in_processes, usable_cores


def work(job, tell):
    """What the tests have other processes do."""
    kind, value = job
    if kind == "square":
        tell(value)
        return value * value
    if kind == "refuse":
        raise DataError("refused", value, "do otherwise")
    if kind == "stumble":
        return [][value]
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(value)
    return None


def test_every_job_is_done_and_what_is_told_is_heard():
    heard = []
    jobs = [("square", number) for number in range(7)]
    assert dict(in_processes(work, jobs, 2, heard.append)) == {number: number * number for number in range(7)}
    assert sorted(heard) == list(range(7))


def test_errors_deaths_and_defects_are_results_of_their_own_job():
    jobs = [("refuse", "here"), ("square", 3), ("die", 0), ("square", 4), ("stumble", 0), ("square", 5)]
    found = dict(in_processes(work, jobs, 1))
    assert [found[place] for place in (1, 3, 5)] == [9, 16, 25]
    assert isinstance(found[0], DataError)
    assert (found[0].what, found[0].where, found[0].fix) == ("refused", "here", "do otherwise")
    assert isinstance(found[2], SlrError) and "signal 9" in found[2].what
    assert "IndexError" in found[4].what


def test_leaving_early_ends_the_processes():
    begin = time.monotonic()
    outcomes = in_processes(work, [("square", 1), ("sleep", 60), ("sleep", 60)], 2)
    assert next(outcomes) == (0, 1)
    outcomes.close()
    assert time.monotonic() - begin < 30


def test_there_is_at_least_one_core():
    assert 1 <= usable_cores() <= os.cpu_count()
