"""Our own application through ASGI instead of RSGI: the form that a Bento mounts."""

from pathlib import Path

from benchmarks.serving.peers.material import FOLDER
from deployments.data_plane.application import Application
from deployments.data_plane.options import Options

app = Application(Options(build=FOLDER / "build", predictions=Path(FOLDER / "predictions-asgi")))
