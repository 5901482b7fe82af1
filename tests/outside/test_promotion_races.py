"""A rollback during a promotion, and one that is killed: nobody's decision is lost, nothing is half done."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.outside.places import Place, one_clear_line, wait_until

pytestmark = pytest.mark.outside


def rollout(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place.home / "rollouts" / "shop.json").read_bytes())
    return found


def judging(place: Place, build: str) -> Any:
    """Start a promotion and return its process once it judges: it has then read who serves."""
    process = place.start("slipway", "promote", "shop.yaml", "--build", build)

    def asks() -> bool:
        assert process.poll() is None, process.communicate()
        return any("deployments.data_plane" in told for told in commands(process.pid))

    wait_until(asks, "the promotion serves the build", every=0.02)
    return process


def commands(parent: int) -> list[str]:
    """Return the command lines of a process's children, and of theirs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if is_child:
                found.append((folder / "cmdline").read_text().replace("\0", " "))
                found += commands(int(folder.name))
        except (OSError, ValueError):
            continue
    return found


def test_a_rollback_that_lands_while_a_promotion_judges_stays(replaced: Place) -> None:
    before = rollout(replaced)
    bad, good = before["champion"], before["previous"]
    promotion = judging(replaced, bad)
    # It waits in the middle of its judgement for as long as the rollback takes.
    os.kill(promotion.pid, signal.SIGSTOP)
    replaced.run("slipway", "rollback", "shop.yaml", "--reason", "it asks for the moon", expect=0)
    os.kill(promotion.pid, signal.SIGCONT)
    out, err = promotion.communicate(timeout=200)
    assert promotion.returncode == 6, out + err
    assert "Traceback" not in out + err
    line = err.strip().splitlines()[-1]
    assert f"{bad} is not promoted: who serves shop was changed meanwhile: it was {bad}, now it is {good}" in line
    assert "it asks for the moon" in line

    after = rollout(replaced)
    assert (after["champion"], after["previous"], after["version"]) == (good, bad, before["version"] + 1)
    assert [change["action"] for change in after["history"]] == ["promote", "promote", "rollback"]
    records = [json.loads(path.read_bytes()) for path in sorted((replaced.home / "rollouts" / "shop").iterdir())]
    assert [record["outcome"] for record in records] == ["promoted", "promoted", "overtaken"]

    # Killed in the middle: the champion is the one before, whole, and nobody has to clean up.
    promotion = judging(replaced, bad)
    os.killpg(promotion.pid, signal.SIGKILL)
    promotion.communicate()
    assert rollout(replaced) == after
    status = json.loads(replaced.run("slipway", "status", "shop.yaml", "--json", expect=0).stdout)
    assert (status["champion"], status["state"]) == (good, "interrupted")
    told = replaced.run("slipway", "promote", "shop.yaml", "--build", good, expect=0).stdout
    assert f"{good} serves shop, as it did before" in told
    assert rollout(replaced) == after


def test_a_build_that_was_touched_or_exchanged_is_refused_by_every_command(replaced: Place) -> None:
    champion, previous = rollout(replaced)["champion"], rollout(replaced)["previous"]
    builds = replaced.home / "builds"
    served, other = builds / champion, builds / previous
    commands = {
        "score": ("score", "shop.yaml", "data.csv", "scored.csv"),
        "export": ("export", champion, "out.bento"),
        "profile": ("profile", champion),
        "check": ("check", champion),
        "reproduce": ("reproduce", champion),
        "rollback": ("rollback", "shop.yaml"),
    }

    def refused(names: tuple[str, ...], told: str) -> None:
        for name in names:
            line = one_clear_line(replaced.run("slipway", *commands[name], seconds=100))
            assert told in line, f"{name}: {line}"

    (served / "notes.txt").write_text("nobody built this")
    refused(("check",), "notes.txt in")
    (served / "notes.txt").unlink()
    signature = (served / "model.sig").read_bytes()
    (served / "model.sig").unlink()
    refused(("score", "export", "profile", "reproduce"), "is not signed")
    (served / "model.sig").write_bytes(signature)
    # Another build, whole and signed, in the place of the champion's.
    served.rename(builds / "aside")
    other.rename(served)
    refused(("score", "rollback"), previous)
    assert not (replaced.folder / "scored.csv").exists()
