"""An object store on this machine: a process that answers as Amazon's S3 does."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import s3fs

LIMIT = 60.0
BUCKET = "signs"


class ObjectStore:
    """A running store with one bucket.

    Attributes:
        environment: variables by which clients find it.
        files: what is in it, as a file system.
        process: the server.
    """

    def __init__(self, port: int, process: subprocess.Popen):
        self.process = process
        place = f"http://127.0.0.1:{port}"
        keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        self.environment = {"AWS_ENDPOINT_URL": place, **keys}
        self.files = s3fs.S3FileSystem(key="me", secret="secret", endpoint_url=place, skip_instance_cache=True)
        self.files.mkdir(BUCKET)

    def put(self, folder: Path, name: str) -> str:
        """Upload a folder; its address."""
        self.files.put(f"{folder}/", f"{BUCKET}/{name}/", recursive=True)
        return f"s3://{BUCKET}/{name}"


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """A store on the loopback interface, which forgets everything at the end; it writes its log into a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.log").open("ab") as log:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "MOTO_S3_CUSTOM_ENDPOINTS": ""})
    try:
        _await(port, process)
        yield ObjectStore(port, process)
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the object store did not start")
