"""What a report and an archive tell of a sweep's runs: from `sweep.json` and each run's `run.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedlab.files import read_json
from fedlab.sweep.manifest import DONE, FAILED, MISSING, read_manifest
from fedlab.sweep.store import NOTEBOOK_FILE, RunStore

ORDER = ("partition", "train", "vote", "figures")


@dataclass
class Facts:
    """A sweep's folder, as its files tell it.

    Attributes
    ----------
    folder : Path
        The folder.
    manifest : dict
        What `sweep.json` holds.
    runs : list of dict
        Its runs, those of the figures last; a run that was done has ``info``, what its `run.json` holds.
    """

    folder: Path
    manifest: dict[str, Any]
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What the sweep asks."""
        return str(self.manifest["title"] or self.manifest["name"])

    def of(self, state: str, stage: str | None = None) -> list[dict[str, Any]]:
        """Return the runs of a state, and of a stage where one is given."""
        return [run for run in self.runs if run["state"] == state and stage in (None, run["stage"])]

    def done(self, stage: str | None = None) -> list[dict[str, Any]]:
        """Return the runs that are in the store."""
        return self.of(DONE, stage)

    def notebook(self, run: dict[str, Any]) -> str | None:
        """Return the executed notebook of a run, relative to the folder: of a failed one, what it left."""
        if run["state"] == DONE:
            return f"runs/{run['stage']}/{run['key']}/{NOTEBOOK_FILE}"
        return run.get("traceback")

    def whole(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a run's parameters after those of the runs that it rests on: what tells it from all others.

        Of the centralised reference, which is the same for many cells, nothing is told.
        """
        known = {f"{other['stage']}/{other['key']}": other for other in self.runs}
        found: dict[str, Any] = {}
        for name, source in run["inputs"].items():
            if name != "central" and source in known:
                found |= self.whole(known[source])
        return found | run["parameters"]

    def values(self, name: str) -> list[Any]:
        """Return the distinct values of an entry of `run.json` over the runs, in their order."""
        found: list[Any] = []
        for run in self.done():
            value = run["info"].get(name)
            if value is not None and value not in found:
                found.append(value)
        return found

    def versions(self) -> dict[str, list[str]]:
        """Return the versions of the libraries that computed the runs: several where runs are of several times."""
        found: dict[str, list[str]] = {}
        for run in self.done():
            for name, version in run["info"].get("key_parts", {}).get("versions", {}).items():
                if version not in found.setdefault(name, []):
                    found[name].append(version)
        return dict(sorted(found.items()))

    def stages(self) -> list[dict[str, Any]]:
        """Return, for each stage, its runs by state and the seconds of those that are there."""
        found = []
        for stage in [stage for stage in ORDER if any(run["stage"] == stage for run in self.runs)]:
            seconds = [run["info"].get("seconds", 0.0) for run in self.done(stage)]
            found.append(
                {
                    "stage": stage,
                    "done": len(seconds),
                    "failed": len(self.of(FAILED, stage)),
                    "not run": len(self.of(MISSING, stage)),
                    "seconds": sum(seconds),
                    "mean": sum(seconds) / len(seconds) if seconds else 0.0,
                }
            )
        return found

    def data(self) -> list[dict[str, Any]]:
        """Return what is known of each table of records: name, rows, fingerprint, source, licence."""
        found: dict[str, dict[str, Any]] = {}
        for run in self.done("partition"):
            parts = run["info"].get("key_parts", {})
            print_ = parts.get("outside", {}).get("data", "")
            if print_ in found:
                continue
            try:
                meta = read_json(self.folder / "runs" / "partition" / run["key"] / "partition.json")
            except (OSError, ValueError):
                meta = {}
            about = meta.get("about", {})
            if not isinstance(about, dict):
                about = {}
            told = {name: about[name] for name in ("source", "url", "licence", "sha256") if about.get(name)}
            found[print_] = {
                "name": str(meta.get("name", "")),
                "rows": meta.get("n_rows"),
                "fingerprint": print_,
                **told,
            }
        return list(found.values())


def read_facts(folder: Path) -> Facts:
    """Read what is stored of a sweep.

    Parameters
    ----------
    folder : Path
        ``results/<sweep>``.

    Returns
    -------
    Facts

    Raises
    ------
    FedlabError
        If the folder is not that of a sweep.
    """
    manifest = read_manifest(folder)
    store = RunStore(folder)
    runs = [*manifest["runs"], *([manifest["drawn"]] if manifest.get("drawn") else [])]
    found = []
    for run in runs:
        try:
            # What is in the store now counts: a run may have been removed since the sweep ended.
            found.append(run | {"info": store.info(run["stage"], run["key"]), "state": DONE})
        except (OSError, ValueError):
            found.append(run | {"state": FAILED if run["state"] == FAILED else MISSING})
    return Facts(folder, manifest, found)
