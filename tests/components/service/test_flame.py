"""A flame graph of the live service, recorded by py-spy as it is installed here."""

import shutil
import xml.etree.ElementTree
from pathlib import Path

import pytest

from components.artefacts.build import Build, open_build
from components.artefacts.errors import HostError
from components.service import flame
from components.service.flame import record_flame
from tests.deployments.small_build import draw_sample, write_build


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return open_build(write_build(draw_sample(), tmp_path_factory.mktemp("builds") / "small"))


def test_the_graph_shows_what_answers_requests(build: Build, tmp_path: Path) -> None:
    try:
        drawn = record_flame(build, tmp_path / "flame.svg", seconds=2)
    except HostError as error:
        if "not installed" in str(error) or "may not look" in str(error):
            pytest.skip(str(error))
        raise
    titles = [node.text or "" for node in xml.etree.ElementTree.parse(drawn).iter("{http://www.w3.org/2000/svg}title")]
    # From the loop of the worker down to the graph: the service was under load while it was recorded.
    for function in ("predict (deployments/data_plane/service.py", "_flush (deployments/data_plane/load/batching.py"):
        assert any(function in title for title in titles), function


def test_without_py_spy_it_says_what_to_install(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flame.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match=r"pip install 'slipway\[profile\]'"):
        record_flame(build, tmp_path / "flame.svg", seconds=1)


def test_what_py_spy_says_is_the_reason(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "py-spy"
    program.write_text(
        "#!/bin/sh\necho 'Error: Permission Denied: Try running again with elevated permissions' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(flame.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(HostError, match="cap-add SYS_PTRACE"):
        record_flame(build, tmp_path / "flame.svg", seconds=1)
    assert not (tmp_path / "flame.svg").exists()


def test_a_folder_that_is_not_there_is_said_before_anything_is_started(build: Build, tmp_path: Path) -> None:
    if shutil.which("py-spy") is None and not Path(flame.sysconfig.get_path("scripts"), "py-spy").is_file():
        pytest.skip("py-spy is not installed")
    with pytest.raises(HostError, match="there is no folder"):
        record_flame(build, tmp_path / "nowhere" / "flame.svg", seconds=1)
