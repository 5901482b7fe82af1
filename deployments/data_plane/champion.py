"""Which build answers: loaded at the start, changed over when the rollout document changes.

A new champion is opened, warmed up and checked in a thread while the old one answers; then one assignment changes over.
Requests in flight finish where they began. The build that was replaced stays loaded, so going back takes no loading.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from components.artefacts.errors import BuildError, SlipwayError
from components.artefacts.rollout import Rollout, folder_of, read_rollout
from deployments.data_plane.model import Model, load_model
from deployments.data_plane.options import Options
from deployments.data_plane.telemetry.events import report
from deployments.data_plane.telemetry.metrics import Metrics


class Wanted(NamedTuple):
    """The build to serve: its folder, and its workload and id as far as they are known."""

    path: Path
    workload: str | None
    build_id: str | None


def wanted_build(options: Options) -> Wanted:
    """Return which build is to be served; BuildError if there is none."""
    if options.build is not None:
        return Wanted(options.build, options.workload, options.build_id)
    if options.rollout is None:
        raise BuildError("nothing to serve: give --build or --rollout")
    rollout = _rollout(options.rollout, options.workload)
    if rollout.champion_path is None:
        raise BuildError(
            f"{options.rollout}: nothing was promoted for {rollout.workload} yet, so nothing can be served"
        )
    return Wanted(folder_of(options.rollout, rollout.champion_path), rollout.workload, rollout.champion)


def _rollout(path: Path, workload: str | None) -> Rollout:
    rollout = read_rollout(path, workload or path.stem)
    if workload is not None and rollout.workload != workload:
        raise BuildError(f"{path} is the rollout of {rollout.workload}, not of {workload}")
    return rollout


class Watch:
    """Follows a rollout document and hands each new champion over."""

    def __init__(
        self, path: Path, options: Options, current: Model, take_over: Callable[[Model], None], metrics: Metrics
    ) -> None:
        self._path = path
        self._options = options
        self._workload = current.build.manifest.workload
        self._current = current
        self._spare: Model | None = None
        self._take_over = take_over
        self._metrics = metrics
        self._seen = self._version()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow, in a thread."""
        self._thread = threading.Thread(target=self._follow, name="rollout-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread has ended."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def look(self) -> None:
        """Load and hand over the document's champion if it is another one; a bad one is refused and counted."""
        try:
            rollout = _rollout(self._path, self._workload)
            if rollout.champion in (None, self._current.build_id) or rollout.champion_path is None:
                return
            model = self._load(rollout)
        except (SlipwayError, OSError) as error:
            self._metrics.changes["refused"] = self._metrics.changes.get("refused", 0) + 1
            report("build refused", reason=str(error), still_serving=self._current.build_id)
            return
        replaced, self._current = self._current, model
        self._spare = replaced
        self._take_over(model)
        self._metrics.changes["loaded"] = self._metrics.changes.get("loaded", 0) + 1
        report("build changed", build=model.build_id, replaced=replaced.build_id)

    def _load(self, rollout: Rollout) -> Model:
        if self._spare is not None and self._spare.build_id == rollout.champion:
            return self._spare
        folder = folder_of(self._path, rollout.champion_path or "")
        return load_model(folder, self._workload, self._options.public_key, build_id=rollout.champion)

    def _follow(self) -> None:
        # Between reading the champion at the start and this line the document may have changed.
        self.look()
        while not self._stopped.wait(self._options.poll_seconds):
            version = self._version()
            if version != self._seen:
                self._seen = version
                self.look()

    def _version(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino
