"""A home or a folder of sources may have any name: no path of ours is read as a pattern."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
READERS = {"scan_parquet", "read_parquet", "scan_csv", "scan_ipc", "read_ipc"}
# They expand patterns and cannot be told not to.
PATTERNS = {"read_parquet_schema"}


def test_polars_is_never_given_a_path_as_a_pattern() -> None:
    offenders = []
    for package in ("flows", "tasks", "components", "data_contracts"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "pl"):
                    continue
                plain = any(one.arg == "glob" and ast.unparse(one.value) == "False" for one in node.keywords)
                if node.func.attr in PATTERNS or (node.func.attr in READERS and not plain):
                    offenders.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.func.attr}: add glob=False")
    assert offenders == []
