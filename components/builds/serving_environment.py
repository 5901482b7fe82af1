"""What serving needs and nothing else: the list of packages in a build, and a virtual environment made from it.

The environment is made with pip from that list alone, gets the modules that answer, starts the build and asks it for
its golden rows: a package that is missing, or a version that answers otherwise, shows here and not where it serves.
"""

import http.client
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np

from components.artefacts.answer_shape import differences
from components.artefacts.build import Build
from components.artefacts.errors import ServingError
from components.artefacts.inference import inference_of
from components.builds.serving_sources import copy_sources
from components.provenance import Package, dependency_graph
from components.result import Result
from components.service.asking import ask
from components.service.process import serving
from components.virtual_environment import make_virtual_environment, pins_of

REQUIREMENTS = "serving-requirements.txt"
# What the data plane imports; a test compares it with its import statements. A kind says what it needs beside it.
IMPORTED = (
    "cryptography",
    "granian",
    "grpcio",
    "msgspec",
    "numpy",
    "prometheus-client",
    "protobuf",
    "pyarrow",
    "uvloop",
)


class FreshEnvironment(Result):
    """A build that was served from an environment of its own."""

    packages: int
    rows: int
    largest_difference: float
    seconds: float
    megabytes: float


def serving_packages(kind: str) -> dict[str, Package]:
    """Return every package that serving a kind needs, directly or not, as it is installed here."""
    roots = (*IMPORTED, *inference_of(kind).packages)
    return {name: package for root in roots for name, package in dependency_graph(root).items()}


def write_requirements(path: Path, packages: Mapping[str, Package]) -> Path:
    """Write the exact list of packages, for ``pip install --no-deps -r``."""
    head = "# Every package that serving this build needs, with those that they need in turn.\n"
    path.write_text(head + "\n".join(pins_of(packages)) + "\n", encoding="utf-8")
    return path


def check_fresh_environment(build: Build) -> FreshEnvironment:
    """Make the environment that a build lists, serve the build in it and compare its golden answers over HTTP.

    Raises HostError if pip cannot make it, ServingError (with the reason, e.g. a missing module) if the build does not
    start or does not answer as evaluated.
    """
    packages = build.read(REQUIREMENTS)
    began = time.monotonic()
    golden = build.golden()
    with tempfile.TemporaryDirectory(prefix="slipway-fresh-") as scratch:
        place, listed = Path(scratch, "environment"), Path(scratch, REQUIREMENTS)
        listed.write_bytes(packages)
        python = make_virtual_environment(place, listed, what=f"the serving environment of build {build.build_id}")
        code = Path(scratch, "code")
        copy_sources(code, build.manifest.kind)
        arguments = [*build.asked_for(), "--port", "0", "--workers", "1", "--drain-seconds", "0"]
        with serving(arguments, python=python, code=code) as (endpoint, _):
            connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=30)
            try:
                predictions = ask(connection, msgspec.json.encode(golden.rows))["predictions"]
            finally:
                connection.close()
        megabytes = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6
    shape = build.serving().answer
    answers = np.array([shape.read(one) for one in predictions])
    difference = float(differences(answers, golden.matrix()).max())
    if not difference <= golden.tolerance:
        raise ServingError(
            f"build {build.build_id} answers otherwise in its own environment: a golden row differs by "
            f"{difference:.3g}, {golden.tolerance:g} is allowed"
        )
    return FreshEnvironment(
        packages=sum(not line.startswith("#") for line in packages.decode().splitlines()),
        rows=len(answers),
        largest_difference=difference,
        seconds=round(time.monotonic() - began, 1),
        megabytes=round(megabytes, 1),
    )
