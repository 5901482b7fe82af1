"""Serve a workload's champion until told to stop: the data plane as a process, following the rollout document."""

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from components.artefacts.errors import ServingError
from components.service.process import STOP_SECONDS, Endpoint, serving
from components.settings import Home

STOPPING = (
    f"stopping: what is in flight is answered, within {STOP_SECONDS:.0f} s; asked once more, the service ends at once"
)


def serve_champion(
    workload: str,
    document: Path,
    home: Home,
    *,
    key: Path,
    options: Mapping[str, object],
    ready: Callable[[Endpoint], None],
) -> int:
    """Run the data plane on a rollout ``document`` until it ends or we are asked to stop; return its exit code.

    Only builds signed by the owner of the public ``key`` are served. ``options`` are the data plane's own, by name
    ("rate-limit"); those that are None are left to it, and a list is an option given several times. ``ready`` is called
    once it answers; from then on what the service reports goes to our standard error. Raises ServingError if it does
    not start, or was killed.
    """
    arguments = ["--rollout", str(document), "--workload", workload, "--public-key", str(key)]
    arguments += ["--predictions", str(home.room("predictions", workload))]
    for name, value in options.items():
        several = value if isinstance(value, list) else [] if value is None else [value]
        # One word each: a value may begin with a dash.
        arguments += [f"--{name}={one}" for one in several]
    _be_interruptible()
    try:
        with serving(arguments, events=sys.stderr) as (endpoint, process):
            try:
                ready(endpoint)
                code = process.wait()
            except KeyboardInterrupt:
                sys.stderr.write(f"slipway: {STOPPING}\n")
                return 0
            if code < 0:
                # What ends in order has said why.
                raise ServingError(
                    f"the service was ended from outside, by {signal.Signals(-code).name}; start it again"
                )
            return code
    except KeyboardInterrupt:
        return 0


def _be_interruptible() -> None:
    """Have Ctrl-C and an ordinary kill interrupt what waits for a process; a script's background job ignores Ctrl-C.

    Polars takes Ctrl-C over when it is imported, in a way that lets such a wait go on as if nothing had been.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
