"""What the sources must not do, wherever it stands: load what may run code, open a build without asking for its key."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("flows", "tasks", "components", "deployments", "data_contracts", "benchmarks")
PRODUCT = PACKAGES[:-1]
# Loaders that run what is in a file, unless told that it holds weights alone.
LOADERS = {"load", "fit", "test", "validate", "predict", "load_from_checkpoint"}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def calls(*packages: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in the sources with where it stands."""
    for package in packages:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node


def named(call: ast.Call) -> str:
    return ast.unparse(call.func)


def test_nothing_is_unpickled() -> None:
    found = []
    for where, call in calls(*PACKAGES):
        owner, _, name = named(call).rpartition(".")
        given = {one.arg: one.value for one in call.keywords}
        weights = given.get("weights_only")
        is_safe = isinstance(weights, ast.Constant) and weights.value is True
        if owner.partition(".")[0] == "torch" and name == "load" and not is_safe:
            found.append(f"{where}: torch.load without weights_only=True")
        # Lightning reads a checkpoint if it is given one.
        if name in LOADERS and ("ckpt_path" in given or name == "load_from_checkpoint") and not is_safe:
            found.append(f"{where}: a checkpoint is loaded without weights_only=True")
        if owner in UNPICKLERS and name in ("load", "loads", "open"):
            found.append(f"{where}: {owner}.{name}")
        if name == "load" and owner == "np" and "allow_pickle" in given:
            found.append(f"{where}: NumPy with pickles")
    assert found == []


def test_every_part_of_the_product_says_which_key_must_have_signed_the_build_that_it_opens() -> None:
    found = [
        where
        for where, call in calls(*PRODUCT)
        if named(call).endswith("open_build")
        and len(call.args) < 2
        and not any(one.arg == "public_key" for one in call.keywords)
    ]
    assert found == []


def test_what_is_in_a_build_is_read_through_its_door() -> None:
    """A path into a build is what was not checked: ``Build.read`` gives the bytes that were."""
    found = []
    for package in PRODUCT:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                    left = ast.unparse(node.left)
                    if left.endswith(("build.path", "opened.path", "champion.path", "registered.build")):
                        found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}: {ast.unparse(node)}")
    # Said to people, who open it themselves.
    told = {Path("flows/run_output.py")}
    assert [one for one in found if Path(one.partition(":")[0]) not in told] == []


@pytest.mark.parametrize(
    "text", ["torch.load('x')", "torch.load('x', weights_only=False)", "trainer.fit(m, ckpt_path='x')"]
)
def test_the_scan_sees_what_it_is_for(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "bad.py").write_text(f"{text}\nopen_build(path)\n")
    monkeypatch.setattr("tests.test_doors.REPOSITORY", tmp_path)
    with pytest.raises(AssertionError, match=r"bad\.py:1"):
        test_nothing_is_unpickled()
    with pytest.raises(AssertionError, match=r"bad\.py:2"):
        test_every_part_of_the_product_says_which_key_must_have_signed_the_build_that_it_opens()
