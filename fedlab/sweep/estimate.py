"""How long a sweep will still take, as far as that can be known, and what the answer is based on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fedlab.sweep.graph import STAGES
from fedlab.sweep.runner import Progress
from fedlab.sweep.stored import time_text


@dataclass(frozen=True)
class Estimate:
    """The time left when something last changed.

    Attributes
    ----------
    seconds : float or None
        Of the stages that something is known of; None where nothing is.
    basis : str
        What it rests on.
    unknown : str
        The stages that nothing is known of: the time left is then at least ``seconds``.
    """

    seconds: float | None = None
    basis: str = ""
    unknown: str = ""

    def text(self, passed: float = 0.0) -> str:
        """Return the estimate for people, so many seconds after it was made."""
        why = f"no run of {self.unknown} has finished yet"
        if self.seconds is None:
            return f"unknown: {why}" if self.unknown else "unknown"
        left = self.seconds - max(passed, 0.0)
        head = "at least" if self.unknown else "about"
        more = f"; {why}" if self.unknown else ""
        if left <= 0:
            return f"longer than estimated by {time_text(-left)} so far ({self.basis}{more})"
        return f"{head} {time_text(left)} ({self.basis}{more})"

    def short(self, passed: float = 0.0) -> str:
        """Return the estimate without what it is based on."""
        return self.text(passed).partition(" (")[0].partition(":")[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate for a progress file."""
        return {"estimate": asdict(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Estimate:
        """Return the estimate of a progress file."""
        return cls(**content.get("estimate", {}))


def estimate(progress: Progress, earlier: dict[str, list[float]]) -> Estimate:
    """Say how long the runs that wait will take, stage after stage.

    Each stage's runs are taken to last as long as the mean of those of the same stage that this sweep has finished,
    else of those that the folder holds from before. What neither tells is unknown.

    Parameters
    ----------
    progress : Progress
        Counts, and the seconds of finished runs by stage.
    earlier : dict of str to list of float
        Seconds of runs stored before, by stage.
    """
    seconds, basis, unknown = 0.0, [], []
    for stage in STAGES:
        waiting = progress.waiting.get(stage, 0)
        if not waiting:
            continue
        now = progress.seconds.get(stage, [])
        known = now or earlier.get(stage, [])
        if not known:
            unknown.append(stage)
            continue
        mean = sum(known) / len(known)
        seconds += waiting * mean / min(progress.jobs, waiting)
        basis.append(f"{waiting} {stage} as the {len(known)} {'done' if now else 'of before'}, {time_text(mean)} each")
    if not basis:
        return Estimate(None, "", " or ".join(unknown))
    at_once = f"{progress.jobs} at once" if progress.jobs > 1 else "one at a time"
    return Estimate(seconds, f"{', '.join(basis)}, {at_once}", " or ".join(unknown))
