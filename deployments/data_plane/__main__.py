"""Serve a build: ``python -m deployments.data_plane --build DIR`` or ``--rollout FILE``.

Prints one JSON line with the address when it answers, one line on standard error when it cannot start.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from components.artefacts.errors import ServingError, SlipwayError
from deployments.data_plane.cors import check_origin
from deployments.data_plane.options import Options
from deployments.data_plane.server import serve

DEFAULTS = Options()


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}; see {self.prog} --help\n")


def parse(arguments: list[str] | None = None) -> tuple[Options, bool]:
    """Return the options of a command line, and whether it asks for a check only."""
    parser = _Parser(prog="python -m deployments.data_plane", description="Serve a build over HTTP.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--build", type=Path, metavar="DIR", help="serve this build")
    what.add_argument("--rollout", type=Path, metavar="FILE", help="serve the champion of a rollout document")
    parser.add_argument("--build-id", metavar="ID", help="with --build: refuse another build")
    parser.add_argument("--workload", metavar="NAME", help="refuse builds of other workloads")
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="serve only what the owner of this key signed")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, metavar="N", help="0 takes a free one (default: the build's)")
    parser.add_argument(
        "--grpc-port", type=_port, metavar="N", help="serve gRPC too; 0 takes a free one (default: not)"
    )
    parser.add_argument("--workers", type=_positive, metavar="N", help="processes (default: one a usable core)")
    parser.add_argument("--owner", type=_positive, metavar="PID", help="stop when this process ends (default: never)")
    parser.add_argument(
        "--cors-origin",
        type=_origin,
        action="append",
        dest="cors_origins",
        metavar="ORIGIN",
        help="pages of this origin may read answers in a browser; may be repeated, '*' is any (default: none)",
    )
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="folder for the prediction log (default: none)")
    _add_limits(parser)
    _add_logs(parser)
    parser.add_argument("--check", action="store_true", help="answer the build's golden rows, print them and exit")
    given = {key: value for key, value in vars(parser.parse_args(arguments)).items() if value is not None}
    checking = given.pop("check")
    given["cors_origins"] = tuple(given.get("cors_origins", ()))
    options = Options(**given)
    try:
        options.key()
    except ServingError as error:
        parser.error(str(error))
    return options, checking


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, kind, metavar, text in (
        ("--batch-rows", _positive, "N", "rows in one call of the model"),
        ("--linger-seconds", _not_negative, "S", "how long a batch waits for more rows; 0: one tick of the event loop"),
        ("--queue-requests", _positive, "N", "requests being answered before more get 503"),
        ("--queue-rows", _positive, "N", "rows that wait before more get 503"),
        ("--table-rows", _positive, "N", "rows in one table (/v1/score) before it gets 413"),
        ("--table-bytes", _positive, "N", "bytes that a table may unpack to before it gets 413"),
        ("--table-seconds", _positive, "S", "processor time that reading a table may take before it gets 413"),
        ("--deadline-seconds", _not_negative, "S", "what waited longer gets 504"),
        ("--body-seconds", _not_negative, "S", "how long a body may take to come before it gets 408"),
        ("--rate-limit", _not_negative, "N", "requests a second and client before more get 429; 0: no limit"),
        ("--drain-seconds", _not_negative, "S", "how long to answer, unready, after SIGTERM"),
        ("--price-per-hour", _not_negative, "USD", "what this machine costs, for the cost metric"),
    ):
        default = getattr(DEFAULTS, name[2:].replace("-", "_"))
        parser.add_argument(name, type=kind, metavar=metavar, help=f"{text} (default {default:g})")
    parser.add_argument(
        "--client-header", type=_header, metavar="NAME", help="header that names the client (default: address)"
    )


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--access-log", type=_share, metavar="SHARE", help="share of requests to log (default 0)")
    parser.add_argument(
        "--traces", metavar="URL", help="OpenTelemetry collector (default: OTEL_EXPORTER_OTLP_ENDPOINT)"
    )
    parser.add_argument("--trace-share", type=_share, metavar="SHARE", help="share of requests to trace (default 0.01)")
    parser.add_argument("--part-rows", type=_positive, metavar="N", help="rows in a part of the prediction log")
    parser.add_argument("--part-seconds", type=_not_negative, metavar="S", help="age at which a part is written")
    parser.add_argument("--pii", choices=("drop", "hash"), help="what the log does with pii fields (default drop)")
    parser.add_argument("--pii-key", type=Path, metavar="FILE", help="key for --pii hash, 16 to 64 bytes")


def _share(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{value:g} is not between 0 and 1")
    return value


def _not_negative(text: str) -> float:
    if not (value := float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"{value:g} is less than 0")
    return value


def _header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a header")
    return text.lower()


def _origin(text: str) -> str:
    try:
        return check_origin(text)
    except ServingError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    # Longer than any port: int() itself refuses thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and (value := int(text)) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a port: 0 to 65535")
    return value


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and (value := int(text)) >= 1):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 on")
    return value


def check(options: Options) -> None:
    """Open the build as the service would and print its answers to its own golden rows; SlipwayError if they differ."""
    # Not needed to start the service: its workers import it.
    from deployments.data_plane.champion import wanted_build
    from deployments.data_plane.model import load_model

    wanted = wanted_build(options)
    model = load_model(wanted.path, wanted.workload, options.public_key, build_id=wanted.build_id, check=False)
    golden = model.build.golden()
    answers = model.predictor.predict(model.predictor.tensors(model.decoder.check(golden.rows)))
    line = {"build": model.build_id, "answers": answers.reshape(len(answers), -1).tolist()}
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def main() -> int:
    """Serve until stopped; return the exit code."""
    try:
        options, checking = parse()
        if checking:
            check(options)
        else:
            serve(options)
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
