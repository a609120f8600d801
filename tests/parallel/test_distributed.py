"""Several processes that train one model: the same result as one process, one writer, and an end with a word."""

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.numpy import load_file
from support.forked import program

from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.parallel import distributed

SETTINGS = ["--batch-size", 6, "--lr", 2e-3, "--precision", "fp32", "--seed", 5, "--set", "model.options.width=64"]


def start(processes, *arguments, module="slrcli", folder=None, torchrun=()):
    """`slr`, or another module of a folder, in so many processes, by torchrun on this machine."""
    launcher = [*(torchrun or program("torch.distributed.run")), "--nproc-per-node", processes]
    launcher += ["--master-port", free_port(), "--no-python"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    command = [*(launcher if processes > 1 else ()), *program(module), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, command)), stdout=pipe, stderr=pipe, text=True, env=environment, cwd=folder)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run(processes, *arguments, **options):
    """Exit code, stdout and stderr."""
    process = start(processes, *arguments, **options)
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel") / "corpus"
    write_corpus(folder, SynthOptions.tiny(seed=3, train=22))
    return folder


@pytest.fixture(scope="module")
def alone(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel") / "alone"
    code, _, err = run(
        1, "train", "--data-dir", corpus, *SETTINGS, "--epochs", 2, "--dropout", 0, "--output-dir", folder
    )
    assert code == 0, err
    return folder


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_train_as_one_does_and_one_of_them_writes(corpus, alone, tmp_path, processes):
    folder = tmp_path / "run"
    options = ["--epochs", 2, "--dropout", 0, "--output-dir", folder]
    code, out, err = run(processes, "train", "--data-dir", corpus, *SETTINGS, *options)
    assert code == 0, err
    assert out.count("checkpoint: ") == 1 and len(re.findall(r"^ *1/2 ", err, re.MULTILINE)) == 1
    # the order of sums rounds otherwise, on some processors more, and every step enlarges it
    for one, several, apart in zip(metrics(alone), metrics(folder), (1e-4, 1e-2), strict=True):
        for name in ("loss", "inner", "grad_norm", "dev_loss"):
            assert several[name] == pytest.approx(one[name], rel=apart), name
        assert several["wer"] == one["wer"]
    first, second = load_file(alone / "last.safetensors"), load_file(folder / "last.safetensors")
    for name, tensor in first.items():
        np.testing.assert_allclose(second[name], tensor, rtol=1e-2, atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_a_lost_process_ends_the_run_with_a_word_and_resuming_gives_the_same_bits(corpus, tmp_path):
    options = ["train", "--data-dir", corpus, *SETTINGS, "--epochs", 5]
    code, _, err = run(2, *options, "--output-dir", tmp_path / "whole")
    assert code == 0, err
    torchrun = [sys.executable, "-m", "torch.distributed.run"]  # itself, whose children are those that it starts
    process = start(2, *options, "--output-dir", tmp_path / "lost", torchrun=torchrun)
    wait_for_epoch(process, tmp_path / "lost")
    os.kill(max(children(process.pid)), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err.count("A training process has ended unexpectedly") == 1
    assert "slr train --resume" in err and "defect of slr" not in err
    code, _, err = run(2, "train", "--resume", tmp_path / "lost")
    assert code == 0, err
    whole, resumed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "lost"))
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
    code, _, err = run(3, "train", "--resume", tmp_path / "lost", "--epochs", 6)
    assert code == 0 and "processes 3, before 2" in err and "6/6" in err


SPOILT = """
import sys
from slrcli.cli import app
from slrcli.parallel import distributed
from slrcli.training.loop import Trainer

losses = Trainer._losses

def spoilt(self, batch):
    total, terms = losses(self, batch)
    fails = distributed.rank() == 1 and self.progress.epoch == 1 and self.progress.share > 0.5
    return (total * float("nan"), terms) if fails else (total, terms)

Trainer._losses = spoilt
app(sys.argv[1:])
"""


@pytest.mark.slow
def test_all_processes_skip_a_step_and_begin_an_epoch_again_where_one_of_them_has_no_finite_loss(corpus, tmp_path):
    folder = tmp_path / "run"
    (tmp_path / "spoilt.py").write_text(SPOILT)
    options = ["train", "--data-dir", corpus, *SETTINGS, "--epochs", 2, "--output-dir", folder]
    code, _, err = run(2, *options, module="spoilt", folder=tmp_path)
    assert code == 0, err
    first, second = metrics(folder)
    assert first["skipped"] >= 3 and second["skipped"] == 0 and second["loss"] > 0
    assert "begins again at 0.5" in (folder / "training.log").read_text()


def wait_for_epoch(process, folder):
    """Wait until an epoch is over and the next one is on its way."""
    deadline = time.monotonic() + 90
    while not (folder / "metrics.jsonl").is_file() or not metrics(folder):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def start_agent(host, endpoint, corpus, folder):
    """One of two machines: torchrun with a process, in a session of its own; the host has the meeting place."""
    waits = f"is_host={host},last_call_timeout=10,join_timeout=120,keep_alive_interval=1,keep_alive_max_attempt=2"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:2", "--nproc-per-node", 1]
    launcher += ["--max-restarts", 5, "--rdzv-backend", "c10d", "--rdzv-id", "7", "--rdzv-endpoint", endpoint]
    launcher += ["--rdzv-conf", waits, "--local-addr", "127.0.0.1", "-m", "slrcli", "train", "--data-dir", corpus]
    command = [*launcher, *SETTINGS, "--epochs", 6, "--output-dir", folder]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=environment, start_new_session=True, **pipe)


@pytest.mark.slow
def test_a_lost_machine_is_survived_by_elastic_restart(corpus, tmp_path):
    folder, endpoint = tmp_path / "run", f"127.0.0.1:{free_port()}"
    kept, lost = (start_agent(host, endpoint, corpus, folder) for host in (1, 0))
    try:
        wait_for_epoch(kept, folder)
        for child in children(lost.pid):
            os.kill(child, signal.SIGKILL)
        os.killpg(lost.pid, signal.SIGKILL)
        _, err = kept.communicate(timeout=150)
    finally:
        for agent in (kept, lost):
            if agent.poll() is None:
                os.killpg(agent.pid, signal.SIGKILL)
        lost.communicate()
    assert kept.returncode == 0, err
    assert "Processes were lost and started again" in err and "processes 1, before 2" in err
    assert [line["epoch"] for line in metrics(folder)] == [1, 2, 3, 4, 5, 6]


def children(pid):
    """Process numbers of a process's children."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(number) for number in said.split()]


@pytest.mark.slow
def test_processes_share_an_evaluation_and_say_its_result_once(corpus, alone, tmp_path):
    options = ["eval", alone, "--data-dir", corpus, "--split", "test", "--quiet", "--out"]
    whole = run(1, *options, tmp_path / "one.ctm")
    shared = run(2, *options, tmp_path / "two.ctm")
    assert whole[0] == shared[0] == 0
    assert shared[1] == whole[1]
    assert (tmp_path / "two.ctm").read_text() == (tmp_path / "one.ctm").read_text()


@pytest.mark.slow
def test_a_mistake_is_told_once_and_by_name_where_one_process_makes_it(tmp_path):
    code, _, err = run(2, "train", "--data-dir", tmp_path / "nowhere")
    assert code == 1 and err.count("There is no such folder") == 1 and "Error in process" not in err
    code, _, err = run(2, "train", "--data-dir", tmp_path, "--seeds", 2)
    assert code == 1 and "without torchrun" in err


ENDINGS = """
import gc, os, socket, sys, weakref
import torch
import torch.distributed as dist
from slrcli.parallel import distributed as parallel


def take_part(rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    gc.disable()  # a run ends before the collector looks
    with parallel.joined(gpu=False):
        import torch.distributed.nn.functional  # as the first DistributedDataParallel does
        circle = [dist.group.WORLD]
        circle.append(circle)
        held = weakref.ref(dist.group.WORLD)
        del circle
        assert parallel.gathered(f"of {rank}") == ["of 0", "of 1"]
        assert parallel.totals([1.0, rank], torch.device("cpu")) == [2.0, 1.0]
    sys.exit(HELD if held() is not None else 0)


HELD, AT_ONCE = 3, 4
gc.freeze()
for start in range(0, int(sys.argv[1]), AT_ONCE):
    children = []
    for _ in range(AT_ONCE):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        for rank in range(2):
            children.append(os.fork())
            if not children[-1]:
                take_part(rank)
    for child in children:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_many_runs_of_two_processes_all_end_without_aborting_and_let_go_of_their_group():
    """What aborts at the end of the interpreter does so now and then: what leads to it is asked of every process."""
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", ENDINGS, "12"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "terminate called" not in done.stderr, done.stderr
    assert done.stdout.split() == ["0"] * 24, done.stderr


class Pretended:
    """A place among processes that are not there."""

    def __init__(self, monkeypatch, rank, size):
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        monkeypatch.setattr(distributed, "size", lambda: size)


@pytest.mark.parametrize("count, size", [(6, 2), (7, 3), (3, 3), (16, 5)])
def test_parts_of_a_batch_are_the_batch_and_their_weighted_means_its_mean(monkeypatch, count, size):
    items, values = list(range(count)), np.arange(count) ** 2
    parts = []
    for rank in range(size):
        Pretended(monkeypatch, rank, size)
        parts.append(distributed.share(items))
    assert sorted(item for own, _ in parts for item in own) == items
    assert sum(weight * values[own].mean() for own, weight in parts) / size == pytest.approx(values.mean())


def test_where_clips_are_fewer_than_processes_all_take_all(monkeypatch):
    for rank in range(3):
        Pretended(monkeypatch, rank, 3)
        assert distributed.share([4, 7]) == ([4, 7], 1.0)


def test_alone_nothing_is_summed_or_asked():
    assert distributed.size() == 1 and distributed.first() and distributed.share([3, 1]) == ([3, 1], 1.0)
    assert distributed.totals([1.5, 2], torch.device("cpu")) == [1.5, 2] and distributed.gathered("a") == ["a"]
    count = torch.tensor(5)
    assert distributed.portion(count, 2) is count and distributed.summed(count) is count
    assert not distributed.lost(RuntimeError("Connection closed by peer"))


def test_once_the_work_is_done_nothing_holds_the_processes_together(monkeypatch):
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in {**alone, "GLOO_SOCKET_IFNAME": "lo"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed, "expected", lambda: 2)
    gc.disable()  # a run ends before the collector looks
    try:
        with distributed.joined(gpu=False) as rank:
            assert rank == 0
            network = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
            network(torch.ones(3, 2)).sum().backward()
            held = weakref.ref(dist.group.WORLD)
            circle = [network, dist.group.WORLD]
            circle.append(circle)
            del network, circle
        assert held() is None
    finally:
        gc.enable()
