"""All rules on two small data sets, without a notebook: what `experiments/rules.ipynb` shows where no sweep was run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fedlab.pipeline.results import with_parameters, write_rows
from fedlab.pipeline.shards import make_partition
from fedlab.pipeline.trained import TrainedSet, centralised, train_partition
from fedlab.pipeline.votes import evaluate, set_apart

DATA: tuple[Any, ...] = ("nhefs", {"name": "synthetic", "n_rows": 1500})
SCHEMES: tuple[dict[str, Any], ...] = ({"scheme": "iid"}, {"scheme": "dirichlet", "alpha": 0.3})
MODEL = {"name": "random_forest", "n_estimators": 10}
VALIDATION = 0.3
# Clinical tables have gaps, over which no distance is defined: nearness of what the models say takes its place.
OPTIONS: dict[str, dict[str, Any]] = {"knora_e": {"space": "ballots"}, "knora_u": {"space": "ballots"}}
_EXTRA = ("glad", "mace")  # by crowd-kit, which need not be installed


def rules_asked() -> list[str]:
    """Return the rules that run with what is always installed."""
    from fedlab.voting import RULES

    return [name for name in RULES if name not in _EXTRA]


def small_rule_results(path: Path | str) -> None:
    """Write the results of all rules on two data sets, IID and skewed, 4 shards, one seed.

    Parameters
    ----------
    path : Path or str
        The CSV file to write.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(DATA):
            central = None
            for scheme in SCHEMES:
                place = Path(folder) / f"{number}-{scheme['scheme']}"
                make_partition(place / "shards", data, n_shards=4, holdout=0.3, seed=0, **scheme)
                trained = train_partition(place, place / "shards", model=MODEL)
                central = central or centralised(trained, Path(folder) / f"central-{number}")
                rows += _rows(trained, central)
    write_rows(path, rows)


def _rows(trained: TrainedSet, central: TrainedSet) -> list[dict[str, Any]]:
    """Return a row for each rule, all measured on the rows that none of them learned from."""
    from fedlab.voting import vote

    known, rest = set_apart(trained, VALIDATION, seed=0)
    positive, made_from = trained.about["positive"], trained.about["made_from"]
    rows = []
    for rule in rules_asked():
        options = OPTIONS.get(rule, {})
        verdict = vote(rest.ballots, rule, positive=positive, validation=known, X=rest.X, **options)
        measured = evaluate(rest, central, verdict, n_resamples=50, seed=0)
        rows.append(with_parameters(made_from, measured, rule=rule, rule_options=options, validation=VALIDATION))
    return rows
