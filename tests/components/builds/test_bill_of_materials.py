"""The bill of materials is CycloneDX, and says of every package what is known of it."""

from pathlib import Path

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from components.artefacts.storage import digest_file
from components.builds.bill_of_materials import write_bill_of_materials
from components.builds.serving_environment import serving_packages
from components.provenance import dependency_graph

PACKAGES = {**dependency_graph(), **serving_packages("tabular")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bill")
    (folder / "model.onnx").write_bytes(b"a model")
    return write_bill_of_materials(
        folder / "bom.cdx.json", PACKAGES, serving_packages("tabular"), name="flights", graphs=[folder / "model.onnx"]
    )


def test_it_follows_the_schema_and_the_validator_can_refuse(written: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(written.read_text()) is None
    assert validator.validate_str(written.read_text().replace('"library"', '"librarry"', 1)) is not None


def test_every_package_is_there_with_its_edges_and_who_needs_it(written: Path) -> None:
    document = msgspec.json.decode(written.read_bytes())
    packages, serving = PACKAGES, serving_packages("tabular")
    components = {one["name"]: one for one in document["components"]}
    assert {name: one["version"] for name, one in components.items()} == {n: p.version for n, p in packages.items()}
    assert {name for name, one in components.items() if one["scope"] == "required"} == set(serving)
    edges = {edge["ref"]: set(edge.get("dependsOn", [])) for edge in document["dependencies"]}
    for name, package in packages.items():
        needed = {f"{other}@{packages[other].version}" for other in package.requires}
        assert edges[f"{name}@{package.version}"] == needed
    assert components["numpy"]["purl"] == f"pkg:pypi/numpy@{packages['numpy'].version}"
    assert sum("licenses" in one for one in components.values()) > 0.95 * len(components)


def test_the_model_is_in_it_with_its_digest(written: Path) -> None:
    model = msgspec.json.decode(written.read_bytes())["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest_file(written.parent / "model.onnx")}]
