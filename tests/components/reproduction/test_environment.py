"""A new environment needs the recorded Python, and code that pip can install."""

import platform
from pathlib import Path

import pytest

from components.artefacts.build import Build, Manifest
from components.artefacts.errors import HostError
from components.reproduction.environment import make_environment
from components.reproduction.recorded import Recorded, RecordedCode, RecordedData, RecordedMachine
from components.training.results import TrainingRecord


def recorded(python: str) -> Recorded:
    manifest = Manifest(format=3, build_id="b-1", workload="b", kind="tabular", created="", files={})
    return Recorded(
        build=Build(path=Path(), manifest=manifest, sealed=b"", contents={}),
        code=RecordedCode(None, "0.1.0"),
        diff=b"",
        data=RecordedData("s", "v", "p"),
        machine=RecordedMachine("p", 2, python),
        packages={},
        training=TrainingRecord.model_construct(),
        metrics={},
    )


@pytest.mark.parametrize(
    ("python", "told"),
    [("2.7.18", "was made with Python 2.7.18"), (platform.python_version(), "is no checkout that pip could install")],
)
def test_what_cannot_be_made_again_here_is_said_before_anything_is_installed(
    python: str, told: str, tmp_path: Path
) -> None:
    said: list[str] = []
    with pytest.raises(HostError, match=told):
        make_environment(recorded(python), tmp_path, tmp_path / "environment", said.append)
    assert said == []
    assert not (tmp_path / "environment").exists()
