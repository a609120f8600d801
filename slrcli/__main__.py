"""Entry point of `slr` and of `python -m slrcli`."""

from slrcli.parallel.memory import expect_many_objects

expect_many_objects()

from slrcli.cli import app  # noqa: E402 (its files are objects too)
from slrcli.files import keep_caches_private  # noqa: E402


def main() -> None:
    """Run the command line."""
    keep_caches_private()
    app()


if __name__ == "__main__":
    main()
