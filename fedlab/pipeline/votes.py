"""The third stage: what is measured of one vote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.files import write_json

if TYPE_CHECKING:
    import pandas

    from fedlab.pipeline.trained import TrainedSet
    from fedlab.voting import Verdict

VOTE = "vote.json"


def note_vote(folder: Path | str, trained: TrainedSet, **vote: Any) -> None:
    """Note in a vote's folder what was voted on and how (``rule``, ``rule_options``, ``tie``)."""
    write_json(Path(folder) / VOTE, {"made_from": trained.about["made_from"]} | vote)


def evaluate(
    trained: TrainedSet,
    central: TrainedSet,
    verdict: Verdict,
    n_resamples: int,
    seed: int,
    certified: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that is measured of one vote, as one flat row of results.

    Parameters
    ----------
    trained : TrainedSet
        The organisations' models.
    central : TrainedSet
        The centralised reference: the same recipe on all rows together.
    verdict : Verdict
        What a rule made of the organisations' ballots.
    n_resamples : int
        Bootstrap resamples of the holdout.
    seed : int
        Seed of the bootstrap.
    certified : dict, optional
        What `fedlab.evidence.certified_columns` found for the same vote.

    Returns
    -------
    dict
        See the columns in `docs/results.md`.

    Raises
    ------
    FedlabError
        If the two were not asked about the same holdout rows.
    """
    from fedlab.evidence import evaluate_vote

    if not np.array_equal(trained.ids, central.ids):
        raise FedlabError(
            "the organisations' models and the centralised one were asked about different holdout rows; "
            "make both from the same data, holdout and seed (1_partition.ipynb with n_shards=1 for the centralised one)"
        )
    about = trained.about
    measured = evaluate_vote(
        trained.ballots,
        verdict,
        trained.truth,
        positive=about["positive"],
        central=central.ballots,
        pooled=trained.pooled_trees,
        context=about["context"],
        n_resamples=n_resamples,
        seed=seed,
        groups=trained.groups,
        certified=certified,
    )
    return {"n_shards": about["n_shards"]} | measured


def verdict_table(trained: TrainedSet, verdict: Verdict) -> pandas.DataFrame:
    """Return a row per holdout record: identifier, truth, verdict (empty where the vote abstained), margin, tie."""
    import pandas as pd

    columns = {"id": trained.ids, "truth": trained.truth, "verdict": verdict.values}
    return pd.DataFrame(columns | {"margin": verdict.margins, "tied": verdict.tied})
