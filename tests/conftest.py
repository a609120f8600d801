"""What the tests share: one thread per worker, bytecode, and real recordings, if the environment names a folder."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", max_examples=50)  # of properties that ask for no other number
settings.load_profile("suite")

if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as processors share them; set before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or all processes that tests start compile the package anew
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests load onnxruntime themselves; it reports to its makers otherwise


def pytest_configure() -> None:
    """Let Ctrl-C reach what the tests start, even where whoever started the tests ignores it (`nohup`, CI runners)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder `SLR_TEST_DATA` names, with `data/` and `benchmarks/`; tests that need it are skipped without it."""
    folder = os.environ.get("SLR_TEST_DATA")
    if not folder:
        pytest.skip("SLR_TEST_DATA does not name a folder of real recordings")
    return Path(folder)
