"""The run store: every run in a folder named by its key, published whole by one rename or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedlab.files import (
    TEMPORARY,
    atomic_path,
    locked_folder,
    read_json,
    remove_unlocked,
    sha256_file,
    write_json,
)

RUN_FILE = "run.json"
NOTEBOOK_FILE = "notebook.ipynb"


class RunStore:
    """The runs of one sweep's folder.

    Parameters
    ----------
    folder : Path
        ``results/<sweep>``; runs lie in ``runs/<stage>/<key>``, notebooks of failed ones in ``failed/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.failed = folder / "failed"
        self._scratch = folder / "runs" / ".unfinished"

    def path(self, stage: str, key: str) -> Path:
        """Return where a run stands, or will stand."""
        return self.runs / stage / key

    def holds(self, stage: str, key: str) -> bool:
        """Say whether a run is there and whole: `run.json` and all it lists, by size, and JSON files by hash."""
        folder = self.path(stage, key)
        try:
            outputs = read_json(folder / RUN_FILE)["outputs"]
            return all(
                (folder / name).stat().st_size == entry["bytes"]
                and (not name.endswith(".json") or sha256_file(folder / name) == entry["sha256"])
                for name, entry in outputs.items()
            )
        except (OSError, ValueError, KeyError):
            return False

    def info(self, stage: str, key: str) -> dict[str, Any]:
        """Return what `run.json` says of a run."""
        return dict(read_json(self.path(stage, key) / RUN_FILE))

    def remove(self, stage: str, key: str) -> None:
        """Remove a published run: it goes in one rename, and only then its files."""
        gone = self._scratch / f"removed-{stage}-{key}"
        shutil.rmtree(gone, ignore_errors=True)
        gone.parent.mkdir(parents=True, exist_ok=True)
        self.path(stage, key).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def under_way(self) -> list[str]:
        """Return the names of the places that runs work in now, or were working in when they were killed."""
        return [folder.name for folder in self._scratch.glob("[!.]*")]

    @contextmanager
    def workplace(self, stage: str, key: str) -> Iterator[Path]:
        """Give a fresh folder for one run to work in; whatever is left in it at the end is removed."""
        with locked_folder(self._scratch, f"{stage}-{key}-") as folder:
            yield folder

    def publish(self, workplace: Path, stage: str, key: str, info: dict[str, Any]) -> None:
        """List a finished run's outputs in its `run.json` and move it to its place in one rename.

        Where another process has published the same run meanwhile, theirs stays: equal keys, equal results.
        """
        files = sorted(path for path in workplace.rglob("*") if path.is_file())
        outputs = {
            path.relative_to(workplace).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in files
        }
        write_json(workplace / RUN_FILE, info | {"outputs": outputs})
        target = self.path(stage, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not self.holds(stage, key):
            # Someone has deleted or changed files of a published run: set it aside, so that the rename can be made.
            with locked_folder(self._scratch, "broken-") as broken:
                target.rename(broken / key)
        try:
            workplace.rename(target)
        except OSError:
            if not self.holds(stage, key):
                raise

    def keep_failure(self, workplace: Path, stage: str, key: str) -> Path:
        """Keep the notebook of a failed run, with its traceback, and return its path."""
        self.failed.mkdir(parents=True, exist_ok=True)
        kept = self.failed / f"{stage}-{key}.ipynb"
        if (workplace / NOTEBOOK_FILE).exists():
            with atomic_path(kept) as temporary:
                shutil.copyfile(workplace / NOTEBOOK_FILE, temporary)
        return kept

    def forget_failure(self, stage: str, key: str) -> None:
        """Remove what an earlier failure of a run left."""
        for suffix in (".ipynb", ".txt", ".json"):
            (self.failed / f"{stage}-{key}{suffix}").unlink(missing_ok=True)

    def forget_failures(self) -> None:
        """Remove what all earlier failures left: for a sweep alone in its folder that has none."""
        shutil.rmtree(self.failed, ignore_errors=True)

    def sweep_out(self) -> None:
        """Remove the workplaces and temporary files of processes that are gone: what a killed sweep left behind."""
        remove_unlocked(self._scratch.glob("*"))
        for folder in (self.folder, self.failed):
            remove_unlocked(folder.glob(f"{TEMPORARY}*"))
