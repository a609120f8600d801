"""Which files of the package `slr train` runs through until its first step: `python tests/support/way.py DIR`.

A file counts when one of its functions is called between the command's start and the optimiser's first step; what a
file only runs when it is imported (constants, class bodies) does not.
"""

import sys
from pathlib import Path

import slrcli

ROOT = Path(slrcli.__file__).parent


class FirstStep(BaseException):
    """The optimiser is about to make its first step."""


def way(arguments: list[str]) -> dict[str, set[str]]:
    """File, relative to the package -> functions that `slr ARGUMENTS` calls in it before the first step."""
    import torch._dynamo  # noqa: F401 (what optimisers load; to watch that takes many seconds)
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    from slrcli.cli import app

    called: dict[str, set[str]] = {}
    importing = 0

    def profile(frame, event, _):
        nonlocal importing
        code = frame.f_code
        if code.co_name == "<module>":
            importing += {"call": 1, "return": -1}.get(event, 0)
        elif event == "call" and not importing and code.co_filename.startswith(str(ROOT)):
            called.setdefault(str(Path(code.co_filename).relative_to(ROOT)), set()).add(code.co_qualname)

    def stop(*_):
        raise FirstStep

    handle = register_optimizer_step_pre_hook(stop)
    sys.setprofile(profile)
    try:
        app(arguments)
    except FirstStep:
        pass
    finally:
        sys.setprofile(None)
        handle.remove()
    return called


def main(folder: str, out: str) -> None:
    """Print every file on the way with its lines, and the sums."""
    found = way(["train", "--data-dir", folder, "--output-dir", out, "--epochs", "1", "--device", "cpu", "--quiet"])
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in sorted(found)}
    for file, count in lines.items():
        print(f"{count:5}  {file}")
    print(f"{len(lines)} files, {sum(lines.values())} lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
