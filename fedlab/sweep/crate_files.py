"""Which files of a sweep an archive holds, which stay at home, and how they are packed, byte for byte the same."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fedlab.errors import FedlabError
from fedlab.files import atomic_path, read_json, sha256_file
from fedlab.sweep.collect import FIGURES, REPORT, RESULTS, TIMINGS
from fedlab.sweep.facts import Facts
from fedlab.sweep.manifest import DONE, FAILED, MANIFEST, PARAMS
from fedlab.sweep.store import NOTEBOOK_FILE, RUN_FILE

_TOP = (RESULTS, "results.parquet", TIMINGS, PARAMS, MANIFEST, REPORT)
# What a run writes that holds neither records nor a model. All else may: ballots and verdicts name patients, and
# made_from.json, trained.json and vote.json the data file with its folders on this machine.
_PLAIN = {RUN_FILE, "record.json", "partition.json", "captions.json"}
# Cells that papermill adds.
_ADDED = {"injected-parameters", "papermill-error-cell-tag"}
_PICTURES = {".svg", ".png"}
# Of no year that a clock says: the first that a zip file can hold.
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Packed:
    """A file of a sweep: its name in the archive, where it is, its bytes and their hash, and whether it is packed.

    What is made for the archive has no path but ``content``.
    """

    name: str
    path: Path
    size: int
    sha256: str
    inside: bool = True
    content: bytes | None = None


def sweep_files(facts: Facts, with_notebooks: bool) -> list[Packed]:
    """Return the files of a sweep itself: tables, params file, report, figures, rendered notebooks."""
    paths = [facts.folder / name for name in _TOP]
    paths += sorted((facts.folder / FIGURES).glob("*"))
    if with_notebooks:
        paths += sorted((facts.folder / "notebooks").glob("*.html"))
    return [_packed(facts.folder, path) for path in paths if path.is_file()]


def run_files(facts: Facts, run: dict[str, object], with_records: bool, with_notebooks: bool) -> list[Packed]:
    """Return the files of one run, those left out too.

    Raises
    ------
    FedlabError
        If a file is not as `run.json` says.
    """
    if run["state"] == FAILED:
        kept = facts.folder / str(run.get("traceback", ""))
        return [_packed(facts.folder, kept)] if with_notebooks and kept.is_file() else []
    if run["state"] != DONE:
        return []
    place = facts.folder / "runs" / str(run["stage"]) / str(run["key"])
    listed = read_json(place / RUN_FILE)["outputs"]
    found = [_packed(facts.folder, place / RUN_FILE)]
    for name, entry in sorted(listed.items()):
        path = place / name
        if not path.is_file() or sha256_file(path) != entry["sha256"]:
            raise FedlabError(f"{path} is missing or not as {RUN_FILE} says: run `fedlab sweep` again, which mends it")
        inside = with_notebooks if name == NOTEBOOK_FILE else with_records or _is_plain(path, name)
        shown = path.relative_to(facts.folder).as_posix()
        found.append(Packed(shown, path, entry["bytes"], entry["sha256"], inside))
    return found


def _is_plain(path: Path, name: str) -> bool:
    """Say whether a run's file holds neither records, nor a model, nor where files lie on this machine."""
    if path.suffix in _PICTURES and name.startswith(f"{FIGURES}/"):
        return True
    if name == "partition.json":
        # The scheme `from_file` names its file, with the folders.
        return "path" not in read_json(path).get("options", {})
    return name in _PLAIN or name.endswith(".card.json")


def source_notebook(notebook: Path, name: str) -> Packed | None:
    """Return an executed notebook as it was before: without outputs and the parameters of that run; None if unreadable.

    Parameters
    ----------
    notebook : Path
        The executed notebook.
    name : str
        Name in the archive.
    """
    try:
        content = read_json(notebook)
        cells = []
        for cell in content["cells"]:
            if not _ADDED & set(cell.get("metadata", {}).get("tags", [])):
                tags = cell.get("metadata", {}).get("tags", [])
                cell = cell | {"metadata": {"tags": tags} if tags else {}}
                cells.append(cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell)
        kept = {name: value for name, value in content["metadata"].items() if name in ("kernelspec", "language_info")}
        made = content | {"cells": cells, "metadata": kept}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    held = (json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    return Packed(name, notebook, len(held), hashlib.sha256(held).hexdigest(), content=held)


def _packed(folder: Path, path: Path) -> Packed:
    return Packed(path.relative_to(folder).as_posix(), path, path.stat().st_size, sha256_file(path))


def pack(out: Path, files: list[Packed], metadata: tuple[str, str]) -> None:
    """Write an archive: a zip file where its name ends so, else a folder. It appears whole or not at all.

    Parameters
    ----------
    out : Path
        Where to write; must not be there yet.
    files : list of Packed
        Those with ``inside`` are packed.
    metadata : (str, str)
        Name and text of the file that describes the others, packed first.

    Raises
    ------
    FedlabError
        If ``out`` is there already.
    """
    if out.exists():
        raise FedlabError(f"{out} is there already; choose another name, or remove it first")
    inside = sorted((file for file in files if file.inside), key=lambda file: file.name)
    if out.suffix.lower() == ".zip":
        with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_entry(metadata[0], len(metadata[1].encode())), metadata[1].encode())
            for file in inside:
                with _opened(file) as source, archive.open(_entry(file.name, file.size), "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".crate-", dir=out.parent))
    try:
        (fresh / metadata[0]).write_text(metadata[1], encoding="utf-8", newline="\n")
        for file in inside:
            (fresh / file.name).parent.mkdir(parents=True, exist_ok=True)
            with _opened(file) as source, (fresh / file.name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        fresh.chmod(0o755)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _opened(file: Packed) -> IO[bytes]:
    return file.path.open("rb") if file.content is None else io.BytesIO(file.content)


def _entry(name: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    entry.file_size = size
    return entry
