"""What the command ``slipway`` starts with: signals are taken before anything is imported that takes its time."""

import sys

from flows import ending


def main() -> None:
    """Run the command line."""
    # A service drains as long as it was told to.
    ending.listen(watch=sys.argv[1:2] != ["serve"])
    try:
        from flows.command_line import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write(f"slipway: {ending.told()}\n")
        sys.stderr.flush()
        sys.exit(ending.exit_code() or 130)


if __name__ == "__main__":
    main()
