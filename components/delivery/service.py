"""Serve a workload's champion until told to stop: the data plane as a process, following the rollout document."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from components.builds.live_check import Endpoint, serving
from components.delivery.rollout import rollout_path
from components.settings import Home


def serve_champion(
    workload: str,
    home: Home,
    *,
    key: Path,
    host: str,
    port: int,
    workers: int | None,
    price_per_hour: float,
    ready: Callable[[Endpoint], None],
) -> int:
    """Run the data plane on a workload's rollout document until it ends or we are asked to stop; return its exit code.

    Only builds signed by the owner of the public ``key`` are served; without a number of ``workers`` the data plane
    chooses it. ``ready`` is called once it answers; from then on what the service reports goes to our standard error.
    ``price_per_hour`` of the machine is in USD.
    """
    document = rollout_path(home.room("rollouts"), workload)
    arguments = ["--rollout", str(document), "--workload", workload, "--host", host, "--port", str(port)]
    arguments += ["--public-key", str(key), "--price-per-hour", str(price_per_hour)]
    arguments += [] if workers is None else ["--workers", str(workers)]
    arguments += ["--predictions", str(home.room("predictions", workload))]
    # An ordinary kill must also take the data plane along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(arguments, events=sys.stderr) as (endpoint, process):
            ready(endpoint)
            return process.wait()
    except KeyboardInterrupt:
        return 0
