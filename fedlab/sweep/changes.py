"""In what one run differs from another, in words: parameters, cells, source, versions, data, and the runs behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from fedlab.files import canonical_json
from fedlab.sweep.graph import Run
from fedlab.sweep.stored import Stored


@dataclass(frozen=True)
class Node:
    """A run, stored or planned, with what it is made of and the runs behind it; None for one that is gone."""

    stage: str
    key: str
    notebook: str
    parts: dict[str, Any] = field(repr=False)
    inputs: dict[str, Node | None] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Stage and key."""
        return f"{self.stage}/{self.key}"

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """All parameters that it rests on: its own by name, those of its inputs as ``input.name``."""
        found = dict(self.parts.get("parameters", {}))
        for name, source in self.inputs.items():
            found |= {f"{name}.{key}": value for key, value in source.lineage.items()} if source else {}
        return found

    @cached_property
    def identity(self) -> str:
        """Stage and lineage as one text: runs that have it in common differ by what they were made from alone."""
        return canonical_json([self.stage, self.lineage])

    @cached_property
    def pieces(self) -> frozenset[str]:
        """All that the key is made of, piece by piece, each as a text that can be compared."""
        found = []
        for kind, part in self.parts.items():
            named = dict(enumerate(part)) if isinstance(part, list) else part if isinstance(part, dict) else {"": part}
            found += [canonical_json([kind, name, value]) for name, value in named.items()]
        return frozenset(found)


@dataclass(frozen=True)
class Change:
    """One thing in which a run differs from another; where it is an input, ``inner`` says what differs in that one."""

    text: str
    inner: tuple[Change, ...] = ()
    is_input: bool = False

    def roots(self) -> list[str]:
        """Return what differs in the end: an input differs since something behind it does."""
        return [text for change in self.inner for text in change.roots()] if self.inner else [self.text]

    def lines(self, indent: str = "  ") -> list[str]:
        """Return the change as lines, what is behind it indented."""
        return [indent + self.text, *(line for change in self.inner for line in change.lines(indent + "  "))]


def settings(node: Node) -> dict[str, Any]:
    """Return the parameters that tell a run from others: its own, and those of the runs behind it by their names.

    Not what only the centralised reference behind it was made with.
    """
    found: dict[str, Any] = {}
    for name in sorted(node.lineage, key=lambda name: name.count(".")):
        if not name.startswith("central."):
            found.setdefault(name.rpartition(".")[2], node.lineage[name])
    return found


def varying_settings(nodes: Iterable[Node]) -> dict[str, dict[str, Any]]:
    """Return, by key, the settings of runs that vary among those of the same stage."""
    known = {node.key: (node.stage, settings(node)) for node in nodes}
    values: dict[tuple[str, str], set[str]] = {}
    for stage, found in known.values():
        for name, value in found.items():
            values.setdefault((stage, name), set()).add(canonical_json(value))
    return {
        key: {name: value for name, value in found.items() if len(values[stage, name]) > 1}
        for key, (stage, found) in known.items()
    }


def nodes_of(runs: Iterable[Stored]) -> dict[str, Node]:
    """Return stored runs as nodes, by key."""
    by_key = {run.key: run for run in runs}
    known: dict[str, Node] = {}

    def node(key: str) -> Node | None:
        if key not in by_key:
            return None
        if key not in known:
            run = by_key[key]
            inputs = {name: node(source) for name, source in run.parts.get("inputs", {}).items()}
            known[key] = Node(run.stage, key, run.info.get("notebook", "its notebook"), run.parts, inputs)
        return known[key]

    for key in by_key:
        node(key)
    return known


def planned_node(run: Run) -> Node:
    """Return a planned run as a node."""
    inputs: dict[str, Node | None] = {name: planned_node(source) for name, source in run.inputs.items()}
    return Node(run.stage, run.key, run.notebook.name, run.parts, inputs)


def changes(before: Node, after: Node) -> tuple[Change, ...]:
    """Return in what one run differs from another, in words, with what is behind each input that differs.

    Examples
    --------
    >>> old = Node("vote", "aaa", "3_vote.ipynb", {"parameters": {"seed": 0}, "versions": {"numpy": "2.4"}})
    >>> new = Node("vote", "bbb", "3_vote.ipynb", {"parameters": {"seed": 1}, "versions": {"numpy": "2.5"}})
    >>> [change.text for change in changes(old, new)]
    ['parameter seed: 0 -> 1', 'numpy 2.4 -> 2.5']
    """
    found: list[Change] = []
    tellers = {"parameters": _parameter, "outside": _outside, "source": _source, "versions": _version}
    for part, tell in tellers.items():
        was, now = _named(before.parts, part), _named(after.parts, part)
        if was != now:
            names = [name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)]
            found += [Change(tell(name, was.get(name), now.get(name))) for name in names]
    found[1:1] = [Change(text) for text in _cells(before.parts.get("code"), after.parts.get("code"), after.notebook)]
    for name, source in after.inputs.items():
        found += _input(name, before, source)
    return tuple(found)


def _named(parts: dict[str, Any], part: str) -> dict[str, Any]:
    value = parts.get(part, {})
    return value if isinstance(value, dict) else {"": value}


def _input(name: str, before: Node, source: Node | None) -> list[Change]:
    """Return what became of one input: nothing, or another run, with what is behind that."""
    was = before.parts.get("inputs", {}).get(name)
    if source is None or source.key == was:
        return []
    old = before.inputs.get(name)
    if was is None:
        return [Change(f"input {name} is new: {source.name}", is_input=True)]
    gone = Change(f"the {source.stage} run that it was made from is not stored any more")
    inner = changes(old, source) if old else (gone,)
    return [Change(f"input {name}: {source.stage}/{was[:8]} -> {source.stage}/{source.key[:8]}, since", inner, True)]


def _parameter(name: str, was: Any, now: Any) -> str:
    return f"parameter {name}: {value_text(was)} -> {value_text(now)}"


def value_text(value: Any) -> str:
    """Return a parameter's value for people."""
    return "not set" if value is None else str(value) if not isinstance(value, dict | list) else canonical_json(value)


def _outside(name: str, was: Any, now: Any) -> str:
    if isinstance(was, dict) and isinstance(now, dict):
        files = [file for file in sorted(was.keys() | now.keys()) if was.get(file) != now.get(file)]
        return f"own code of {name}: " + ", ".join(_moved(file, was.get(file), now.get(file)) for file in files)
    what = {"data": "content of the data", "split": "content of the split's file", "results": "results.csv"}
    return _moved(what.get(name, f"own code of {name}"), was, now)


def _source(name: str, was: str | None, now: str | None) -> str:
    return _moved(f"source of fedlab/{name}" if name else "source of the package", was, now)


def _moved(what: str, was: Any, now: Any) -> str:
    if was is None or now is None:
        return f"{what} is {'new' if was is None else 'not used any more'}"
    return f"{what} changed ({_short(was)} -> {_short(now)})"


def _short(value: Any) -> str:
    return value[:7] if isinstance(value, str) else f"{len(value)} files"


def _version(name: str, was: str | None, now: str | None) -> str:
    return f"{name} {was or 'not there'} -> {now or 'not there'}"


def _cells(was: Any, now: Any, notebook: str) -> list[str]:
    """Say which code cells differ, numbered as they now stand, the first code cell being 1."""
    if was == now:
        return []
    if not isinstance(was, list) or not isinstance(now, list):
        return [f"code of {notebook} changed"]
    found = []
    for kind, first, last, start, end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        paired = min(last - first, end - start) if kind == "replace" else 0
        found += [f"code cell {start + 1 + i} of {notebook} changed" for i in range(paired)]
        found += [f"code cell {i + 1} of {notebook} is new" for i in range(start + paired, end) if kind != "equal"]
        gone = last - first - paired if kind != "equal" else 0
        found += [f"code cell {first + paired + 1 + i} of {notebook}, as it was, is gone" for i in range(gone)]
    return found
