"""What the vote is compared with: each organisation alone, and a single model's metrics."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlab.errors import FedlabError
from fedlab.evidence.answers import Answers, make_answers
from fedlab.evidence.metrics import METRICS, measure_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedlab.voting import Ballots


def model_answers(
    ballots: "Ballots",
    index: int,
    truth: ArrayLike,
    positive: Any = None,
    also: "Sequence[Any] | NDArray[Any]" = (),
) -> Answers:
    """Return one model's answers out of the ballots (see `make_answers`)."""
    probabilities = None if ballots.probabilities is None else ballots.probabilities[index]
    return make_answers(truth, ballots.labels[index], probabilities, ballots.classes, positive, also)


def measure_model(ballots: "Ballots", truth: ArrayLike, positive: Any = None) -> dict[str, float | None]:
    """Measure the one model of some ballots, such as the centralised one (see `measure`).

    Raises
    ------
    FedlabError
        If the ballots are of several models.
    """
    if len(ballots.labels) != 1:
        raise FedlabError(f"the ballots are of {len(ballots.labels)} models; give those of exactly one")
    return measure_answers(model_answers(ballots, 0, truth, positive))


def organisations_alone(
    ballots: "Ballots", truth: ArrayLike, positive: Any = None, also: "Sequence[Any] | NDArray[Any]" = ()
) -> dict[str, Any]:
    """Measure each organisation's model by itself, on the common holdout.

    Which organisation is best is seen on the holdout itself, after the fact: nobody could have picked it
    beforehand, so the best is an upper bound on working alone, not a choice that an organisation has. The
    mean is what an organisation can expect that does not know which one it is.

    Parameters
    ----------
    ballots : Ballots
        What the models say of the holdout.
    truth : array (n_records,) of class values
        The truth.
    positive : object, optional
        The positive class; by default the greatest.
    also : sequence, optional
        Further classes to measure on (see `make_answers`).

    Returns
    -------
    dict
        ``organisation_accuracy_mean``, ``_best``, ``_worst`` and the same for each other of `METRICS` (over
        those for which it is defined, else None; of log loss and Brier score the least is the best), and
        ``organisation_best``: the name of the most accurate, the first of equals.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> ballots = SimpleNamespace(labels=np.array([[0, 1], [0, 0]]), probabilities=None,
    ...                           classes=np.array([0, 1]), organisations=("north", "south"))
    >>> alone = organisations_alone(ballots, [0, 1])
    >>> alone["organisation_accuracy_mean"], alone["organisation_best"], alone["organisation_roc_auc_mean"]
    (0.75, 'north', None)
    """
    if not len(ballots.labels):
        raise FedlabError("the ballots hold no model; train at least one organisation")
    alone = [
        measure_answers(model_answers(ballots, index, truth, positive, also)) for index in range(len(ballots.labels))
    ]
    found: dict[str, Any] = {}
    for metric in METRICS:
        found |= _spread(metric, [one[metric] for one in alone])
    best = int(np.argmax([one["accuracy"] or 0.0 for one in alone]))
    return found | {"organisation_best": str(ballots.organisations[best])}


def _spread(metric: str, values: list[float | None]) -> dict[str, float | None]:
    """Return mean, best and worst of the values that are defined; of a loss, the least is the best."""
    name, defined = f"organisation_{metric}", [value for value in values if value is not None]
    if not defined:
        return dict.fromkeys((f"{name}_mean", f"{name}_best", f"{name}_worst"))
    ordered = sorted(defined, reverse=metric not in ("log_loss", "brier"))
    return {f"{name}_mean": float(np.mean(defined)), f"{name}_best": ordered[0], f"{name}_worst": ordered[-1]}
