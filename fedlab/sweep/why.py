"""Why a run is fresh, stale, new or missing: what it is made of, against the stored run that is nearest to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedlab.files import canonical_json, read_json, sha256_file
from fedlab.sweep.changes import Change, Node, changes, nodes_of, value_text
from fedlab.sweep.failures import failure
from fedlab.sweep.store import RUN_FILE, RunStore
from fedlab.sweep.stored import stored_runs


@dataclass(frozen=True)
class Why:
    """What a planned run is to the store.

    Attributes
    ----------
    run : Node
        The run that is wanted.
    state : str
        ``fresh``: it is there. ``stale``: a stored run has the same parameters and was made from something else.
        ``new``: no stored run has its parameters. ``missing``: no run of its stage is stored. ``damaged``: it is
        there, not whole. ``failed``: it was tried.
    nearest : Node or None
        The stored run that it is compared with.
    changes : tuple of Change
        From that one to this one.
    said : str
        What was damaged, or how it failed.
    """

    run: Node
    state: str
    nearest: Node | None = None
    changes: tuple[Change, ...] = ()
    said: str = ""

    def lines(self) -> list[str]:
        """Return the whole answer as lines."""
        head = f"{self.state:8} {self.run.name}"
        if self.state == "fresh":
            return [f"{head}: stored, and all that it was made from is as it was"]
        if self.said:
            return [f"{head}: {self.said}"]
        if self.nearest is None:
            return [f"{head}: no run of this stage is stored"]
        same = "same parameters" if self.state == "stale" else "no stored run has its parameters"
        head += f": {same}; compared with {self.nearest.name}"
        return [head, *(line for change in self.changes for line in change.lines())]


class Stock:
    """What is stored in a sweep's folder, ready to be compared with.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    wanted : iterable of str
        Keys that a plan wants: of two stored runs that are as near, the one that is not wanted any more is compared.
    """

    def __init__(self, folder: Path, wanted: Iterable[str] = ()) -> None:
        self.store = RunStore(folder)
        self.runs = stored_runs(folder)
        self.nodes = nodes_of(self.runs)
        self._old = set(self.nodes) - set(wanted)
        self._made = {run.key: run.made for run in self.runs}
        self._by_lineage: dict[str, list[Node]] = {}
        self._holding: dict[str, list[str]] = {}
        for node in self.nodes.values():
            self._by_lineage.setdefault(node.identity, []).append(node)
            for item in _items(node):
                self._holding.setdefault(item, []).append(node.key)
        self._stages = {node.stage for node in self.nodes.values()}

    def why(self, run: Node) -> Why:
        """Say what a wanted run is to the store, and why."""
        if self.store.holds(run.stage, run.key):
            return Why(run, "fresh")
        if self.store.path(run.stage, run.key).exists():
            return Why(run, "damaged", said=f"stored, but {damage(self.store.path(run.stage, run.key))}")
        failed = failure(self.store, run.stage, run.key)
        if failed:
            return Why(run, "failed", said=failed.error)
        nearest = self.nearest(run)
        if nearest is None:
            return Why(run, "missing")
        state = "stale" if nearest.identity == run.identity else "new"
        return Why(run, state, nearest, changes(nearest, run))

    def nearest(self, run: Node) -> Node | None:
        """Return the stored run of the same stage that is most like another: by parameters first, then all parts."""
        near = [node for node in self._by_lineage.get(run.identity, []) if node.key != run.key]
        if not near and run.stage in self._stages:
            equal = Counter(key for item in _items(run) for key in self._holding.get(item, ()) if key != run.key)
            most = max(equal.values(), default=0)
            near = [self.nodes[key] for key, count in equal.items() if count == most]
        if len(near) < 2:
            return near[0] if near else None
        return max(near, key=lambda node: self._likeness(node, run))

    def _likeness(self, node: Node, run: Node) -> tuple[int, bool, float, str]:
        equal = node.pieces & run.pieces
        return len(equal), node.key in self._old, self._made[node.key], node.key


def _items(node: Node) -> list[str]:
    """Return a node's parameters as texts; with the stage, so that runs of other stages have none in common."""
    return [canonical_json([node.stage, *item]) for item in [("", ""), *node.lineage.items()]]


def unwanted_lines(run: Node, wanted: list[Node]) -> list[str]:
    """Say what a plan wants in place of a stored run that it does not want any more."""
    same = [node for node in wanted if node.identity == run.identity]
    if same:
        told = changes(run, same[0])
        head = f"stale    {run.name}: {same[0].name} is wanted in its place"
        return [head, *(line for change in told for line in change.lines())]
    near = max(wanted, key=lambda node: len({*_items(node)} & {*_items(run)}), default=None)
    head = f"unwanted {run.name}: no wanted run has its parameters"
    if near is None:
        return [f"{head}, and none is of its stage"]
    return [f"{head}; nearest is {near.name}", *(line for change in changes(run, near) for line in change.lines())]


def damage(folder: Path) -> str:
    """Say what of a stored run is not as its `run.json` lists it, by size (and JSON files by content)."""
    try:
        outputs = read_json(folder / RUN_FILE)["outputs"]
    except (OSError, ValueError, KeyError):
        return "its run.json is gone or not readable"
    for name, entry in outputs.items():
        file = folder / name
        if not file.is_file():
            return f"its {name} is gone"
        size = file.stat().st_size
        if size != entry["bytes"]:
            return f"its {name} has {size} bytes and had {entry['bytes']}"
        if name.endswith(".json") and sha256_file(file) != entry["sha256"]:
            return f"its {name} was changed"
    return "it is whole now"


def grouped(whys: Iterable[Why]) -> list[str]:
    """Return one line for all runs that are in one state for the same reasons, however many they are."""
    groups: dict[tuple[str, ...], list[Why]] = {}
    for why in whys:
        groups.setdefault((why.state, *_reasons(why)), []).append(why)
    lines = []
    for (state, *reasons), members in groups.items():
        stages = Counter(why.run.stage for why in members)
        head = f"{len(members)} {state} ({', '.join(f'{count} {stage}' for stage, count in stages.items())})"
        text = _new_values(members) if state == "new" else "; ".join(reasons)
        lines.append(head + (f": {text}" if text else ""))
    return lines


def _reasons(why: Why) -> tuple[str, ...]:
    """Return the reasons by which runs are grouped: not those that differ from run to run."""
    if why.state == "new":
        return tuple(sorted({_last(name) for name in _other_parameters(why)}))
    if why.said or why.state == "fresh":
        return (why.said,) if why.said else ()
    if why.nearest is None:
        return ("no run of this stage is stored",)
    return tuple(dict.fromkeys(text for change in why.changes for text in change.roots()))


def _other_parameters(why: Why) -> dict[str, Any]:
    """Return the parameters, also of the runs behind, in which a run differs from the nearest stored one."""
    was = why.nearest.lineage if why.nearest else {}
    now = why.run.lineage
    return {name: now.get(name) for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)}


def _new_values(members: list[Why], most: int = 5) -> str:
    """Say which parameters are other than in the nearest stored runs, with a few of their values."""
    values: dict[str, dict[str, None]] = {}
    for why in members:
        for name, value in _other_parameters(why).items():
            values.setdefault(_last(name), {})[value_text(value)] = None
    texts = []
    for name, found in values.items():
        more = f" and {len(found) - most} more" if len(found) > most else ""
        texts.append(f"{name} ({', '.join(list(found)[:most])}{more})")
    return "no stored run has these parameters; the nearest have another " + ", ".join(texts)


def _last(name: str) -> str:
    """Return a parameter's own name, without the inputs that lead to it."""
    return name.rpartition(".")[2]
