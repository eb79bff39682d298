"""All rules on two small data sets, without a notebook: what `experiments/rules.ipynb` shows where no sweep was run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fedlab.pipeline.results import with_parameters, write_rows
from fedlab.pipeline.shards import make_partition
from fedlab.pipeline.trained import TrainedSet, centralised, train_partition
from fedlab.pipeline.votes import evaluate

DATA: tuple[Any, ...] = ("nhefs", {"name": "synthetic", "n_rows": 1500})
SCHEMES: tuple[dict[str, Any], ...] = ({"scheme": "iid"}, {"scheme": "dirichlet", "alpha": 0.3})
MODEL = {"name": "random_forest", "n_estimators": 10}
_EXTRA = ("glad", "mace")  # by crowd-kit, which need not be installed


def rules_without_validation() -> list[str]:
    """Return the rules that can be asked, with their defaults, where nobody has validation rows."""
    from fedlab.voting import RULES

    asked = {name: RULES.get(name) for name in RULES if name not in _EXTRA}
    return [name for name, rule in asked.items() if not {"validation", "X"} & set(rule.needed({}))]


def small_rule_results(path: Path | str) -> None:
    """Write the results of all rules that need no validation rows: two data sets, IID and skewed, 4 shards, one seed.

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
                rows += [_row(trained, central, rule) for rule in rules_without_validation()]
    write_rows(path, rows)


def _row(trained: TrainedSet, central: TrainedSet, rule: str) -> dict[str, Any]:
    from fedlab.voting import vote

    verdict = vote(trained.ballots, rule, positive=trained.about["positive"])
    measured = evaluate(trained, central, verdict, n_resamples=50, seed=0)
    return with_parameters(trained.about["made_from"], measured, rule=rule)
