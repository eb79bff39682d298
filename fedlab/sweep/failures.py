"""The failures that a sweep's folder keeps: which run, with what parameters, of what, and where its traceback is."""

from __future__ import annotations

from dataclasses import asdict

from fedlab.files import read_json, write_json
from fedlab.sweep.execute import Outcome
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import shown


def note_failure(store: RunStore, outcome: Outcome) -> None:
    """Keep what became of a failed run beside its notebook, for `fedlab status` and `fedlab retry`."""
    write_json(store.failed / f"{outcome.stage}-{outcome.key}.json", asdict(outcome))


def failures(store: RunStore) -> list[Outcome]:
    """Return the failures that are kept, by stage and key."""
    found = [failure(store, *path.stem.split("-", 1)) for path in sorted(store.failed.glob("*-*.json"))]
    return [outcome for outcome in found if outcome]


def failure(store: RunStore, stage: str, key: str) -> Outcome | None:
    """Return how a run failed when it was last tried; None where it has not."""
    try:
        return Outcome(**read_json(store.failed / f"{stage}-{key}.json"))
    except (OSError, ValueError, TypeError):
        return None


def failure_lines(found: list[Outcome], skipped: int = 0) -> list[str]:
    """Return the table of failures: stage, parameters, exception, and the notebook with the traceback."""
    if not found:
        return []
    lines = [f"{len(found)} failed" + (f", {skipped} not tried since they need a failed one" if skipped else "")]
    for outcome in found:
        lines.append(f"  {outcome.stage} ({shown(outcome.parameters)})")
        lines += [f"    {outcome.error}", f"    traceback: {outcome.notebook}"]
    return lines
