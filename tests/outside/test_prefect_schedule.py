"""README's section on schedules, run as it stands, on a shop of one's own: what a platform team does in its first hour.

A schedule fires without a worker and is late; a worker takes it and is killed; the next run goes on; the command line
goes on from the worker's stages; a person promotes in the Prefect UI; an automation answers; the champion serves.
"""

import contextlib
import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.outside.browser import browser
from tests.outside.conftest import CASES, REPOSITORY
from tests.outside.places import Command, Place, end, end_all, free_port, wait_until

pytestmark = pytest.mark.outside

# A worker starts Python, Prefect and the libraries anew for each run.
PATIENCE_SECONDS = 300


def blocks() -> list[list[str]]:
    """Return the commands of each code block of README's section on schedules, without the comments."""
    section = (REPOSITORY / "README.md").read_text().split("## On a schedule, from the Prefect UI")[1].split("\n## ")[0]
    found = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines() if line.strip()] for block in found]


@dataclass
class Prefect:
    """A Prefect server with its log, and a folder with the shop and its deployments."""

    place: Place
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, document: Any = None, **body: Any) -> Any:
        """Ask the server's API."""
        text = json.dumps(body if document is None else document).encode()
        request = urllib.request.Request(f"{self.url}/api{path}", text, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def deployment(self, flow: str) -> str:
        """Return the id of the shop's deployment of a flow."""
        (found,) = [one for one in self.ask("/deployments/filter") if one["entrypoint"].endswith(f".{flow}")]
        return str(found["id"])

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Return the runs of a deployment that are due, the first first."""
        deployment = {"id": {"any_": [self.deployment(flow)]}}
        found = self.ask("/flow_runs/filter", deployments=deployment, sort="EXPECTED_START_TIME_ASC")
        now = datetime.now(UTC)
        return [run for run in found if datetime.fromisoformat(run["expected_start_time"]) <= now]

    def run_in(self, run_id: str, *states: str) -> dict[str, Any]:
        """Wait until a run is in one of these states."""

        def looked() -> Any:
            (run,) = self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [run_id]}})
            ended = run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            assert run["state_name"] in states or not ended, f"{run['state']}\n{self.logs(run_id)}"
            return run if run["state_name"] in states else None

        found: dict[str, Any] = wait_until(looked, f"{run_id} is {states}", PATIENCE_SECONDS)
        return found

    def tasks(self, run_id: str) -> dict[str, str]:
        """Return the state of each task of a run by its name."""
        found = self.ask("/task_runs/filter", flow_runs={"id": {"any_": [run_id]}})
        return {task["name"]: task["state_name"] for task in found}

    def logs(self, run_id: str) -> str:
        """Return the log of a run as the UI has it."""
        lines = self.ask("/logs/filter", logs={"flow_run_id": {"any_": [run_id]}}, sort="TIMESTAMP_ASC", limit=200)
        return "\n".join(line["message"] for line in lines)

    def artifacts(self, run_id: str) -> set[str]:
        """Return the keys of a run's artifacts."""
        return {one["key"] for one in self.ask("/artifacts/filter", flow_runs={"id": {"any_": [run_id]}})}

    def shell(self, *lines: str) -> str:
        """Run lines of README in a shell, to their end."""
        text = (
            "\n".join(["set -e", "unset SLIPWAY_HOME", *lines])
            .replace("4200", str(self.port))
            .replace("/flights", "/shop")
        )
        return self.place.run("bash", "-c", text, expect=0).stdout

    def background(self, log: str, *lines: str) -> Any:
        """Start lines of README of which the last does not end."""
        text = "\n".join(["unset SLIPWAY_HOME", *lines]).replace("4200", str(self.port))
        with (self.place.folder / log).open("a") as output:
            return self.place.start("bash", "-c", text, stdout=output, stderr=output)


def own_deployments(text: str) -> str:
    """Return prefect.yaml for one workload of one's own, changed as it says: five lines, a name and a parameter."""
    head, _, rest = text.partition("deployments:\n  - ")
    five = f"  - {rest}".split("\n\n")[0]
    assert len(five.splitlines()) == 5
    return f"{head}deployments:\n" + five.replace("workload: flights", "workload: shop.yaml").replace("flights", "shop")


def end_tree(process: Any) -> None:
    """End a process and all that it has started, in whatever session."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    end(process)


@pytest.fixture
def prefect(tmp_path: Path, command: Command) -> Iterator[Prefect]:
    """A server as README starts it, on a fresh machine, beside a folder with the shop; its log must hold no error."""
    port = free_port()
    place = Place(command, tmp_path / "work", tmp_path / "work" / ".slipway")
    shutil.copytree(CASES / "shop", place.folder)
    (place.folder / "prefect.yaml").write_text(own_deployments((REPOSITORY / "prefect.yaml").read_text()))
    # Nothing of this machine's user, and another port than the usual one, which may be taken. SLIPWAY_HOME is not set.
    place.variables |= {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    found = Prefect(place, port, place.folder / "server.log")
    (server,), *_ = blocks()
    try:
        found.background("server.log", server)
        wait_until(lambda: _answers(f"{found.url}/api/health"), "the server answers", PATIENCE_SECONDS)
        yield found
        assert errors_of(found.log.read_text()) == [], found.log.read_text()[-5000:]
    finally:
        for process in reversed(place.started):
            end_tree(process)
        end_all(place)


def errors_of(log: str) -> list[str]:
    """Return the records of a server's log that tell an error.

    On SQLite a worker's sign of life may meet another write ("database is locked"); it is sent again half a minute
    later. The same in a service of the server (scheduler, late runs, automations) is an error.
    """
    records = re.split(r"(?m)^(?=\d\d:\d\d:\d\d\.\d+ \| )", log)
    found = [record for record in records if re.search("ERROR|CRITICAL|Traceback", record)]
    return [one for one in found if "server.services" in one or "database is locked" not in one]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def scheduled_run(prefect: Prefect) -> str:
    """Return the run of a schedule that fires in a moment."""
    # The server looks once a minute for schedules that were added to a deployment it knows.
    soon = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    prefect.ask(
        f"/deployments/{prefect.deployment('build_model')}/schedules",
        [{"active": True, "schedule": {"interval": 86_400, "anchor_date": soon}}],
    )
    return str(wait_until(lambda: prefect.runs("build_model"), "the schedule fires", 240)[0]["id"])


def test_the_section_on_schedules_holds_from_the_first_command_to_the_champion(prefect: Prefect) -> None:
    place = prefect.place
    _, deploy, work = blocks()
    export, *commands, schedule = deploy
    prefect.shell(export, *commands, schedule)
    place.variables["PREFECT_API_URL"] = f"{prefect.url}/api"
    assert len(prefect.ask("/deployments/filter")) == 5

    # A schedule fires while no worker is there: the run is marked as late.
    first = scheduled_run(prefect)
    prefect.run_in(first, "Late")

    # A worker takes it. While the model trains, all of it is held still: a promotion on the command line waits for it.
    # Then the worker alone is killed, so that the flow has lost its parent.
    worker = prefect.background("worker.log", *work)
    wait_until(lambda: "shop train" in prefect.tasks(first), "the model trains", PATIENCE_SECONDS)
    shell = psutil.Process(worker.pid)
    processes = [shell, *shell.children(recursive=True)]
    for process in processes:
        process.suspend()
    (run,) = prefect.ask("/flow_runs/filter", flow_runs={"id": {"any_": [first]}})
    assert (run["name"][:5], run["tags"]) == ("shop ", ["auto-scheduled", "shop"])
    told = place.folder / "promotion.log"
    with told.open("w") as output:
        promotion = place.start("slipway", "promote", "shop.yaml", "--dry-run", stderr=output)
    wait_until(lambda: "waits: build-model of the same workload is at work since" in told.read_text(), "it waits", 120)
    end(promotion)
    (killed,) = [process for process in processes if "worker" in process.cmdline()]
    killed.kill()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()

    # The next run, by the next worker, goes on from what was finished; cached stages show what they were.
    worker = prefect.background("worker.log", *work)
    said = place.run("prefect", "deployment", "run", "build-model/shop", expect=0).stdout
    second = re.search("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said)
    assert second
    prefect.run_in(second[0], "Completed")
    states = prefect.tasks(second[0])
    assert {states[f"shop {stage}"] for stage in ("ingest", "validate", "prepare")} == {"Cached"}
    assert {f"shop-{stage}" for stage in ("ingest", "validate", "prepare", "train", "gate")} <= prefect.artifacts(
        second[0]
    )
    log = prefect.logs(second[0])
    assert "validate: from the cache" in log
    assert "gate: passed goal: The AUC is" in log

    # The command line, in the same folder, goes on from the worker's stages.
    built = json.loads(place.run("slipway", "build", "shop.yaml", "--json", expect=0).stdout)["registered"]["build_id"]
    stages = json.loads(place.run("slipway", "status", "shop.yaml", "--json", expect=0).stdout)["stages"]
    assert {stage["stage"]: stage["state"] for stage in stages if stage["stage"] != "register"} == {
        name.removeprefix("shop "): "cached" for name in states if name != "shop register"
    }

    # An automation starts the monitoring as soon as something was promoted.
    automation = {
        "name": "monitor what was promoted",
        "trigger": {
            "type": "event",
            "posture": "Reactive",
            "expect": ["prefect.flow-run.Completed"],
            "match_related": {
                "prefect.resource.role": "deployment",
                "prefect.resource.id": f"prefect.deployment.{prefect.deployment('promote_build')}",
            },
            "threshold": 1,
            "within": 0,
        },
        "actions": [{"type": "run-deployment", "deployment_id": prefect.deployment("monitor_drift")}],
    }
    (place.folder / "automation.json").write_text(json.dumps(automation))
    place.run("prefect", "automation", "create", "--from-file", "automation.json", expect=0)

    # A person promotes it in the UI.
    pictures = place.folder
    with browser() as opened:
        opened.driver.get(f"{prefect.url}/deployments/deployment/{prefect.deployment('promote_build')}/run")
        form = opened.until_it_says("dry_run")
        assert "Judge the build live, but change nothing that users get." in form
        assert "type None" not in form
        opened.picture(pictures / "form.png")
        switch = opened.driver.find_element(
            "xpath", "//*[contains(text(),'dry_run')]/following::input[@type='checkbox'][1]"
        )
        assert switch.is_selected(), "a promotion from the UI is a dry run unless told otherwise"
        opened.driver.execute_script("arguments[0].click()", switch)
        opened.click("//button[@type='submit']")
        opened.until_it_says("scheduled to start now")
        run = wait_until(lambda: prefect.runs("promote_build"), "the form starts a run", 60)[0]["id"]
        prefect.run_in(run, "Completed")
        opened.driver.get(f"{prefect.url}/runs/flow-run/{run}")
        page = opened.until_it_says("promote: ran")
        assert "shop" in page
        opened.picture(pictures / "run.png")
        opened.picture(pictures / "run-400.png", width=400)
        assert opened.driver.execute_script("return document.documentElement.scrollWidth") <= 400
        opened.driver.set_window_size(1280, 1400)
        opened.click("//li[@id='artifacts']")
        opened.click("//a[contains(@href,'/artifacts/artifact/')]")
        assert f"{built}: promoted" in opened.until_it_says("champion before")

    (monitored,) = wait_until(lambda: prefect.runs("monitor_drift"), "the automation starts a run", 60)
    prefect.run_in(monitored["id"], "Completed")

    # The promoted build serves from the home of both.
    served = place.serve("shop.yaml")
    row = {"at": "2024-08-31T20:09:20", "amount": 19.26, "pieces": 7, "city": "Oslo", "kind": "b", "flag": False}
    request = urllib.request.Request(
        f"{served.url}/v1/predict", json.dumps(row).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer)["build"] == built
    end_tree(worker)
