"""Dynamic selection: on each record the models that were right on similar validation rows vote: KNORA-E, KNORA-U."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.voting.ballots import Ballots
from fedlab.voting.contract import Range
from fedlab.voting.registry import rule
from fedlab.voting.support import Support, add_up
from fedlab.voting.validation import Validation

_SPACE = {"features": "X", "ballots": "labels"}
_RANGES = {"k": Range(1, whole=True)}
_SOURCE = (
    "A. H. R. Ko, R. Sabourin and A. S. Britto, From Dynamic Classifier Selection to Dynamic Ensemble "
    "Selection, Pattern "
    "Recognition 41(5), 2008; neighbours by ballots: P. R. Cavalin and others, Pattern Recognition 45(9), 2012"
)
# How many distances are held at a time: 32 MB.
_CELLS = 4_000_000


@rule(
    "knora_e",
    needs=("labels", "validation"),
    choices={"space": _SPACE},
    ranges=_RANGES,
    formula="majority of the models that are right on all of the k nearest validation rows; k shrinks until one is",
    source=_SOURCE,
    use="Where organisations are good at different patients: the competent ones answer. Needs validation rows "
    "of all kinds.",
)
def knora_e(ballots: Ballots, validation: Validation, k: int = 7, space: str = "features", X: Any = None) -> Support:
    """Let the models vote that are right on all of the k nearest validation rows; k shrinks until there is one.

    Where no model is right even on the nearest row, or none of the competent ones answers, all vote. Scores are
    shares of the votes cast; the margin is the lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    validation : Validation
        Given by `vote`.
    k : int
        How many neighbours; all rows where there are fewer.
    space : {"features", "ballots"}
        Near by features (each divided by its spread over the validation rows; numbers without gaps) or by how many
        models say the same. Rows equally near count in their order.
    X : DataFrame or array, optional
        Given by `vote`.
    """

    def weigh(right: np.ndarray) -> np.ndarray:
        so_far = np.logical_and.accumulate(right, axis=2)
        how_many = so_far.sum(axis=0)  # models right on the j + 1 nearest rows
        depth = np.maximum((how_many > 0).sum(axis=1) - 1, 0)
        return so_far[:, np.arange(right.shape[1]), depth].astype(np.int64)

    return _vote_of_competent(ballots, validation, k, space, X, weigh)


@rule(
    "knora_u",
    needs=("labels", "validation"),
    choices={"space": _SPACE},
    ranges=_RANGES,
    formula="argmax_k sum_i w_i [l_i = k], w_i how many of the k nearest validation rows model i is right on",
    source=_SOURCE,
    use="As knora_e, less abrupt: a model votes as often as it was right nearby.",
)
def knora_u(ballots: Ballots, validation: Validation, k: int = 7, space: str = "features", X: Any = None) -> Support:
    """Let each model vote as often as it is right on the k nearest validation rows.

    Where no model that answers was right on any, all vote once. Scores are shares of the votes cast; the margin is the
    lead.

    Parameters
    ----------
    ballots : Ballots
        What the models say.
    validation : Validation
        Given by `vote`.
    k : int
        How many neighbours; all rows where there are fewer.
    space : {"features", "ballots"}
        What near means, as for `knora_e`.
    X : DataFrame or array, optional
        Given by `vote`.
    """
    return _vote_of_competent(ballots, validation, k, space, X, lambda right: right.sum(axis=2))


def _vote_of_competent(ballots: Ballots, validation: Validation, k: int, space: str, X: Any, weigh: Any) -> Support:
    """Count votes by weights that `weigh` makes of who is right on which neighbour, nearest first."""
    counts = np.zeros((ballots.n_records, ballots.n_classes), dtype=np.int64)
    right = validation.right
    for records, near in _neighbours(ballots, validation, k, space, X):
        labels = ballots.labels[:, records]
        weights = weigh(right[:, near]) * (labels >= 0)
        nobody = weights.sum(axis=0) == 0
        weights = np.where(nobody, labels >= 0, weights)
        for number in range(ballots.n_classes):
            counts[records, number] = (weights * (labels == number)).sum(axis=0)
    return Support(counts, total=counts.sum(axis=1))


def _neighbours(
    ballots: Ballots, validation: Validation, k: int, space: str, X: Any
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of records and their nearest validation rows, nearest first: int (n_block, k)."""
    n_rows = validation.ballots.n_records
    if space == "ballots":
        here, there = ballots.labels, validation.ballots.labels
    else:
        here, there = _scaled(X, validation, ballots.n_records)
    step = max(_CELLS // n_rows, 1)
    for start in range(0, ballots.n_records, step):
        records = slice(start, min(start + step, ballots.n_records))
        parts = (
            (one[records, None] != other) if space == "ballots" else (one[records, None] - other) ** 2
            for one, other in zip(here, there, strict=True)
        )
        distance = add_up(parts, (records.stop - start, n_rows))
        yield records, np.argsort(distance, axis=1, kind="stable")[:, :k]


def _scaled(X: Any, validation: Validation, n_records: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both tables of features, one row for each feature, in units of its spread over the validation rows."""
    known = validation.X
    if known is None:
        raise FedlabError(
            "space='features' needs the validation rows' features; give validation=(ballots, truth, X), or "
            "space='ballots'"
        )
    if hasattr(X, "columns") and hasattr(known, "columns"):
        missing = [name for name in known.columns if name not in X.columns]
        if missing:
            raise FedlabError(f"X lacks column {missing[0]!r}, which the validation rows have; give the same columns")
        X = X[list(known.columns)]
    here, there = _numbers(X, "X"), _numbers(known, "the validation rows' X")
    if len(here) != n_records or here.shape[1:] != there.shape[1:]:
        raise FedlabError(
            f"X must have a row for each of {n_records} records and the validation rows' {there.shape[1:]} columns; "
            f"got shape {here.shape}"
        )
    spread = there.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return (here / spread).T, (there / spread).T


def _numbers(table: Any, what: str) -> np.ndarray:
    """Return a table as numbers without gaps."""
    try:
        array = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FedlabError(f"{what} holds what is no number ({error}); use space='ballots'") from error
    if array.ndim != 2 or not np.isfinite(array).all():
        raise FedlabError(
            f"{what} must be a table of numbers without gaps, shape (n_records, n_features); fill the gaps or use "
            "space='ballots'"
        )
    return array
