"""A sweep as an RO-Crate 1.1 after the profile Process Run Crate 0.5: what ran, on what, with what, and what came out.

The specification: https://w3id.org/ro/crate/1.1; the profile: https://w3id.org/ro/wfrun/process/0.5.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fedlab.errors import FedlabError
from fedlab.files import canonical_json, sha256_text
from fedlab.sweep.crate_files import Packed, pack, run_files, source_notebook, sweep_files
from fedlab.sweep.facts import Facts, read_facts
from fedlab.sweep.manifest import DONE, FAILED, PARAMS

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# The second context has sha256, which the first lacks.
CONTEXT = [f"{CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PYTHON = "https://www.python.org/"
_FORMATS = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".npy": "application/octet-stream",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".skops": "application/zip",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
_NAMES = {
    "results.csv": "Results: a row per cell, parameters first",
    "results.parquet": "The same results, typed",
    "timings.csv": "Seconds of each cell's runs",
    "params.yaml": "The params file: what was asked",
    "sweep.json": "The runs of the sweep and what became of each",
    "report.html": "Report",
}


def export_crate(
    folder: Path,
    out: Path,
    licence: str | None = None,
    authors: tuple[str, ...] = (),
    with_records: bool = False,
    with_notebooks: bool = False,
) -> tuple[int, int]:
    """Write a sweep as an RO-Crate.

    Parameters
    ----------
    folder : Path
        The sweep's folder, ``results/<sweep>``.
    out : Path
        A ``.zip`` file, or a folder; must not be there yet.
    licence : str, optional
        SPDX identifier (``CC-BY-4.0``) or URL. Without one the crate says that none was given.
    authors : tuple of str
        ``"Name"`` or ``"Name <https://orcid.org/…>"``.
    with_records : bool
        Pack shards, holdouts, ballots, verdicts, models and recorded files too, and what names the data file with its
        folders on this machine; else they are listed with their hashes.
    with_notebooks : bool
        Pack executed notebooks: they show what their cells print, such as the first records. What they ran, without
        outputs, is packed in any case.

    Returns
    -------
    packed, left_out : int
        Files in the crate, its metadata not counted, and files that are only listed.

    Raises
    ------
    FedlabError
        If the folder is not that of a sweep, a file is not as its run says, or ``out`` is there already.
    """
    facts = read_facts(folder)
    of_sweep = sweep_files(facts, with_notebooks)
    of_runs = {_name(run): run_files(facts, run, with_records, with_notebooks) for run in facts.runs}
    graph = _Graph(facts, licence, authors)
    for file in of_sweep:
        graph.file(file)
    for run in facts.runs:
        if run["state"] in (DONE, FAILED):
            graph.action(run, of_runs)
    files = [*of_sweep, *graph.sources, *(file for held in of_runs.values() for file in held)]
    pack(out, files, (METADATA, graph.text()))
    inside = sum(file.inside for file in files)
    return inside, len(files) - inside


def _name(run: dict[str, Any]) -> str:
    return f"{run['stage']}/{run['key']}"


def _ref(name: str) -> dict[str, str]:
    return {"@id": name}


def _uri(path: str) -> str:
    """Return a path as a URI: what is no plain character is escaped."""
    return quote(path, safe="/!$&'()*+,;=@~")


class _Graph:
    """The entities of a crate, each once, in the order in which they came."""

    def __init__(self, facts: Facts, licence: str | None, authors: tuple[str, ...]) -> None:
        self.facts = facts
        self.entities: dict[str, dict[str, Any]] = {}
        self.sources: list[Packed] = []
        self.instruments: dict[str, dict[str, str]] = {}
        self.parts: list[dict[str, str]] = []
        self.actions: list[dict[str, str]] = []
        self.authors = [self._author(number, author) for number, author in enumerate(authors, start=1)]
        self.licence = self._licence(licence)
        self._add(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
        self.data = {known["fingerprint"]: self._data(known) for known in facts.data()}

    def _add(self, name: str, kind: str, /, **properties: Any) -> dict[str, str]:
        told = {key: _single(value) for key, value in properties.items() if value not in (None, "", [])}
        self.entities.setdefault(name, {"@id": name, "@type": kind, **told})
        return _ref(name)

    def _licence(self, licence: str | None) -> dict[str, str]:
        if licence is None:
            return self._add(
                "#licence",
                "CreativeWork",
                name="No licence was given",
                description="The authors have not said how this may be used; ask them before you do.",
            )
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", licence):
            link = f"https://spdx.org/licenses/{licence}"
            return self._add(link, "CreativeWork", name=licence, description=f"SPDX licence {licence}")
        if re.fullmatch(r"https?://\S+", licence):
            return self._add(licence, "CreativeWork", name=licence, description=f"The licence at {licence}")
        raise FedlabError(f"licence {licence!r} is neither an SPDX identifier, such as CC-BY-4.0, nor a URL")

    def _author(self, number: int, author: str) -> dict[str, str]:
        found = re.fullmatch(r"\s*([^<>]+?)\s*(?:<(https?://\S+)>)?\s*", author)
        if found is None:
            raise FedlabError(f"author {author!r} is not understood; write 'Name' or 'Name <https://orcid.org/…>'")
        return self._add(found[2] or f"#author-{number}", "Person", name=found[1])

    def _data(self, known: dict[str, Any]) -> dict[str, str]:
        rows = f", {known['rows']} rows" if known.get("rows") else ""
        return self._add(
            f"#data/{known['fingerprint'][:12]}",
            "CreativeWork",
            name=f"{known['name'] or 'records'}{rows}",
            description=known.get("source") or "The table of records that was split; not in this crate.",
            url=known.get("url"),
            conditionsOfAccess=known.get("licence"),
            sha256=known.get("sha256"),
            identifier=f"fingerprint {known['fingerprint']}",
        )

    def file(self, file: Packed, title: str = "") -> dict[str, str]:
        """Add a file: a part of the crate, or, left out, what is known of it."""
        told = {
            "name": title or _NAMES.get(file.name, file.name),
            "contentSize": str(file.size),
            "encodingFormat": _FORMATS.get(Path(file.name).suffix, "application/octet-stream"),
            "sha256": file.sha256,
        }
        if not file.inside:
            why = "Not in this crate: it may hold records of patients, a model trained on them, or local paths."
            return self._add(f"#left-out/{_uri(file.name)}", "CreativeWork", description=why, **told)
        name = _uri(file.name)
        if name not in self.entities:
            self.parts.append(_ref(name))
        return self._add(name, "File", **told)

    def action(self, run: dict[str, Any], of_runs: dict[str, list[Packed]]) -> None:
        """Add a run: its notebook as instrument, parameters and inputs as objects, its files as results."""
        info = run.get("info", {})
        given = [self._parameter(name, value) for name, value in sorted(run["parameters"].items())]
        read = [self.file(file) for source in run["inputs"].values() for file in of_runs.get(source, [])]
        data = self.data.get(info.get("key_parts", {}).get("outside", {}).get("data"))
        params = [_ref(PARAMS)] if PARAMS in self.entities else []
        done = run["state"] == DONE
        shown = ", ".join(f"{name}={_value(value)}" for name, value in run["parameters"].items())
        kernel = f", in a {info['kernel']} kernel" if "kernel" in info else ""
        took = f"; it took {info['seconds']} s{kernel}" if "seconds" in info else ""
        self.actions.append(
            self._add(
                f"#run/{_name(run)}",
                "CreateAction",
                name=f"{run['stage']} {run['key']}",
                description=f"papermill executed {run['notebook']} with {shown or 'its own parameters'}{took}",
                instrument=self._notebook(run),
                object=[*given, *read, *([data] if data else []), *params],
                result=[self.file(file) for file in of_runs[_name(run)]],
                agent=self.authors,
                startTime=info.get("started"),
                endTime=info.get("ended"),
                actionStatus=f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus",
                error=None if done else run.get("error"),
            )
        )

    def _parameter(self, name: str, value: Any) -> dict[str, str]:
        mark = sha256_text(canonical_json([name, value]))[:12]
        return self._add(f"#parameter/{_uri(name)}/{mark}", "PropertyValue", name=name, value=_value(value))

    def _notebook(self, run: dict[str, Any]) -> dict[str, str]:
        """Add a run's notebook as it was before it ran, with the versions of what it ran on."""
        if run["state"] != DONE:
            # A failed run has left no word of its versions; they are those of its neighbours, where there are any.
            run = next((other for other in self.facts.done() if other["notebook"] == run["notebook"]), run)
        info = run.get("info", {})
        parts = info.get("key_parts", {})
        code, versions = parts.get("code", ""), parts.get("versions", {})
        mark = sha256_text(canonical_json([run["notebook"], code, versions, info.get("git_commit")]))[:12]
        if mark in self.instruments:
            return self.instruments[mark]
        told = {
            "name": run["notebook"],
            "version": f"code {sha256_text(canonical_json(code))[:12]}" if code else None,
            "identifier": f"commit {info['git_commit']}" if info.get("git_commit") else None,
            "softwareRequirements": [self._software(name, version) for name, version in sorted(versions.items())],
        }
        name = f"code/{run['notebook']}"
        source = source_notebook(self.facts.folder / str(self.facts.notebook(run)), name)
        taken = {file.name: file.sha256 for file in self.sources}
        if source is None:
            made = self._add(f"#notebook/{mark}", "SoftwareSourceCode", **told)
        elif name in taken:
            # The same notebook with other versions, or another one of its name: told apart, packed once each.
            made = self._add(f"#notebook/{mark}", "SoftwareSourceCode", isBasedOn=_ref(_uri(name)), **told)
        else:
            self.sources.append(source)
            made = self.file(source, run["notebook"])
            self.entities[made["@id"]] |= {"@type": ["File", "SoftwareSourceCode"]} | {
                key: _single(value) for key, value in told.items() if value not in (None, [])
            }
        self.instruments[mark] = made
        return made

    def _software(self, name: str, version: str) -> dict[str, str]:
        if name == "python":
            return self._add("#python", "SoftwareApplication", name="Python", softwareVersion=version, url=_PYTHON)
        if name == "fedlab":
            return self._add("#fedlab", "SoftwareApplication", name="fedlab", softwareVersion=version)
        link = f"https://pypi.org/project/{name}/{version}/"
        return self._add(link, "SoftwareApplication", name=name, softwareVersion=version, url=link)

    def text(self) -> str:
        """Return the metadata file."""
        manifest = self.facts.manifest
        done, failed = len(self.facts.of(DONE)), len(self.facts.of(FAILED))
        about = (
            f"The sweep '{manifest['name']}' of fedlab {manifest['fedlab']}: {len(manifest['cells'])} cells, "
            f"{done} runs done, {failed} failed. Federated learning by voting: records split over organisations, a "
            "model trained on each shard, the models merged by a vote. Each run is an executed notebook."
        )
        root = {
            "@id": "./",
            "@type": "Dataset",
            "conformsTo": _ref(PROFILE),
            "name": self.facts.title,
            "description": about,
            "datePublished": manifest["written"],
            "license": self.licence,
            "author": self.authors,
            "hasPart": self.parts,
            "mentions": self.actions,
        }
        root = {name: _single(value) for name, value in root.items() if value != []}
        descriptor = {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": _ref(CRATE),
            "about": _ref("./"),
        }
        content = {"@context": CONTEXT, "@graph": [descriptor, root, *self.entities.values()]}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _single(value: Any) -> Any:
    """Return the one item of a list that has one: so the specification wants it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _value(value: Any) -> Any:
    return canonical_json(value) if isinstance(value, list | dict) else value
