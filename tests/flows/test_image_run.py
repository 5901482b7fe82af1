"""Pictures from folders to a service that answers them: the whole slipway for a kind that is no table."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml

from components.artefacts.build import open_build
from components.service.process import serving
from components.settings import Home
from data_contracts.digits import write_folders
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.e2e


def write_workload(folder: Path) -> Path:
    """Write the digits workload with pictures in a folder for each class, three of them broken, and fewer epochs."""
    write_folders(folder / "pictures")
    for number, name in enumerate(("1/0001.png", "2/0002.png", "3/0003.png")):
        broken = folder / "pictures" / name.split("/")[0] / f"broken-{number}.png"
        broken.write_bytes(b"no picture")
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "deployments" / "digits.yaml").read_text())
    document["source"] = {"path": str(folder / "pictures"), "format": "files"}
    path = folder / "digits.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.usefixtures("orchestrator")
def test_pictures_in_folders_become_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.artefacts.errors import ContractError
    from flows.end_to_end import end_to_end

    home = Home(root=tmp_path / "home")
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    monkeypatch.setattr("components.promotion.judging.environment_differences", lambda graph: ())
    workload = write_workload(tmp_path)
    with pytest.raises(ContractError, match=r"3 of 1,800 rows .* picture: cannot be read as a picture \(3\)"):
        end_to_end(str(workload))
    for broken in tmp_path.glob("pictures/*/broken-*.png"):
        broken.unlink()
    done = end_to_end(str(workload))
    build = done.built.registered.build
    opened = open_build(build)
    (group,) = json.loads(opened.read("evidence.json"))["tables"]["pictures"]
    assert group["pictures"][0]["png"].encode() in opened.read("dossier.html")
    picture = next((tmp_path / "pictures" / "7").glob("*.png")).read_bytes()
    with serving(["--build", str(build), "--port", "0", "--workers", "1"]) as (endpoint, _):
        client = httpx.Client(base_url=endpoint.url)
        raw = client.post("/v1/predict", content=picture, headers={"content-type": "image/png"}).json()
        plain = client.post("/v1/predict", json={"picture": base64.b64encode(picture).decode()}).json()
        assert raw["predictions"] == plain["predictions"]
        assert raw["predictions"][0]["digit"] == "7"
        tensor = {"name": "picture", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(picture).decode()]}
        inferred = client.post("/v2/models/digits/infer", json={"inputs": [tensor]}).json()
        assert next(one["data"] for one in inferred["outputs"] if one["name"] == "digit") == ["7"]
        refused = client.post("/v1/predict", content=picture[:60], headers={"content-type": "image/png"})
        assert (refused.status_code, refused.json()["error"]["reason"]) == (422, "cannot be read as a picture")
    assert pl.read_parquet(next(home.root.glob("quarantine/*/rows.parquet"))).height == 3
