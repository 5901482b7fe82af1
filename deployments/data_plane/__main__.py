"""Serve a build: ``python -m deployments.data_plane --build DIR`` or ``--rollout FILE``.

Prints one JSON line with the address when it answers, one line on standard error when it cannot start.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from components.errors import SlipwayError
from deployments.data_plane.options import Options
from deployments.data_plane.server import serve

DEFAULTS = Options()


def parse(arguments: list[str] | None = None) -> Options:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(prog="python -m deployments.data_plane", description="Serve a build over HTTP.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--build", type=Path, metavar="DIR", help="serve this build")
    what.add_argument("--rollout", type=Path, metavar="FILE", help="serve the champion of a rollout document")
    parser.add_argument("--workload", metavar="NAME", help="refuse builds of other workloads")
    parser.add_argument("--host", default=DEFAULTS.host, help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, metavar="N", help="0 takes a free one (default: the build's)")
    parser.add_argument(
        "--workers", type=_positive, default=DEFAULTS.workers, metavar="N", help="processes (default 1)"
    )
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="folder for the prediction log (default: none)")
    return msgspec.convert(vars(parser.parse_args(arguments)), Options)


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def main() -> int:
    """Serve until stopped; return the exit code."""
    try:
        serve(parse())
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
