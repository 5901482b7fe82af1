"""Serve a workload's champion until told to stop: the data plane as a process, following the rollout document."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from components.builds.live_check import serving
from components.delivery.rollout import rollout_path
from components.settings import Home


def serve_champion(
    workload: str,
    home: Home,
    *,
    key: Path,
    host: str,
    port: int,
    workers: int,
    price_per_hour: float,
    ready: Callable[[str], None],
) -> int:
    """Run the data plane on a workload's rollout document until it ends or we are asked to stop; return its exit code.

    Only builds signed by the owner of the public ``key`` are served. ``ready`` is called with the URL once it answers;
    from then on what the service reports goes to our standard error. ``price_per_hour`` of the machine is in USD.
    """
    document = rollout_path(home.room("rollouts"), workload)
    arguments = ["--rollout", str(document), "--workload", workload, "--host", host, "--port", str(port)]
    arguments += ["--public-key", str(key), "--price-per-hour", str(price_per_hour)]
    arguments += ["--workers", str(workers), "--predictions", str(home.room("predictions", workload))]
    # An ordinary kill must also take the data plane along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(arguments, events=sys.stderr) as (url, process):
            ready(url)
            return process.wait()
    except KeyboardInterrupt:
        return 0
