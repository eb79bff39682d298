"""A small sweep of all rules on two data sets: what `experiments/rules.ipynb` shows where no sweep was run."""

from __future__ import annotations

from typing import Any

# Clinical tables have gaps, over which no distance is defined: nearness of what the models say takes its place.
_OPTIONS: dict[str, dict[str, Any]] = {"knora_e": {"space": "ballots"}, "knora_u": {"space": "ballots"}}
_EXTRA = ("glad", "mace")  # by crowd-kit, which need not be installed


def small_rule_sweep() -> dict[str, Any]:
    """Return, as a params file would hold it, a sweep of every rule that runs with what is always installed.

    Two data sets, IID and skewed, 4 shards, one seed; all rules are measured on rows that none of them learned from.

    Examples
    --------
    >>> sorted(small_rule_sweep())
    ['blocks', 'holdout', 'model', 'n_resamples', 'n_shards', 'rule', 'validation']
    """
    from fedlab.voting import RULES

    return {
        "holdout": 0.3,
        "validation": 0.3,
        "n_shards": 4,
        "model": {"name": "random_forest", "n_estimators": 10},
        "n_resamples": 50,
        "rule": [{"name": name, **_OPTIONS.get(name, {})} for name in RULES if name not in _EXTRA],
        "blocks": [
            {"data": ["nhefs", {"name": "synthetic", "n_rows": 1500}], "scheme": "iid"},
            {"data": ["nhefs", {"name": "synthetic", "n_rows": 1500}], "scheme": "dirichlet", "alpha": 0.3},
        ],
    }
