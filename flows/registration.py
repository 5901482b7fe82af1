"""What a deployment is given when it is registered: the folder it is made from, and this installation's settings.

A worker runs a flow in a folder that is deleted afterwards. ``prefect.yaml`` asks here, as a build step, for places
that outlive it, so that worker and command line share home, workload files, contracts, sources and cache.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.settings import Settings
from components.training import processor_threads


def places() -> dict[str, Any]:
    """Return ``folder``, in which runs are to work, and ``environment``, the variables they are to have."""
    return {"folder": str(Path.cwd()), "environment": {**_libraries(), **_settings(Settings())}}


def _settings(settings: Settings) -> dict[str, str]:
    """Return what is set of Slipway's settings, the home in any case, with absolute paths.

    Prefect's server shows these to all who may ask it, so an address with a password stays out: the worker's own
    environment has to have it.
    """
    found: dict[str, str] = {}
    for name in sorted({*settings.model_fields_set, "home"}):
        value = getattr(settings, name)
        if value is None or (isinstance(value, str) and urlsplit(value).password):
            continue
        absolute = value.expanduser().resolve() if isinstance(value, Path) else value
        found[f"SLIPWAY_{name.upper()}"] = str(absolute)
    return found


def _libraries() -> dict[str, str]:
    """Return what the command line sets for libraries before it loads them; what the user has set stays as it is."""
    defaults = {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": processor_threads.SPINS,
        "PYTHONWARNINGS": "ignore",
    }
    return {name: os.environ.get(name, value) for name, value in defaults.items()}
