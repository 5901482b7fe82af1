"""What a build was made of as CycloneDX 1.6: every package with version, licence and who needs it, and the model.

The one door to cyclonedx-python-lib. Nothing is looked up: what the installed packages say of themselves is written.
"""

import importlib.metadata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from components.artefacts.storage import digest_bytes, digest_file, write_atomically
from components.provenance import Package

# Licences of a metadata field that holds the whole text instead of a name.
LONG = 100


def write_bill_of_materials(
    path: Path, packages: Mapping[str, Package], serving: Collection[str], *, name: str, graphs: Iterable[Path]
) -> Path:
    """Write the bill; ``serving`` names the packages that serving needs, the others were needed to make the build."""
    licences = LicenseFactory()
    parts = {each: _component(each, package, serving, licences) for each, package in packages.items()}
    bom = Bom(components=parts.values())
    bom.metadata.component = Component(
        name=name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest_file(graph)) for graph in graphs],
    )
    bom.register_dependency(bom.metadata.component, [parts["slipway"]] if "slipway" in parts else parts.values())
    for each, package in packages.items():
        bom.register_dependency(parts[each], [parts[needed] for needed in package.requires if needed in parts])
    return write_atomically(path, JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n")


def _component(name: str, package: Package, serving: Collection[str], licences: LicenseFactory) -> Component:
    purl = PackageURL("pypi", name=name, version=package.version.split("+")[0])
    component = Component(
        name=name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}@{package.version}",
        purl=purl,
        scope=ComponentScope.REQUIRED if name in serving else ComponentScope.OPTIONAL,
        properties=[Property(name="slipway:needed-by", value="serving" if name in serving else "pipeline")],
    )
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return component
    if licence := _licence(distribution, licences):
        component.licenses.add(licence)
    record = distribution.read_text("RECORD")
    if record:
        # The archive's own digest is not known once it is installed; this one covers every file that was.
        component.properties.add(Property(name="slipway:installed-files-sha256", value=digest_bytes(record.encode())))
    return component


def _licence(distribution: importlib.metadata.Distribution, licences: LicenseFactory) -> License | None:
    """Return what a package says its licence is: an SPDX expression, else its classifiers, else a short text."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return licences.make_from_string(metadata["License-Expression"])
    classified = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")
    ]
    if classified:
        return licences.make_from_string(" / ".join(classified))
    text = metadata["License"].strip().partition("\n")[0] if "License" in metadata else ""
    return licences.make_from_string(text) if 0 < len(text) <= LONG else None
