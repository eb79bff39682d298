"""What a run's key is made of: notebook code, parameters, inputs, package source and library versions."""

from __future__ import annotations

import ast
import importlib.util
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import fedlab
from fedlab.errors import FedlabError
from fedlab.files import canonical_json, sha256_file, sha256_text

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


def run_key(parts: dict[str, Any]) -> str:
    """Return the key of a run: 20 hex digits of the SHA-256 of the canonical JSON of all that decides it."""
    return sha256_text(canonical_json(parts))[:20]


@cache
def versions() -> dict[str, str]:
    """Return Python's and the deciding libraries' versions."""
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "fedlab": fedlab.__version__}
    return found | {name: metadata.version(name) for name in LIBRARIES}


def code_cells(notebook: Path) -> list[str]:
    """Return the source of a notebook's code cells: prose and outputs change no result.

    Raises
    ------
    FedlabError
        If the file is not a notebook.
    """
    import json

    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except OSError as error:
        raise FedlabError(f"notebook {notebook} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FedlabError(f"{notebook} is not a notebook (.ipynb, format 4): {error}") from error
    return ["".join(source) if isinstance(source, list) else source for source in sources]


def source_hash(notebook: Path) -> str:
    """Return a hash of the package's modules that a notebook imports, directly or through others."""
    names: set[str] = set()
    for source in code_cells(notebook):
        names |= _imported(source, "")
    return _closure_hash(frozenset(names))


@cache
def _closure_hash(names: frozenset[str]) -> str:
    pending, files = list(names), {}
    while pending:
        file = _module_file(pending.pop())
        if file is None or file in files:
            continue
        files[file] = sha256_file(file)
        package = ".".join(("fedlab", *file.relative_to(PACKAGE).parent.parts))
        pending += _imported(file.read_text(encoding="utf-8"), package)
    return sha256_text(canonical_json({str(file.relative_to(PACKAGE)): files[file] for file in files}))


def _imported(source: str, package: str) -> set[str]:
    """Return the `fedlab` modules that a source imports, at its top or inside functions."""
    try:
        # IPython's own lines (%magic, !command) are no Python and import no module of ours.
        lines = [line if line.lstrip()[:1] not in ("%", "!") else "" for line in source.splitlines()]
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join(parts + ([node.module] if node.module else []))
            found |= {base} | {f"{base}.{name.name}" for name in node.names}
    ours = {name for name in found if name == "fedlab" or name.startswith("fedlab.")}
    # Importing a module executes its packages' __init__ too.
    return ours | {name.rsplit(".", depth)[0] for name in ours for depth in range(1, name.count(".") + 1)}


def _module_file(name: str) -> Path | None:
    place = PACKAGE.joinpath(*name.split(".")[1:])
    for file in (place / "__init__.py", place.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def import_path_hashes(paths: list[str]) -> dict[str, str]:
    """Return, for each import path, a hash of the file that its module is read from.

    Raises
    ------
    FedlabError
        If a module is not found.
    """
    found = {}
    for path in paths:
        module = path.partition(":")[0] if ":" in path else path.rpartition(".")[0]
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise FedlabError(f"{path!r}: module {module!r} is not found beside the params file, here, or installed")
        has_file = spec.origin and Path(spec.origin).is_file()
        found[path] = sha256_file(spec.origin) if has_file and spec.origin else "built in"
    return found
