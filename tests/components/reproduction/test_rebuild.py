"""A repetition finds the contract where the build's own run found it."""

from pathlib import Path

import pytest
from msgspec import structs

from components.artefacts.build import Build, Manifest
from components.provenance import CodeVersion
from components.reproduction.rebuild import _folders_of_contract
from components.reproduction.recorded import RecordedCode
from tests.components.reproduction.test_code import recorded


@pytest.mark.parametrize(
    ("contract", "files", "found"),
    [
        ("parcels:Row", {"/a/parcels.py": "1", "/a/rates.py": "2", "flows/x.py": "3"}, ["/a"]),
        ("data_contracts.shop:Order", {"/b/data_contracts/shop.py": "1"}, ["/b"]),
        ("data_contracts.flights:Flight", {"data_contracts/flights.py": "1"}, []),
    ],
)
def test_the_folder_of_the_users_own_contract_is_known(
    contract: str, files: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    held = f"contract: {contract}".encode()
    manifest = Manifest(format=1, build_id="b-1", workload="b", kind="tabular", created="", files={"workload.yaml": ""})
    build = Build(path=tmp_path, manifest=manifest, sealed=b"", contents={"workload.yaml": held})
    one = recorded(tmp_path, CodeVersion(version="1", commit=None, diff=""))
    one = structs.replace(one, build=build, code=RecordedCode(None, "1", files))
    assert _folders_of_contract(one) == found
