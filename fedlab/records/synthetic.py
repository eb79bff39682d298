"""The cohort "synthetic": any number of made-up patients from one explicit table of probabilities."""

from functools import cache

import numpy as np
import pandas as pd

from fedlab.records.choices import whole_number
from fedlab.records.schema import Schema
from fedlab.records.table import Records
from fedlab.seeds import rng

AGES = np.arange(18, 96)
PRESSURES = np.arange(80, 221)
SCHEMA = Schema("PatientID", ("Age", "Diabetic", "BloodPressureLevel"), "Disease", sensitive=("Age",), positive=1)


def synthetic(n_rows: int = 10_000, seed: int = 0) -> Records:
    """Make patients with age, diabetes, systolic blood pressure and cardiovascular disease.

    Every row is drawn independently from the table of `joint`. The links have the direction that the medical
    literature reports; the coefficients are chosen for plausible margins, not fitted to any data:

    - Age, whole years 18 to 95: about even up to middle age, then falling, as in an adult population.
    - Diabetic, 0 or 1: rarer than 2 % in young adults, then rising with age to a plateau of about a quarter,
      as the CDC and the IDF describe; about 11 % in all.
    - BloodPressureLevel, systolic, whole mmHg from 80 to 220: normal around a mean that rises with age and
      with diabetes, wider in the old (the picture behind the ACC/AHA hypertension guideline).
    - Disease, 0 or 1: logistic in age, diabetes and pressure, the classical factors of the Framingham risk
      scores; about 23 % in all.

    A million rows hold some 23,000 distinct ones (identifier aside).

    Parameters
    ----------
    n_rows : int, default=10000
        Number of patients, 2 to 10,000,000.
    seed : int, default=0
        Seed, 0 or greater.

    Returns
    -------
    Records
        With ``about["bayes"]``: what the best possible classifier scores on this population (see `bayes`).

    Raises
    ------
    FedlabError
        If an option is not a whole number in its range.

    Examples
    --------
    >>> records = synthetic(n_rows=1000)
    >>> records.frame.columns.tolist()
    ['PatientID', 'Age', 'Diabetic', 'BloodPressureLevel', 'Disease']
    >>> round(records.about["bayes"]["accuracy"], 3)
    0.831
    """
    whole_number("synthetic", "n_rows", n_rows, 2, 10_000_000)
    whole_number("synthetic", "seed", seed, 0, 2**63 - 1)
    mass, risk = joint()
    draws = rng(seed, "synthetic")
    cells = _draw(np.cumsum(mass), draws.random(n_rows))
    age, diabetic, pressure = np.unravel_index(cells, (len(AGES), 2, len(PRESSURES)))
    frame = pd.DataFrame(
        {
            "PatientID": np.arange(1, n_rows + 1),
            "Age": AGES[age],
            "Diabetic": diabetic,
            "BloodPressureLevel": PRESSURES[pressure],
            "Disease": (draws.random(n_rows) < risk[cells]).astype(np.int64),
        }
    )
    about = {
        "source": f"fedlab's own generative model, seed {seed}",
        "licence": "Apache-2.0",
        "url": None,
        "rows": n_rows,
        "bayes": bayes(mass, risk),
    }
    return Records(frame, SCHEMA, "synthetic", about)


@cache
def joint() -> tuple[np.ndarray, np.ndarray]:
    """Return the whole population as a flat table over the cells (age, diabetic, pressure).

    Returns
    -------
    mass : numpy.ndarray
        Probability of each cell; sums to 1.
    risk : numpy.ndarray
        Probability of disease in each cell.
    """
    age = AGES[:, None, None]
    diabetic = np.arange(2)[None, :, None]
    pressure = PRESSURES[None, None, :]
    p_age = _logistic((70 - AGES) / 9)
    p_age = (p_age / p_age.sum())[:, None, None]
    p_diabetic = 0.27 * _logistic((age - 52) / 9)
    mean = 112 + 0.45 * (age - 18) + 6 * diabetic
    spread = 12 + 0.06 * (age - 18)
    p_pressure = np.exp(-0.5 * ((pressure - mean) / spread) ** 2)
    p_pressure /= p_pressure.sum(axis=2, keepdims=True)
    mass = p_age * np.where(diabetic == 1, p_diabetic, 1 - p_diabetic) * p_pressure
    risk = _logistic(-1.6 + 0.075 * (age - 50) + 0.7 * diabetic + 0.018 * (pressure - 120))
    mass, risk = mass.ravel(), risk.ravel()
    mass.flags.writeable = risk.flags.writeable = False
    return mass, risk


def bayes(mass: np.ndarray, risk: np.ndarray) -> dict[str, float]:
    """Score the best possible classifier, which knows the risk in each cell, exactly.

    Parameters
    ----------
    mass : numpy.ndarray
        Probability of each cell, summing to 1.
    risk : numpy.ndarray
        Probability of the positive class in each cell.

    Returns
    -------
    dict of str to float
        ``accuracy`` of saying the likelier class; ``auc`` of the risk as score, ties counted half;
        ``log_loss`` in nats and ``brier`` (mean squared difference) of the risk as probability.

    Examples
    --------
    >>> bayes(np.array([0.5, 0.5]), np.array([0.0, 0.5]))["accuracy"]
    0.75
    """
    scores, tied = np.unique(risk, return_inverse=True)
    positive = np.bincount(tied, mass * risk, len(scores))
    negative = np.bincount(tied, mass * (1 - risk), len(scores))
    below = np.cumsum(negative) - negative
    auc = (positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = -np.nan_to_num(risk * np.log(risk)) - np.nan_to_num((1 - risk) * np.log(1 - risk))
    return {
        "accuracy": float((mass * np.maximum(risk, 1 - risk)).sum()),
        "auc": float(auc),
        "log_loss": float((mass * surprise).sum()),
        "brier": float((mass * risk * (1 - risk)).sum()),
    }


def _draw(cumulative: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the cell that each uniform number in [0, 1) falls into."""
    # Rounding may leave the last sum a hair below 1: a number above it belongs to the last cell.
    return np.minimum(np.searchsorted(cumulative, uniform, side="right"), len(cumulative) - 1)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))
