"""The third stage: what is measured of one vote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlab.files import write_json

if TYPE_CHECKING:
    import pandas

    from fedlab.pipeline.trained import TrainedSet
    from fedlab.voting import Validation, Verdict

VOTE = "vote.json"


def set_apart(trained: TrainedSet, share: float, seed: int) -> tuple[Validation | None, TrainedSet]:
    """Set apart a share of the holdout as the coordinator's validation rows, for rules that learn.

    Which rows depends on the holdout, the share and the seed alone, so all rules of one cell learn from the same
    rows and are measured on the same others. Classes give their share each; rows of one patient stay together.

    Parameters
    ----------
    trained : TrainedSet
        The models' answers on the holdout.
    share : float
        From 0 to less than 1; 0 sets nothing apart.
    seed : int
        Seed of the choice.

    Returns
    -------
    validation : Validation or None
        The models' answers, the classes and the features of the rows set apart; None for share 0.
    rest : TrainedSet
        The models' answers on the others: what the vote is measured on.

    Raises
    ------
    FedlabError
        If the share leaves no row on either side.
    """
    if share == 0:
        return None, trained
    import pandas as pd

    from fedlab.partition import hold_out
    from fedlab.records import Records, Schema
    from fedlab.voting import Validation

    rows = range(len(trained.truth))
    patients = rows if trained.groups is None else trained.groups
    frame = pd.DataFrame({"row": rows, "place": rows, "class": trained.truth, "patient": patients})
    schema = Schema("row", ("place",), "class", group=None if trained.groups is None else "patient")
    chosen = hold_out(Records(frame, schema, "the holdout"), share, seed, purpose="validation")
    known, rest = trained.take(np.flatnonzero(chosen)), trained.take(np.flatnonzero(~chosen))
    return Validation(known.ballots, known.truth, known.X), rest


def note_vote(folder: Path | str, trained: TrainedSet, **vote: Any) -> None:
    """Note in a vote's folder what was voted on and how (``rule``, ``rule_options``, ``tie``)."""
    write_json(Path(folder) / VOTE, {"made_from": trained.about["made_from"]} | vote)


def evaluate(trained: TrainedSet, central: TrainedSet, verdict: Verdict, n_resamples: int, seed: int) -> dict[str, Any]:
    """Return all that is measured of one vote, as one flat row of results.

    Parameters
    ----------
    trained : TrainedSet
        The organisations' models.
    central : TrainedSet
        The centralised reference: the same recipe on all rows together. What it says of other rows is left out.
    verdict : Verdict
        What a rule made of the organisations' ballots.
    n_resamples : int
        Bootstrap resamples of the holdout.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        See the columns in `docs/results.md`.

    Raises
    ------
    FedlabError
        If the centralised model was not asked about one of the rows.
    """
    from fedlab.evidence import evaluate_vote

    central = central.at(trained.ids)
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
    )
    return {"n_shards": about["n_shards"]} | measured


def verdict_table(trained: TrainedSet, verdict: Verdict) -> pandas.DataFrame:
    """Return a row per holdout record: identifier, truth, verdict (empty where the vote abstained), margin, tie."""
    import pandas as pd

    columns = {"id": trained.ids, "truth": trained.truth, "verdict": verdict.values}
    return pd.DataFrame(columns | {"margin": verdict.margins, "tied": verdict.tied})
