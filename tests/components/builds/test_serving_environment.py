"""The list of what serving needs is complete and holds nothing else."""

import ast
import importlib.metadata
import sys
from pathlib import Path

import pytest

from components.artefacts.build import open_build, seal
from components.artefacts.errors import BuildError, ServingError
from components.artefacts.inference import inference_of
from components.builds.serving_environment import (
    IMPORTED,
    REQUIREMENTS,
    check_fresh_environment,
    serving_packages,
    write_requirements,
)
from components.builds.serving_sources import source_files
from components.catalog import known_kinds
from components.provenance import normalised
from tests.deployments.small_build import draw_sample, write_build

OURS = {"components", "data_contracts", "deployments"}
# Bento and MLflow bring their own, traces are an extra of the installation. Granian imports the uvloop it is told to.
# Pillow is asked where a picture is read: the kind that does names it among its packages.
ELSEWHERE = {"bentoml", "opentelemetry", "pandas", "pillow"}
BY_NAME = {"uvloop"}


def third_party(kind: str) -> set[str]:
    """Return the distributions that the modules of the service import for a kind, wherever in a file."""
    owners = {**importlib.metadata.packages_distributions(), "opentelemetry": ["opentelemetry"]}
    found = set()
    for source in source_files(kind).values():
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top in OURS or top in sys.stdlib_module_names:
                    continue
                # Several distributions share the namespace google.
                found.add("protobuf" if name.startswith("google.protobuf") else normalised(owners[top][0]))
    return found


@pytest.mark.parametrize("kind", known_kinds())
def test_the_list_is_what_the_service_imports(kind: str) -> None:
    # What opens a graph, and what reads a picture, lies where any kind may use it: the kind says whether it does.
    of_kinds = {"onnxruntime", "pillow"} | set(inference_of(kind).packages)
    assert third_party(kind) - ELSEWHERE - of_kinds | BY_NAME == set(IMPORTED)


def test_nothing_of_the_pipeline_is_in_it() -> None:
    packages = serving_packages("tabular")
    assert set(IMPORTED) <= packages.keys()
    assert packages.keys().isdisjoint({"torch", "polars", "pydantic", "prefect", "mlflow", "onnx", "xgboost-cpu"})
    assert all(needed in packages for package in packages.values() for needed in package.requires)


def with_list(folder: Path, text: str | None = None) -> Path:
    write_build(draw_sample(), folder)
    if text is None:
        write_requirements(folder / REQUIREMENTS, serving_packages("tabular"))
    else:
        (folder / REQUIREMENTS).write_text(text)
    seal(folder, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    return folder


def test_a_build_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has no serving-requirements\.txt"):
        check_fresh_environment(open_build(write_build(draw_sample(), tmp_path / "build")))


@pytest.mark.slow
def test_a_build_starts_and_answers_in_an_environment_made_from_its_own_list(tmp_path: Path) -> None:
    build = open_build(with_list(tmp_path / "build"))
    found = check_fresh_environment(build)
    assert found.packages == len(serving_packages("tabular"))
    assert found.rows == 20
    assert found.largest_difference <= build.golden().tolerance


@pytest.mark.slow
def test_a_package_that_is_missing_from_the_list_is_named(tmp_path: Path) -> None:
    version = importlib.metadata.version("msgspec")
    build = open_build(with_list(tmp_path / "build", f"msgspec=={version}\n"))
    with pytest.raises(ServingError, match="No module named 'granian'"):
        check_fresh_environment(build)
