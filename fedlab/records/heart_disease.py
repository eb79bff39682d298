"""The cohort "heart-disease": 920 patients of four hospitals, from the UCI archive."""

import io

import numpy as np
import pandas as pd

from fedlab.records.schema import Schema
from fedlab.records.table import Records
from fedlab.records.uci import Archive, content_hash

HOSPITALS = {
    "cleveland": "processed.cleveland.data",
    "hungary": "processed.hungarian.data",
    "switzerland": "processed.switzerland.data",
    "long-beach": "processed.va.data",
}
ARCHIVE = Archive(
    cohort="heart-disease",
    url="https://archive.ics.uci.edu/static/public/45/heart+disease.zip",
    page="https://archive.ics.uci.edu/dataset/45/heart+disease",
    folder="uci_heart",
    zip_names=("uci_heart.zip", "heart+disease.zip"),
    members=tuple(HOSPITALS.values()),
    content="e3dbf92e7eaa37a6e012eadeaa772fa6a2bf3b9c15cfb4d397c2a077d8d5635d",
)
FEATURES = (
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca",
    "thal",
)  # fmt: skip
SCHEMA = Schema("patient", FEATURES, "disease", sensitive=("sex",), site="hospital", positive=1)


def heart_disease() -> Records:
    """Read the UCI Heart Disease data: patients sent for a coronary angiography in four hospitals.

    The features are the 13 that all published work uses (ages in years, pressures in mmHg, cholesterol in
    mg/dl, the rest codes and exercise readings). A cholesterol or a blood pressure of 0 is no measurement and
    read as missing: Switzerland has no cholesterol at all. ``ca``, ``thal`` and ``slope`` are mostly missing
    outside Cleveland.

    Returns
    -------
    Records
        920 rows; identifier ``patient`` (hospital and row, such as ``cleveland-1``), site ``hospital``
        (cleveland 303, hungary 294, switzerland 123, long-beach 200), target ``disease``: 1 where the
        published ``num`` is above 0 (an artery narrowed by half or more), else 0.

    Raises
    ------
    FedlabError
        If the data can neither be found nor downloaded, or are not the published ones.

    Notes
    -----
    A. Janosi, W. Steinbrunn, M. Pfisterer and R. Detrano, Heart Disease, UCI Machine Learning Repository,
    data set 45, 1988, CC BY 4.0. R. Detrano et al., American Journal of Cardiology 64, 1989, 304-310.
    """
    tables = parse(ARCHIVE.read())
    ARCHIVE.check_content(table_hash(tables))
    frame = pd.concat([_labelled(hospital, table) for hospital, table in tables.items()], ignore_index=True)
    for name in ("trestbps", "chol"):
        frame[name] = frame[name].where(frame[name] != 0)
    whole = [
        name for name in FEATURES if frame[name].notna().all() and np.array_equal(frame[name], np.round(frame[name]))
    ]
    about = {
        "source": "A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano: Heart Disease, UCI Machine Learning Repository",
        "licence": "CC BY 4.0",
        "url": ARCHIVE.page,
        "rows": len(frame),
        "content_sha256": ARCHIVE.content,
    }
    return Records(frame.astype(dict.fromkeys(whole, "int64")), SCHEMA, "heart-disease", about)


def parse(members: dict[str, bytes]) -> dict[str, pd.DataFrame]:
    """Parse the four files into numbers, missing ones as NaN; ``?`` and ``NaN`` both mean missing."""
    names = [*FEATURES, "num"]
    return {
        hospital: pd.read_csv(io.BytesIO(members[member]), header=None, names=names, na_values=["?"], dtype="float64")
        for hospital, member in HOSPITALS.items()
    }


def table_hash(tables: dict[str, pd.DataFrame]) -> str:
    """Return the content hash of the four parsed files, in the order of `HOSPITALS`."""
    return content_hash(
        (f"{hospital}.{name}", ("" if np.isnan(value) else repr(float(value)) for value in table[name]))
        for hospital, table in tables.items()
        for name in table.columns
    )


def _labelled(hospital: str, table: pd.DataFrame) -> pd.DataFrame:
    labelled = table.drop(columns="num")
    labelled.insert(0, "patient", [f"{hospital}-{row}" for row in range(1, len(table) + 1)])
    return labelled.assign(disease=(table["num"] > 0).astype("int64"), hospital=hospital)
