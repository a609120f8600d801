"""The service connects to nobody: what it asks of the network is to be connected to, at its own address."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.offline import STRACE, traceable
from support.services import write_checkpoint

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

ENDING = """
import asyncio, os, signal, sys
from slrcli.web.service.server import Server
inner = Server.main_loop
async def main_loop(self):
    await asyncio.sleep(2)
    os.kill(os.getpid(), signal.SIGTERM)
    await inner(self)
Server.main_loop = main_loop
from slrcli.cli import app
app(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(not traceable(), reason="strace is not installed")
def test_the_service_listens_at_its_own_address_and_looks_nowhere(tmp_path):
    checkpoint, trace = write_checkpoint(tmp_path / "run"), tmp_path / "trace"
    command = [STRACE, "--seccomp-bpf", "-f", "-qq", "-e", "trace=network", "-o", trace, sys.executable, "-c", ENDING]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*map(str, command), "serve", str(checkpoint), "--port", "0"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 143 and done.stdout.startswith("http://127.0.0.1:"), done.stderr
    lines = [line for line in trace.read_text().splitlines() if re.search(r"\bAF_(?:INET6?|NETLINK|PACKET)\b", line)]
    made = [line for line in lines if " socket(" in line]
    assert len(made) == 1 and "AF_INET, SOCK_STREAM" in made[0]
    assert {re.search(r"(\w+)\(", line)[1] for line in lines} <= {"socket", "bind", "getsockname"}
    assert all("127.0.0.1" in line for line in lines if line not in made)
