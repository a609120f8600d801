"""slrcli: continuous sign-language recognisers from landmarks, as a library. `slr` is its command line.

What stands in `__all__` comes from `slrcli.api`, which is imported when something of it is used for the first time.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from slrcli.api import (
        Evaluation,
        History,
        Model,
        OpenCorpus,
        Run,
        Runs,
        Scored,
        SlrError,
        Stream,
        check_data,
        check_model,
        evaluate,
        list_runs,
        load,
        open_run,
        read_corpus,
        score,
        sweep,
        train,
    )

__all__ = [
    "Evaluation",
    "History",
    "Model",
    "OpenCorpus",
    "Run",
    "Runs",
    "Scored",
    "SlrError",
    "Stream",
    "__version__",
    "check_data",
    "check_model",
    "evaluate",
    "list_runs",
    "load",
    "open_run",
    "read_corpus",
    "score",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'slrcli' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module("slrcli.api"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
