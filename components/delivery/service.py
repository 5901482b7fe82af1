"""Serve a workload's champion until told to stop: the data plane as a process, following the rollout document."""

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from components.builds.live_check import STOP_SECONDS, Endpoint, serving
from components.delivery.rollout import rollout_path
from components.errors import ServingError
from components.settings import Home

STOPPING = (
    f"stopping: what is in flight is answered, within {STOP_SECONDS:.0f} s; asked once more, the service ends at once"
)


def serve_champion(
    workload: str,
    home: Home,
    *,
    key: Path,
    options: Mapping[str, object],
    ready: Callable[[Endpoint], None],
) -> int:
    """Run the data plane on a workload's rollout document until it ends or we are asked to stop; return its exit code.

    Only builds signed by the owner of the public ``key`` are served. ``options`` are the data plane's own, by name
    ("rate-limit"); those that are None are left to it, and a list is an option given several times. ``ready`` is called
    once it answers; from then on what the service reports goes to our standard error. Raises ServingError if it does
    not start, or was killed.
    """
    document = rollout_path(home.room("rollouts"), workload)
    arguments = ["--rollout", str(document), "--workload", workload, "--public-key", str(key)]
    arguments += ["--predictions", str(home.room("predictions", workload))]
    for name, value in options.items():
        several = value if isinstance(value, list) else [] if value is None else [value]
        # One word each: a value may begin with a dash.
        arguments += [f"--{name}={one}" for one in several]
    # An ordinary kill must also take the data plane along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
