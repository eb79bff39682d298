"""One cell of a sweep as one flat row: the vote, its baselines, its intervals, and what figures need."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlab.errors import FedlabError, unknown_name
from fedlab.evidence.agreement import agreement, margin_histogram, upper_triangle
from fedlab.evidence.answers import Answers, make_answers
from fedlab.evidence.baselines import model_answers, organisations_alone
from fedlab.evidence.certified import CERTIFIED_COLUMNS
from fedlab.evidence.intervals import bootstrap, paired_difference
from fedlab.evidence.metrics import METRICS, measure_answers
from fedlab.files import canonical_json

if TYPE_CHECKING:
    from fedlab.voting import Ballots, Verdict

INTERVAL_METRICS = ("accuracy", "roc_auc")
"""The metrics that carry bootstrap intervals in every row."""

CONTEXT = (
    "bayes_accuracy",
    "bayes_roc_auc",
    "n_rows",
    "data_bytes",
    "data_compressed_bytes",
    "model_bytes",
    "question_bytes",
    "label_ballot_bytes",
    "probability_ballot_bytes",
    "skew_js",
    "skew_hellinger",
    "skew_tv",
    "skew_wasserstein",
    "skew_ks",
    "skew_features_js",
    "skew_gini",
    "skew_effective",
    "skew_auc",
    "skew_quality",
    "organisation_rows",
    "organisation_class_counts",
)
"""What the ballots cannot know: `evaluate_vote` takes it in a dict. Each may be left out and is then None."""

_ENDS = ("_low", "_high")
ROW_COLUMNS = (
    *METRICS,
    "coverage",
    "tied",
    *(name + end for name in INTERVAL_METRICS for end in _ENDS),
    *(f"centralised_{name}" for name in METRICS),
    *(f"centralised_{name}{end}" for name in INTERVAL_METRICS for end in _ENDS),
    *(f"pooled_trees_{name}" for name in METRICS),
    *(f"difference_{name}{end}" for name in INTERVAL_METRICS for end in ("", *_ENDS)),
    *(f"organisation_{name}_{which}" for name in METRICS for which in ("mean", "best", "worst")),
    "organisation_best",
    "n_holdout",
    "agreement_mean",
    *CONTEXT,
    "classes",
    "organisations",
    "agreement",
    "margin_right",
    "margin_wrong",
    *CERTIFIED_COLUMNS,
)
"""The columns that `evaluate_vote` fills, in their order; the sweep puts the parameters before them."""


def evaluate_vote(
    ballots: "Ballots",
    verdict: "Verdict",
    truth: ArrayLike,
    positive: Any = None,
    *,
    central: "Ballots | None" = None,
    pooled: "ArrayLike | Ballots | None" = None,
    context: Mapping[str, Any] | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
    certified: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compute one row of the results table.

    Parameters
    ----------
    ballots : Ballots
        What the organisations' models say of the holdout.
    verdict : Verdict
        What a rule made of it.
    truth : array (n_records,) of class values
        The truth of the holdout.
    positive : object, optional
        The positive class; by default the greatest.
    central : Ballots, optional
        What the one model trained on all rows says of the same records.
    pooled : float array (n_records, n_classes) or Ballots, optional
        Mean class probabilities over all trees of all organisations' forests, columns as ``ballots.classes``;
        the greatest is the prediction, the first of equals. Only where the models are forests.
    context : dict, optional
        What the ballots cannot know, by the names of `CONTEXT`; ``organisation_rows`` are ``ballots.sizes``
        where it does not say. The columns of ``organisation_class_counts``
        are ``ballots.classes``, unless ``context`` also holds ``classes``.
    n_resamples, level, seed, groups
        Of the bootstrap over holdout rows (see `bootstrap`).
    certified : dict, optional
        What `certified_columns` found for the same vote.

    Returns
    -------
    dict
        One value for each of `ROW_COLUMNS`, in that order: numbers, None where not defined, and compact JSON
        texts. ``tied`` is the share of tied records, ``agreement_mean`` the mean over pairs of organisations,
        ``agreement`` its upper triangle row by row, rounded to 4 digits; ``margin_right`` and
        ``margin_wrong`` are counts in 20 bins on [0, 1]. ``difference_*`` is the vote less the centralised
        model, paired by row.

    Raises
    ------
    FedlabError
        If parts disagree in length or classes, or the context holds an unknown name.
    """
    told = _checked_context(context or {}, ballots)
    known = _all_classes(ballots, verdict, central)
    voted = make_answers(truth, verdict.labels, verdict.scores, verdict.classes, positive, known)
    options: dict[str, Any] = {"n_resamples": n_resamples, "level": level, "seed": seed, "groups": groups}
    row: dict[str, Any] = measure_answers(voted)
    row["tied"] = float(np.mean(verdict.tied))
    row |= _intervals("", voted, options)
    if central is not None:
        if len(central.labels) != 1:
            raise FedlabError(f"central holds {len(central.labels)} models; the centralised baseline is exactly one")
        alone = model_answers(central, 0, truth, positive, known)
        row |= _prefixed("centralised_", alone) | _intervals("centralised_", alone, options)
        for metric in INTERVAL_METRICS:
            found = paired_difference(voted, alone, metric, **options)
            names = (f"difference_{metric}{end}" for end in ("", *_ENDS))
            row |= dict(zip(names, found, strict=True))
    if pooled is not None:
        row |= _prefixed("pooled_trees_", _pooled_answers(pooled, ballots, truth, positive, known))
    row |= organisations_alone(ballots, truth, positive, known)
    row |= _for_figures(ballots, verdict, voted) | told | dict(certified or {})
    return {name: row.get(name) for name in ROW_COLUMNS}


def _all_classes(ballots: "Ballots", verdict: "Verdict", central: "Ballots | None") -> list[Any]:
    """Return every class that anybody knows, so that all are measured on one list."""
    parts = [ballots.classes, verdict.classes, *([] if central is None else [central.classes])]
    return [value for part in parts for value in np.asarray(part).tolist()]


def _prefixed(prefix: str, answers: Answers) -> dict[str, float | None]:
    found = measure_answers(answers)
    return {prefix + name: found[name] for name in METRICS}


def _intervals(prefix: str, answers: Answers, options: Mapping[str, Any]) -> dict[str, float | None]:
    found = bootstrap(answers, INTERVAL_METRICS, **options)
    return {
        f"{prefix}{name}{end}": value for name, ends in found.items() for end, value in zip(_ENDS, ends, strict=True)
    }


def _pooled_answers(
    pooled: "ArrayLike | Ballots", ballots: "Ballots", truth: ArrayLike, positive: Any, known: list[Any]
) -> Answers:
    if hasattr(pooled, "labels"):
        return model_answers(cast("Ballots", pooled), 0, truth, positive, known)
    probabilities = np.asarray(pooled, dtype=float)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(ballots.classes):
        raise FedlabError(
            f"pooled has shape {probabilities.shape}; its columns must be the ballots' {len(ballots.classes)} classes"
        )
    return make_answers(truth, probabilities.argmax(axis=1), probabilities, ballots.classes, positive, known)


def _for_figures(ballots: "Ballots", verdict: "Verdict", voted: Answers) -> dict[str, Any]:
    alike: NDArray[np.float64] = upper_triangle(agreement(ballots))
    defined = alike[~np.isnan(alike)]
    right, wrong = margin_histogram(verdict.margins, voted.right, voted.predicted >= 0)
    return {
        "n_holdout": voted.n_records,
        "agreement_mean": float(defined.mean()) if len(defined) else None,
        "classes": canonical_json(ballots.classes),
        "organisations": canonical_json([str(name) for name in ballots.organisations]),
        "agreement": canonical_json([None if np.isnan(share) else round(float(share), 4) for share in alike]),
        "margin_right": canonical_json(right),
        "margin_wrong": canonical_json(wrong),
    }


def _checked_context(context: Mapping[str, Any], ballots: "Ballots") -> dict[str, Any]:
    """Check what the caller adds, and turn its lists into JSON text."""
    allowed = (*CONTEXT, "classes")
    for name in context:
        if name not in allowed:
            raise unknown_name("context", name, allowed)
    told = {name: value for name, value in context.items() if value is not None}
    if "organisation_rows" not in told and ballots.sizes is not None:
        told["organisation_rows"] = np.asarray(ballots.sizes).astype(np.int64)
    n_models, n_classes = len(ballots.labels), len(told.get("classes", ballots.classes))
    for name, shape in (
        ("organisation_rows", (n_models,)),
        ("organisation_class_counts", (n_models, n_classes)),
    ):
        if name in told and np.shape(told[name]) != shape:
            raise FedlabError(
                f"context: {name} has shape {np.shape(told[name])}; with {n_models} organisations and "
                f"{n_classes} classes it must be {shape}"
            )
    texts = ("organisation_rows", "organisation_class_counts", "classes")
    return {name: canonical_json(value) if name in texts else value for name, value in told.items()}
