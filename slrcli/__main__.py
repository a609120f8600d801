"""Entry point of `slr` and of `python -m slrcli`."""

from slrcli.parallel.memory import expect_many_objects

expect_many_objects()

from slrcli.cli import app  # noqa: E402 (its files are objects too)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
