"""A build packed as a Bento answers as the build does, wherever it is carried."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import polars as pl
import pytest

from components.artefacts.build import open_build
from components.artefacts.errors import HostError
from components.builds.bento import export_bento, pack_bento
from components.builds.signing import ensure_key, public_key_path, sign_build
from tests.deployments.processes import wait_until
from tests.deployments.small_build import draw_sample, write_build


@pytest.mark.slow
def test_a_bento_travels_as_one_file_and_answers_the_golden_rows(tmp_path: Path) -> None:
    folder, key = write_build(draw_sample(), tmp_path / "build"), ensure_key(tmp_path / "signing.pem")
    sign_build(folder, key)
    build = open_build(folder, public_key_path(key))
    tag = pack_bento(build, tmp_path / "store")
    assert pack_bento(build, tmp_path / "store") == tag
    file = export_bento(tag, tmp_path / "store", tmp_path / "flights.bento")
    elsewhere = tmp_path / "elsewhere"
    environment = os.environ | {"BENTOML_HOME": str(elsewhere), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run([sys.executable, "-m", "bentoml", "import", file], check=True, env=environment, cwd=tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    predictions = tmp_path / "predictions"
    environment["SLIPWAY_PREDICTIONS"] = str(predictions)
    command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "bento.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path, start_new_session=True
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

            def is_ready() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return client.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            wait_until(is_ready, seconds=60)
            golden = build.golden()
            answer = client.post("/v1/predict", json=golden.rows).json()
            assert client.post("/v1/predict", json={"x": 1}).status_code == 422
            counted = client.get("/metrics").text
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
    assert answer["build"] == build.build_id
    probabilities = [prediction["probability"] for prediction in answer["predictions"]]
    assert probabilities == pytest.approx([row[0] for row in golden.answers], abs=golden.tolerance)
    assert "bentoml_service_request_total" in counted
    assert 'slipway_requests_total{path="/v1/predict",status="200"} 1.0' in counted
    families = [line.split()[2] for line in counted.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    logged = [pl.read_parquet(part) for part in predictions.rglob("*.parquet")]
    assert sum(map(len, logged)) == len(golden.rows), "what was logged is written when BentoML ends"


def test_a_packing_that_is_killed_leaves_no_part_of_a_bento(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, store = open_build(write_build(draw_sample(), tmp_path / "build")), tmp_path / "store"
    # BentoML copies file by file, and is ended in the middle of it.
    half = "import pathlib, sys; sys.exit(pathlib.Path('half').touch() or 1)"
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **kept: real([sys.executable, "-c", half], **kept))
    with pytest.raises(HostError, match="bentoml build failed"):
        pack_bento(build, store)
    assert [path.name for path in store.rglob("*")] == []
