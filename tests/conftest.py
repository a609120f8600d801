"""What the tests share: the folder of real recordings, if the environment names one."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder `SLR_TEST_DATA` names, with `data/` and `benchmarks/`; tests that need it are skipped without it."""
    folder = os.environ.get("SLR_TEST_DATA")
    if not folder:
        pytest.skip("SLR_TEST_DATA does not name a folder of real recordings")
    return Path(folder)
