"""What a run's key is made of: notebook code, parameters, inputs, package source and library versions."""

from __future__ import annotations

import ast
import importlib.util
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import fedlab
from fedlab.errors import FedlabError
from fedlab.files import canonical_json, read_json, sha256_file, sha256_text
from fedlab.registry import split_import_path

PACKAGE = Path(fedlab.__file__).parent
# The libraries whose version can change a number or a byte of what a stage writes.
LIBRARIES = (
    "causaldata",
    "joblib",
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
)
# Modules of libraries that need not be installed, and their distributions: they count where a run's own parts use them.
EXTRAS = {"crowdkit": "crowd-kit"}
# Hex digits of the hash of one module or cell: enough to tell versions of it apart.
SHORT = 20


def run_key(parts: dict[str, Any]) -> str:
    """Return the key of a run: 20 hex digits of the SHA-256 of the canonical JSON of all that decides it."""
    return sha256_text(canonical_json(parts))[:20]


@cache
def versions() -> dict[str, str]:
    """Return Python's and the deciding libraries' versions."""
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "fedlab": fedlab.__version__}
    return found | {name: metadata.version(name) for name in LIBRARIES}


def extra_versions(modules: Iterable[str], paths: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of libraries beyond `LIBRARIES` that a run's own parts come from.

    Parameters
    ----------
    modules : iterable of str
        The package's modules that it finds by name: an extra that one imports counts.
    paths : iterable of str
        Import paths: an installed library that one leads to counts.
    """
    names = {EXTRAS[name] for file in closure(modules) for name in _top_level(file.read_text(encoding="utf-8"))}
    for top in {split_import_path(path)[0].partition(".")[0] for path in paths} - {"sklearn"}:
        names |= set(_distributions().get(top, ()))
    # Where one is missing its rule fails, and nothing is published.
    return installed_versions(names - set(LIBRARIES))


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def _top_level(source: str) -> frozenset[str]:
    """Return the extras that a source imports."""
    tree = ast.walk(ast.parse(source)) if any(name in source for name in EXTRAS) else ()
    names: set[str] = set()
    for node in tree:
        names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
    return frozenset(name.partition(".")[0] for name in names) & EXTRAS.keys()


@cache
def _distributions() -> dict[str, list[str]]:
    """Return which installed distributions each importable name comes from."""
    return dict(metadata.packages_distributions())


def code_cells(notebook: Path, tag: str | None = None) -> list[str]:
    """Return the source of a notebook's code cells, or of those with a tag: prose and outputs change no result.

    Raises
    ------
    FedlabError
        If the file is not a notebook.
    """
    try:
        cells = [cell for cell in read_json(notebook)["cells"] if cell["cell_type"] == "code"]
        chosen = [cell for cell in cells if tag is None or tag in cell.get("metadata", {}).get("tags", [])]
        return ["".join(cell["source"]) for cell in chosen]
    except OSError as error:
        raise FedlabError(f"notebook {notebook} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FedlabError(f"{notebook} is not a notebook (.ipynb, format 4): {error}") from error


def notebook_parameters(notebook: Path) -> set[str]:
    """Return the names assigned in a notebook's cell tagged ``parameters``.

    Raises
    ------
    FedlabError
        If there is no such cell.
    """
    for source in code_cells(notebook, "parameters"):
        targets: list[ast.expr] = []
        for node in ast.parse(source).body:
            targets += node.targets if isinstance(node, ast.Assign) else []
            targets += [node.target] if isinstance(node, ast.AnnAssign) else []
        return {target.id for target in targets if isinstance(target, ast.Name)}
    raise FedlabError(f"{notebook} has no cell tagged 'parameters'; tag the one that sets its defaults")


def notebook_hashes(notebook: Path, modules: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the two parts of a key that come from a notebook: its ``code``, and the ``source`` behind it.

    Each is in pieces, so that `fedlab why` can name the one that changed: a hash per code cell, in order, and a hash
    per module.
    """
    code = [sha256_text(source)[:SHORT] for source in code_cells(notebook)]
    return {"code": code, "source": source_hashes(notebook, modules)}


def source_hashes(notebook: Path, modules: tuple[str, ...] = ()) -> dict[str, str]:
    """Return a hash of each of the package's modules that a notebook's results depend on.

    Parameters
    ----------
    notebook : Path
        Its imports are followed through the package. A name that a room's ``__init__`` only hands on counts as
        the module that defines it, so that a new rule does not make trained models stale.
    modules : tuple of str, optional
        Modules of registered parts that it finds by name: the rule's, the scheme's.

    Returns
    -------
    dict of str to str
        By the module's path within the package, with slashes.
    """
    names = set(modules)
    for source in code_cells(notebook):
        names |= _imported(_plain_python(source), "")
    return {file.relative_to(PACKAGE).as_posix(): sha256_file(file)[:SHORT] for file in sorted(closure(names))}


def _plain_python(source: str) -> str:
    """Turn IPython's own syntax (%magic, !command, name?) into calls, so that the rest can be read."""
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))


def closure(names: Iterable[str]) -> set[Path]:
    """Return the package's files that dotted names need, themselves and through their imports."""
    pending, files = list(names), set()
    while pending:
        file, more = _find(pending.pop())
        pending += more
        if file is None or file in files:
            continue
        files.add(file)
        package = ".".join(("fedlab", *file.relative_to(PACKAGE).parent.parts))
        pending += _imported(file.read_text(encoding="utf-8"), package)
    return files


@cache
def _imported(source: str, package: str) -> frozenset[str]:
    """Return the dotted names within `fedlab` that a source imports, at its top or inside functions."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return frozenset({"fedlab"})
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            found |= {f"{base}.{name.name}" for name in node.names}
    return frozenset(name for name in found if name == "fedlab" or name.startswith("fedlab."))


def _base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module that a ``from … import`` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join(parts + ([node.module] if node.module else []))


def _find(name: str) -> tuple[Path | None, list[str]]:
    """Return the file that a dotted name stands for; where a package only hands the name on, where from instead."""
    parts = name.split(".")[1:]
    place = PACKAGE.joinpath(*parts)
    if place.with_suffix(".py").is_file() and parts:
        return place.with_suffix(".py"), []
    if (place / "__init__.py").is_file():
        return place / "__init__.py", []
    if not parts:
        return None, []
    holder = PACKAGE.joinpath(*parts[:-1])
    if holder.with_suffix(".py").is_file() and parts[:-1]:
        return holder.with_suffix(".py"), []
    if not (holder / "__init__.py").is_file():
        return None, []
    for node in ast.parse((holder / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == parts[-1]:
                    return None, [f"{_base(node, '.'.join(('fedlab', *parts[:-1])))}.{alias.name}"]
    return holder / "__init__.py", []


def import_path_files(paths: Iterable[str], roots: Iterable[Path]) -> dict[str, list[Path]]:
    """Return, for each import path, the files that its code is read from.

    Parameters
    ----------
    paths : iterable of str
        Import paths.
    roots : iterable of Path
        Folders of the user's own modules: what a module imports from there belongs to it.

    Returns
    -------
    dict of str to list of Path
        Sorted.

    Raises
    ------
    FedlabError
        If a module is not found.
    """
    found = {}
    for path in paths:
        module, _ = split_import_path(path)
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise FedlabError(f"{path!r}: module {module!r} is not found beside the params file, here, or installed")
        files = {Path(spec.origin)} if spec.origin and Path(spec.origin).is_file() else set()
        found[path] = sorted(_own_files(files, list(roots)))
    return found


def _own_files(files: set[Path], roots: list[Path]) -> set[Path]:
    """Add to files what they import, directly or through others, from the user's own folders."""
    pending, seen = list(files), set(files)
    while pending:
        file = pending.pop()
        if file.suffix != ".py":
            continue
        if file.name == "__init__.py":
            inside = set(file.parent.rglob("*.py")) - seen
            seen |= inside
            pending += inside
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or alias.name for alias in node.names]
            for root in [*roots, file.parent] if names else []:
                if not any(root == own or own in root.parents for own in roots):
                    continue
                for name in names:
                    place = root.joinpath(*name.split("."))
                    near = {place.with_suffix(".py"), place / "__init__.py", root / name.split(".")[0] / "__init__.py"}
                    new = {path for path in near if path.is_file()} - seen
                    seen |= new
                    pending += new
    return seen
