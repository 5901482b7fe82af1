"""What code a module reaches: every file of ours and of the user's that it imports, and the packages beyond those.

Import statements are read, wherever in a file they stand; nothing is imported for it. What Python's installation and
installed packages hold is not followed: their versions stand for it. Of Slipway's own modules the files that lie beside
them and that they name belong to it, too: templates, lists.
"""

import ast
import functools
import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.artefacts.storage import digest_bytes
from components.provenance import ROOT

PACKAGES = ("flows", "tasks", "components", "deployments", "data_contracts")
# Orchestration and pages: when a stage runs and how it is shown, never what comes out.
NOT_PART_OF_A_RESULT = (
    "tasks.stage",
    "tasks.pages",
    "tasks.given",
    "components.stage_keys",
    "components.run_ledger",
    "components.provenance",
)
# What imports lead to, and what Python makes of it.
_CODE = (".py", ".pyc", ".pyi")
INSTALLED = ("site-packages", "dist-packages")
# Calls that load code by a name or a path that an import statement does not show.
_LOADERS = {
    "import_module",
    "__import__",
    "run_path",
    "run_module",
    "spec_from_file_location",
    "exec_module",
    "resolve_name",
    "eval",
    "exec",
}


class Code(NamedTuple):
    """What was reached: files by a name that is the same wherever the folder lies, versions of installed packages.

    ``unseen`` are the places where code is loaded, in files of the user's, that no import statement names.
    """

    files: dict[str, Path]
    packages: dict[str, str]
    unseen: tuple[str, ...]

    def digests(self) -> dict[str, str]:
        """Return the digest of each file that holds something, by its name."""
        return _digests(self.files)

    def digests_by_place(self) -> dict[str, str]:
        """Return the same by path: below the folder that Slipway lies in, or absolute."""
        places = self.files.values()
        return _digests({str(one.relative_to(ROOT) if one.is_relative_to(ROOT) else one): one for one in places})


def _digests(files: dict[str, Path]) -> dict[str, str]:
    contents = {name: path.read_bytes() for name, path in files.items()}
    return {name: digest_bytes(content)[:16] for name, content in sorted(contents.items()) if content}


def code_of(modules: Sequence[str]) -> Code:
    """Return the code that these modules reach, themselves included."""
    walk = _Walk()
    waiting = list(modules)
    while waiting:
        waiting += walk.visit(waiting.pop())
    packages = {top: version for top in sorted(walk.tops) if (version := _version(top)) is not None}
    return Code(dict(sorted(walk.files.items())), packages, tuple(sorted(walk.unseen)))


class _Found(NamedTuple):
    """Where a module is: its file, and the folders of its own modules if it is a package."""

    file: Path | None
    folders: tuple[str, ...]
    is_installed: bool


class _Statement(NamedTuple):
    """A module that a file names, ``level`` packages up; or None and how the file loads what it does not name."""

    line: int
    module: str | None
    level: int = 0
    text: str = ""


class _Walk:
    """What was found so far on the way from module to module."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.tops: set[str] = set()
        self.unseen: list[str] = []
        self._seen = set(NOT_PART_OF_A_RESULT)

    def visit(self, module: str) -> list[str]:
        """Take note of a module, and return those that it imports."""
        if module in self._seen or module.partition(".")[0] in self.tops:
            return []
        self._seen.add(module)
        if (own := _own(module)) is not None:
            name = str(own.relative_to(ROOT))
            self.files[name] = own
            self.files |= {str(one.relative_to(ROOT)): one for one in files_beside(own)}
            # What the user puts among our contracts is the user's.
            return self._read(own, name, module, is_users=module.startswith("data_contracts."))
        found = None if _is_name_in_ours(module) else _located(module)
        if found is None:
            return []
        if found.is_installed:
            self.tops.add(module.partition(".")[0])
            return []
        # A package runs its __init__ before any of its modules.
        parents = _parents(module)
        if found.file is None:
            return parents
        name = _name(module, found.file)
        self.files[name] = found.file
        return parents + (self._read(found.file, name, module, is_users=True) if found.file.suffix == ".py" else [])

    def _read(self, file: Path, name: str, module: str, *, is_users: bool) -> list[str]:
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        imported = []
        for one in _statements(file.read_bytes()):
            if one.module is not None:
                target = _absolute(one, package)
                # Slipway's own code needs what is pinned, and may load what it likes: a kind is found by its name.
                imported += [target] if is_users or target.partition(".")[0] in PACKAGES else []
            elif is_users:
                self.unseen.append(f"{name}, line {one.line}: {one.text}")
        return imported


@functools.lru_cache(maxsize=4096)
def _own(module: str) -> Path | None:
    """Return a module of Slipway's without asking Python, which would look into its packages by importing them."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return None
    for path in (ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py")):
        if path.is_file():
            return path
    return None


@functools.lru_cache(maxsize=4096)
def files_beside(module: Path) -> tuple[Path, ...]:
    """Return the files, other than code, that lie beside a module of ours and that it names, directly or one by one."""
    beside = {path.name: path for path in module.parent.iterdir() if path.is_file() and path.suffix not in _CODE}
    found: dict[str, Path] = {}
    waiting = [module] if beside else []
    while waiting:
        text = waiting.pop().read_bytes()
        for name, path in beside.items():
            # In quotes: in a comment or a message it is only told of.
            if name not in found and any(quote + name.encode() + quote in text for quote in (b'"', b"'")):
                found[name] = path
                waiting.append(path)
    return tuple(found[name] for name in sorted(found))


def _is_name_in_ours(module: str) -> bool:
    """Return whether what is imported from a module of ours can be no module: most such names are of this kind."""
    above = _own(module.rpartition(".")[0])
    return above is not None and above.name != "__init__.py"


def _located(module: str) -> _Found | None:
    """Return where Python finds a module; unlike ``find_spec``, without importing the packages that it is in."""
    folders: Sequence[str] | None = None
    name, found = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = _asked(name, folders)
        if found is None:
            return None
        if found.is_installed:
            return found
        # Loaded packages may have been given more folders.
        folders = [*getattr(sys.modules.get(name), "__path__", found.folders)]
    return found


def _asked(name: str, folders: Sequence[str] | None) -> _Found | None:
    if folders is None and name in sys.builtin_module_names:
        return _Found(None, (), True)
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, folders)
        except KeyError:
            # A package without an __init__, in one that was not imported: Python asks for that one.
            below = [str(Path(folder, name.rpartition(".")[2])) for folder in folders or ()]
            return _Found(None, tuple(folder for folder in below if Path(folder).is_dir()), False)
        if spec is None:
            continue
        file = Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
        inside = tuple(spec.submodule_search_locations or ())
        if file is None and not inside:
            return _Found(None, (), True)
        return _Found(file, inside, all(_is_installed(Path(place)) for place in ([file] if file else inside)))
    return None


@functools.cache
def _standard() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


def _is_installed(path: Path) -> bool:
    return bool(set(INSTALLED) & set(path.parts)) or any(path.is_relative_to(folder) for folder in _standard())


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _name(module: str, file: Path) -> str:
    place = module.replace(".", "/")
    return f"{place}/{file.name}" if file.stem == "__init__" else f"{place}{file.suffix}"


def _absolute(statement: _Statement, package: str) -> str:
    """Return the whole name of a module that a file of this package names."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *filter(None, [statement.module])])


@functools.lru_cache(maxsize=4096)
def _statements(source: bytes) -> tuple[_Statement, ...]:
    """Return what a file imports, and the calls by which it may load more; nothing of one that is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Whoever imports it will be told.
        return ()
    nodes = list(ast.walk(tree))
    called = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    return tuple(found for node in nodes for found in (*_named(node), *_loaded(node, called.get(id(node)))))


def _named(node: ast.AST) -> Iterator[_Statement]:
    if isinstance(node, ast.Import):
        yield from (_Statement(node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield _Statement(node.lineno, node.module or "", node.level)
        # What is imported from a package may be a module of it, or a name in it.
        for alias in node.names:
            yield _Statement(node.lineno, ".".join(filter(None, [node.module, alias.name])), node.level)
            if alias.name in _LOADERS and alias.asname:
                yield _unseen(node.lineno, alias.name)
    elif isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
        yield _Statement(node.lineno, None, text="it changes where modules are found")


def _loaded(node: ast.AST, call: ast.Call | None) -> Iterator[_Statement]:
    """Yield what is loaded where a loader is named: ``call`` is its call, if it is called there and then."""
    if isinstance(node, ast.Constant):
        # getattr(importlib, "import_module")
        word = node.value if isinstance(node.value, str) else ""
    else:
        word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if word not in _LOADERS or (word in ("eval", "exec") and not isinstance(node, ast.Name)):
        return
    assert isinstance(node, ast.expr)
    first = call.args[0] if call and call.args else None
    name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    if word in ("import_module", "__import__") and name and not name.startswith("."):
        yield _Statement(node.lineno, name)
    else:
        yield _unseen(node.lineno, word)


def _unseen(line: int, word: str) -> _Statement:
    return _Statement(line, None, text=f"{word} loads what no import statement names")


@functools.cache
def _version(top: str) -> str | None:
    """Return the version of the installed package that a top-level module comes from, None if it is Python's own."""
    if top in sys.stdlib_module_names:
        return None
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(top, [])
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names))) or None
