"""The data plane inside BentoML: in a Bento, or ``bentoml serve deployments.bento_service:Slipway`` with SLIPWAY_BUILD.

The Bento mounts the same ASGI application that Granian runs, so a request is checked, batched and answered by the same
code; BentoML adds its own server, health and metrics routes (with the service's own series), and packaging. This is the
one module of the service that imports bentoml; ``components.builds.bento`` packs it with a build.
"""

import os
import signal
import time
from pathlib import Path

import bentoml

from components.lifetime import when_it_ends
from deployments.data_plane.application import Application
from deployments.data_plane.documents.pages import scrape
from deployments.data_plane.options import Options

# In a Bento the build lies beside the packages, and so does the key of who packed it: it finds what was damaged or
# mixed up. Against somebody who can change the Bento helps only a key from elsewhere: SLIPWAY_PUBLIC_KEY.
BESIDE = Path(__file__).resolve().parent.parent

FINISH_SECONDS = 10


def _options() -> Options:
    build, key = os.environ.get("SLIPWAY_BUILD"), os.environ.get("SLIPWAY_PUBLIC_KEY")
    packed, predictions = BESIDE / "signing.pub", os.environ.get("SLIPWAY_PREDICTIONS")
    return Options(
        build=Path(build) if build else BESIDE / "build",
        public_key=Path(key) if key else packed if packed.is_file() and not build else None,
        predictions=Path(predictions) if predictions else None,
    )


application = Application(_options())


def _finish() -> None:
    """End a worker that nobody else would stop: what is in flight is answered first."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(FINISH_SECONDS)
    os._exit(1)


@bentoml.asgi_app(application, path="/", name="data_plane")
@bentoml.service(name="slipway", workers=1)
class Slipway:
    """Answers with a Slipway build."""

    def __init__(self) -> None:
        # BentoML's own workers outlive a supervisor that was killed, and hold its port.
        if bentoml.server_context.worker_index is not None:
            when_it_ends(os.getppid(), _finish)

    def __metrics__(self, told: str) -> str:
        """Return what Prometheus reads: what BentoML counts, and what the service does."""
        return told + scrape(application.service).decode()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Write what is logged and not yet written: BentoML does not pass its own end on to what it mounts."""
        application.stop()
