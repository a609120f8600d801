"""Entry point of `slr` and of `python -m slrcli`."""

from slrcli.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
