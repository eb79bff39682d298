"""The cohort "nhefs": 1,629 real patients of the NHANES I follow-up, from the PyPI package causaldata."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import sha256_file
from fedlab.records.choices import choose_features
from fedlab.records.schema import Schema
from fedlab.records.table import Records

FEATURES = {"death": ("age", "diabetes", "sbp"), "hbp": ("age", "sbp", "wt71")}
# What may be a feature. Unless another year is named, it was recorded in 1971; code 2 of a diagnosis or a
# medicine that was not asked of everybody means "not asked". Deaths happened from 1983 on, after all of this.
COLUMNS = {
    "age": "age in years",
    "sex": "0 male, 1 female",
    "race": "0 white, 1 black or other",
    "sbp": "systolic blood pressure in 1982, mmHg; 77 missing",
    "dbp": "diastolic blood pressure in 1982, mmHg; 81 missing",
    "diabetes": "diagnosed diabetes: 0 no, 1 yes, 2 not asked (791 people)",
    "hbp": "diagnosed high blood pressure: 0 no, 1 yes, 2 not asked (791 people)",
    "hbpmed": "medicine for high blood pressure: 0 no, 1 yes, 2 not asked",
    "income": "family income, codes 11 (least) to 22 (most); 62 missing",
    "marital": "marital status, code",
    "school": "highest grade of school",
    "education": "1 (8th grade or less) to 5 (college or more)",
    "ht": "height, cm",
    "wt71": "weight, kg",
    "wt82": "weight in 1982, kg; 63 missing",
    "wt82_71": "weight change 1971 to 1982, kg; 63 missing",
    "qsmk": "stopped smoking between 1971 and 1982: 0 no, 1 yes",
    "smokeintensity": "cigarettes a day",
    "smkintensity82_71": "change in cigarettes a day, 1971 to 1982",
    "smokeyrs": "years of smoking",
    "asthma": "ever diagnosed: 0 no, 1 yes",
    "bronch": "chronic bronchitis or emphysema ever diagnosed",
    "tb": "tuberculosis ever diagnosed",
    "hf": "heart failure ever diagnosed",
    "pepticulcer": "peptic ulcer ever diagnosed",
    "colitis": "colitis ever diagnosed",
    "hepatitis": "hepatitis ever diagnosed",
    "chroniccough": "chronic cough ever diagnosed",
    "hayfever": "hay fever ever diagnosed",
    "polio": "polio ever diagnosed",
    "tumor": "malignant tumour ever diagnosed",
    "nervousbreak": "nervous breakdown ever diagnosed",
    "alcoholpy": "a drink in the past year: 0 no, 1 yes, 2 unknown",
    "alcoholfreq": "how often drinks, code",
    "alcoholtype": "what drinks most, code",
    "alcoholhowmuch": "drinks at a time; 417 missing",
    "pica": "eats clay, starch or the like: 0 no, 1 yes, 2 not asked",
    "headache": "headache medicine",
    "otherpain": "medicine for other pains",
    "weakheart": "medicine for a weak heart",
    "allergies": "medicine for allergies",
    "nerves": "medicine for nerves",
    "lackpep": "medicine for lack of pep",
    "boweltrouble": "medicine for bowel trouble: 0 no, 1 yes, 2 not asked",
    "wtloss": "medicine for weight loss",
    "infection": "medicine for infection",
    "active": "usual day: 0 very active, 1 moderately, 2 inactive",
    "exercise": "recreation: 0 much exercise, 1 moderate, 2 little or none",
    "birthcontrol": "birth control pills: 0 no, 1 yes, 2 not asked or a man",
    "pregnancies": "number of pregnancies; 903 missing",
    "cholesterol": "serum cholesterol, mg/100 ml; 16 missing",
}
_NEVER = {
    "seqn": "it is the identifier",
    "id": "it is a running number of the rows",
    "death": "it is the outcome, or happened after the outcome",
    "yrdth": "the year of death is known for the dead only: it gives the outcome away",
    "modth": "the month of death is known for the dead only: it gives the outcome away",
    "dadth": "the day of death is known for the dead only: it gives the outcome away",
    "censored": "it says who could not be weighed in 1982, and was made for another analysis",
    "older": "it is age > 50; use age",
}
_NOT_ASKED = "it is 2 (not asked) for exactly the people whose hbp is 2: it gives that class away"
_REFUSED = {
    "death": _NEVER,
    "hbp": _NEVER
    | {"hbp": "it is the target", "hbpmed": "it is the treatment of the target, and " + _NOT_ASKED}
    | dict.fromkeys(("diabetes", "pica", "boweltrouble"), _NOT_ASKED),
}


def nhefs(features: Sequence[str] | None = None, target: str = "death") -> Records:
    """Read the NHANES I follow-up study as Hernán and Robins use it: smokers aged 25 to 74 in 1971.

    Parameters
    ----------
    features : sequence of str, optional
        Names from `COLUMNS` instead of the default ones (``age``, ``diabetes``, ``sbp``); with a ``+`` before
        each name, besides them. Columns that give the outcome away are refused.
    target : {"death", "hbp"}, default="death"
        ``death``: dead by 1992, 318 of 1,629. ``hbp``: high blood pressure diagnosed in 1971, 0 no, 1 yes, 2
        not asked; by default from ``age``, ``sbp``, ``wt71``, because ``diabetes`` was not asked of the same
        people.

    Returns
    -------
    Records
        Identifier ``seqn``; ``sex`` and ``race`` are sensitive; the positive class is 1. Diabetes code 2,
        "not asked", is kept as it is. Columns with no missing value are whole numbers where all their values
        are.

    Raises
    ------
    FedlabError
        If causaldata is not installed, or a feature or target cannot be chosen.

    Notes
    -----
    M. A. Hernán and J. M. Robins, Causal Inference: What If, 2020, chapter 12.

    Examples
    --------
    >>> nhefs().X.shape
    (1629, 3)
    >>> nhefs(features=["+cholesterol"]).schema.features
    ('age', 'diabetes', 'sbp', 'cholesterol')
    """
    if target not in FEATURES:
        raise unknown_name("target of cohort 'nhefs'", target, FEATURES)
    known = [name for name in COLUMNS if name not in _REFUSED[target]]
    chosen = choose_features("nhefs", features, FEATURES[target], known, _REFUSED[target])
    schema = Schema("seqn", chosen, target, sensitive=("sex", "race"), positive=1)
    path = data_path()
    table = pd.read_stata(path, columns=list(schema.columns), convert_categoricals=True)
    frame = pd.DataFrame({name: _numbers(table[name]) for name in schema.columns})
    about = {
        "source": "NHANES I Epidemiologic Follow-up Study, from the PyPI package causaldata",
        "licence": "MIT (the package); public data of the US National Center for Health Statistics",
        "url": "https://github.com/NickCH-K/causaldata",
        "rows": len(frame),
        "sha256": sha256_file(path),
    }
    return Records(frame, schema, "nhefs", about)


def data_path() -> Path:
    """Return where the installed package causaldata keeps the table.

    Raises
    ------
    FedlabError
        If it is not installed, or without the table.
    """
    # The package is found but not imported: importing it takes seconds (it imports statsmodels).
    found = importlib.util.find_spec("causaldata")
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        path = Path(folder) / "nhefs" / "nhefs.dta"
        if path.is_file():
            return path
    raise FedlabError(
        "nhefs: the package causaldata with its file nhefs/nhefs.dta is not installed; pip install causaldata"
    )


def _numbers(column: pd.Series) -> pd.Series:
    """Return codes as numbers, and whole numbers as int64 where none is missing."""
    values = column.astype("object").astype("float64")
    whole = values.notna().all() and np.array_equal(values, np.round(values))
    return values.astype("int64") if whole else values
