"""Serve a workload's champion until told to stop: the data plane as a process, following the rollout document."""

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from components.builds.live_check import Endpoint, serving
from components.delivery.rollout import rollout_path
from components.settings import Home


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
    once it answers; from then on what the service reports goes to our standard error.
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
            ready(endpoint)
            return process.wait()
    except KeyboardInterrupt:
        return 0
