"""The service as other tools meet it: curl, a browser's preflight, Prometheus, BentoML's own client."""

import contextlib
import gzip
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.outside.places import Place, free_port, one_clear_line, wait_until

pytestmark = pytest.mark.outside

JSON = ["-H", "Content-Type: application/json"]
PAGE = "https://app.example:8443"
# What a user of BentoML writes.
BENTO_CLIENT = """
import json, sys
import bentoml
with bentoml.SyncHTTPClient(sys.argv[1], server_ready_timeout=60) as client:
    print(json.dumps(client.predict(rows=json.load(open(sys.argv[2])))))
    try:
        client.predict(rows=[{}])
    except bentoml.exceptions.BentoMLException as error:
        print(int(error.error_code), str(error))
"""


def golden(place: Place) -> tuple[list[dict[str, Any]], list[float]]:
    """Return some rows and the probabilities that were evaluated for them."""
    (path,) = place.home.glob("builds/*/golden.json")
    evaluated = json.loads(path.read_text())
    return evaluated["rows"], [answer[0] for answer in evaluated["answers"]]


def curl(place: Place, *words: str | Path) -> tuple[int, str]:
    """Return status and body."""
    done = place.run("curl", "--silent", "--show-error", "--globoff", "--write-out", "\n%{http_code}", *words, expect=0)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl_a_browser_and_prometheus_are_answered(champion: Place) -> None:
    rows, expected = golden(champion)
    served = champion.serve("shop.yaml", "--cors-origin", PAGE)
    predict = f"{served.url}/v1/predict"
    packed = champion.folder / "rows.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(rows).encode()))
    status, body = curl(champion, predict, *JSON, "-H", "Content-Encoding: gzip", "--data-binary", f"@{packed}")
    assert status == 200, body
    found = [prediction["probability"] for prediction in json.loads(body)["predictions"]]
    assert found == pytest.approx(expected, abs=1e-6)
    # A few kilobytes that unpack to many megabytes.
    packed.write_bytes(gzip.compress(b" " * 64_000_000))
    status, body = curl(champion, predict, *JSON, "-H", "Content-Encoding: gzip", "--data-binary", f"@{packed}")
    assert (status, json.loads(body)["error"]["kind"]) == (413, "too_large")
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        status, body = curl(champion, predict, "-H", f"Content-Type: {kind}", "-d", json.dumps(rows[0]))
        assert (status, "use application/json" in body) == (415, True)
    status, body = curl(champion, predict, *JSON, "-d", " " * 100 + json.dumps(rows[0]))
    assert status == 200
    for amount in ("1e45", "-1e45", "1e300", "9" * 5_000):
        body = json.dumps(rows[0] | {"amount": "HERE"}).replace('"HERE"', amount)
        status, body = curl(champion, predict, *JSON, "-d", body)
        assert status in (200, 400, 422), body
        assert "nan" not in body.lower()
        assert len(body) < 600
    _check_pages(champion, predict)
    _, text = curl(champion, "--compressed", f"{served.url}/metrics")
    _check_metrics(text, at_least=len(rows) + 1)


def _check_pages(place: Place, predict: str) -> None:
    """A page of the origin that was named may ask and read; one of another may not."""
    asks = ["-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: content-type"]
    for origin, may in ((PAGE, True), ("https://elsewhere.example", False)):
        for words in (["-X", "OPTIONS", *asks], [*JSON, "-d", "{}"]):
            _, told = curl(
                place, "--dump-header", "-", "--output", "/dev/null", predict, "-H", f"Origin: {origin}", *words
            )
            assert (f"access-control-allow-origin: {origin}" in told) == may, told


def _check_metrics(text: str, at_least: int) -> None:
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    assert len(samples) > 50
    for sample in samples:
        assert math.isfinite(sample.value), sample
    values = {sample.name: sample.value for sample in samples}
    assert values["slipway_rows_total"] >= at_least
    assert {sample.labels["workload"] for sample in samples if sample.name == "slipway_build_info"} == {"shop"}


def test_an_address_of_ipv6_is_one_and_a_busy_port_names_its_option(champion: Place) -> None:
    served = champion.serve("shop.yaml", "--host", "::1", "--grpc-port", "0")
    assert served.url.startswith("http://[::1]:")
    assert curl(champion, f"{served.url}/livez")[0] == 200
    busy = served.said["grpc"].rpartition(":")[2]
    refused = champion.run("slipway", "serve", "shop.yaml", "--port", "0", "--host", "::1", "--grpc-port", busy)
    assert f"port {busy} of ::1 is in use; give another one with --grpc-port" in one_clear_line(refused)


def test_names_that_are_none_are_one_line(champion: Place) -> None:
    for words in (
        ("check", "a" * 5_000),
        ("serve", "a" * 5_000 + ".yaml"),
        ("serve", "shop.yaml", "--port", "9" * 5_000),
    ):
        assert len(one_clear_line(champion.run("slipway", *words))) < 300
    refused = champion.run("slipway", "serve", "shop.yaml", "--port", "0", "--host", "a" * 300)
    assert "cannot listen on" in one_clear_line(refused)


def test_bentoml_s_own_client_gets_the_evaluated_answers(champion: Place) -> None:
    rows, expected = golden(champion)
    (champion.folder / "rows.json").write_text(json.dumps(rows))
    (bento,) = (champion.home / "bentoml" / "bentos").glob("*/*/bento.yaml")
    champion.variables |= {"BENTOML_HOME": str(champion.home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    port = free_port()
    with (champion.folder / "bento.log").open("w") as log:
        words = ("bentoml", "serve", bento.parent, "--host", "127.0.0.1", "--port", str(port))
        process = champion.start(*words, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(champion, url), f"the Bento serves: {(champion.folder / 'bento.log').read_text()}")
        python = champion.command.path("python")
        done = champion.run(python, "-c", BENTO_CLIENT, url, champion.folder / "rows.json", expect=0)
        predictions, refused = done.stdout.strip().splitlines()
        assert [one["probability"] for one in json.loads(predictions)] == pytest.approx(expected, abs=1e-6)
        assert refused.startswith("422 ")
        assert "missing" in refused
        # The paths of the service itself answer beside it, and a scrape counts both.
        status, body = curl(champion, f"{url}/v1/predict", *JSON, "-d", json.dumps(rows))
        assert status == 200
        assert json.loads(body)["predictions"] == json.loads(predictions)
        _check_metrics(curl(champion, f"{url}/metrics")[1], at_least=2 * len(rows))
    finally:
        # Told to end, it ends its workers; killed, it leaves them.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)


def _answers(place: Place, url: str) -> bool:
    return place.run("curl", "--silent", "--fail", "--max-time", "5", f"{url}/readyz").returncode == 0
