"""The cohort "diabetes-130": 101,766 hospital encounters of people with diabetes, from the UCI archive."""

import io
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fedlab.errors import FedlabError, unknown_name
from fedlab.records.choices import choose_features
from fedlab.records.schema import Schema
from fedlab.records.table import Records
from fedlab.records.uci import Archive, content_hash

ARCHIVE = Archive(
    cohort="diabetes-130",
    url="https://archive.ics.uci.edu/static/public/296/diabetes+130-us+hospitals+for+years+1999-2008.zip",
    page="https://archive.ics.uci.edu/dataset/296/diabetes+130-us+hospitals+for+years+1999-2008",
    folder="dataset_diabetes",
    zip_names=("dataset_diabetes.zip", "diabetes+130-us+hospitals+for+years+1999-2008.zip"),
    members=("diabetic_data.csv",),
    content="f9b5a8768108cf485030c6c923c1fdc05d81f0779bf7ab912c9f3b0c948a027e",
)
NUMBERS = (
    "admission_type_id", "discharge_disposition_id", "admission_source_id", "time_in_hospital",
    "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient", "number_emergency",
    "number_inpatient", "number_diagnoses",
)  # fmt: skip
DRUGS = (
    "metformin", "repaglinide", "nateglinide", "chlorpropamide", "glimepiride", "acetohexamide", "glipizide",
    "glyburide", "tolbutamide", "pioglitazone", "rosiglitazone", "acarbose", "miglitol", "troglitazone",
    "tolazamide", "insulin", "glyburide-metformin", "glipizide-metformin", "glimepiride-pioglitazone",
    "metformin-rosiglitazone", "metformin-pioglitazone",
)  # fmt: skip
CODES: dict[str, dict[str, int]] = {
    "age": {f"[{low}-{low + 10})": low + 5 for low in range(0, 100, 10)},
    "max_glu_serum": {"None": 0, "Norm": 1, ">200": 2, ">300": 3},
    "A1Cresult": {"None": 0, "Norm": 1, ">7": 2, ">8": 3},
    "change": {"No": 0, "Ch": 1},
    "diabetesMed": {"No": 0, "Yes": 1},
} | {name: {"No": 0, "Down": 1, "Steady": 2, "Up": 3} for name in DRUGS}
TEXTS = ("race", "gender", "diag_1", "medical_specialty")
FEATURES = (
    "race", "gender", "age", *NUMBERS, "diag_1", "max_glu_serum", "A1Cresult", "metformin", "insulin",
    "change", "diabetesMed",
)  # fmt: skip
# Classes, and the positive one, by the option target.
TARGETS: dict[str, tuple[dict[str, Any], Any]] = {
    "any": ({"NO": 0, ">30": 1, "<30": 1}, 1),
    "30days": ({"NO": 0, ">30": 0, "<30": 1}, 1),
    "three": ({"NO": "NO", ">30": ">30", "<30": "<30"}, "<30"),
}
REFUSED = {
    "weight": "it is missing in 97 % of the rows",
    "payer_code": "it is missing in 40 % of the rows and says who pays, not who is ill",
    "examide": "it is the same in all rows",
    "citoglipton": "it is the same in all rows",
    "diag_2": "only the first diagnosis is grouped here",
    "diag_3": "only the first diagnosis is grouped here",
    "encounter_id": "it is the identifier",
    "patient_nbr": "it is the group",
    "readmitted": "it is the target",
}
# First three digits of the ICD-9 code, both ends in; all else is "other".
DIAGNOSES = {
    "circulatory": ((390, 459), (785, 785)),
    "respiratory": ((460, 519), (786, 786)),
    "digestive": ((520, 579), (787, 787)),
    "diabetes": ((250, 250),),
    "injury": ((800, 999),),
    "musculoskeletal": ((710, 739),),
    "genitourinary": ((580, 629), (788, 788)),
    "neoplasms": ((140, 239),),
}
DECEASED = (11, 13, 14, 19, 20, 21)  # codes of discharge_disposition_id: died, or discharged to a hospice


def diabetes_130(features: Sequence[str] | None = None, target: str = "any", exclude_deceased: bool = False) -> Records:
    """Read the Diabetes 130-US Hospitals data, 1999 to 2008: was the patient readmitted?

    Codes that stand for the published texts: ``age`` the middle of its ten-year band; ``max_glu_serum`` and
    ``A1Cresult`` 0 not measured, 1 normal, 2 and 3 above the lower and the higher limit (200 and 300 mg/dl; 7
    and 8 %); each drug 0 not given, 1 dose lowered, 2 steady, 3 raised; ``change`` and ``diabetesMed`` 0 no,
    1 yes. ``diag_1`` is the group of the first diagnosis (Strack et al., table 2). ``race``, ``gender``,
    ``diag_1`` and ``medical_specialty`` are text; a gender "Unknown/Invalid" (3 rows) is missing, as is a
    race or specialty not recorded. Left out: ``weight``, ``payer_code``, ``examide``, ``citoglipton``,
    ``diag_2``, ``diag_3``.

    Parameters
    ----------
    features : sequence of str, optional
        Columns instead of the default ones (`FEATURES`); with a ``+`` before each name, besides them.
    target : {"any", "30days", "three"}, default="any"
        What ``readmitted`` holds: 1 for any readmission; 1 for one within 30 days; or the three published
        classes ``NO``, ``>30``, ``<30`` (the positive one).
    exclude_deceased : bool, default=False
        Leave out the 2,423 encounters that ended in death or in a hospice: these patients can hardly come
        back.

    Returns
    -------
    Records
        101,766 rows; identifier ``encounter_id``; group ``patient_nbr`` (71,518 patients, whose encounters no
        split may part); ``race``, ``gender`` and ``age`` are sensitive.

    Raises
    ------
    FedlabError
        If an option is not known, or the data can neither be found nor downloaded, or are not the published
        ones.

    Notes
    -----
    B. Strack et al., Impact of HbA1c measurement on hospital readmission rates, BioMed Research
    International, 2014.
    """
    if target not in TARGETS:
        raise unknown_name("target of cohort 'diabetes-130'", target, TARGETS)
    if not isinstance(exclude_deceased, bool):
        raise FedlabError(f"diabetes-130: exclude_deceased is {exclude_deceased!r}; give true or false")
    chosen = choose_features("diabetes-130", features, FEATURES, (*NUMBERS, *CODES, *TEXTS), REFUSED)
    classes, positive = TARGETS[target]
    schema = Schema(
        "encounter_id", chosen, "readmitted",
        sensitive=("race", "gender", "age"), group="patient_nbr", positive=positive,
    )  # fmt: skip
    table = parse(ARCHIVE.read())
    ARCHIVE.check_content(table_hash(table))
    if exclude_deceased:
        table = table[~table["discharge_disposition_id"].astype(int).isin(DECEASED)]
    coded = {name: _coded(name, table[name]) for name in schema.columns if name != "readmitted"}
    coded["readmitted"] = table["readmitted"].map(classes)
    frame = pd.DataFrame({name: coded[name] for name in schema.columns}).reset_index(drop=True)
    about = {
        "source": "J. Clore, K. Cios, J. DeShazo, B. Strack: Diabetes 130-US Hospitals, UCI Machine Learning "
        "Repository",
        "licence": "CC BY 4.0",
        "url": ARCHIVE.page,
        "rows": len(frame),
        "content_sha256": ARCHIVE.content,
    }
    return Records(frame, schema, "diabetes-130", about)


def parse(members: dict[str, bytes]) -> pd.DataFrame:
    """Parse the file into text, missing values as empty text; ``None`` is a value here: not measured."""
    table = pd.read_csv(io.BytesIO(members["diabetic_data.csv"]), dtype="str", keep_default_na=False)
    return table.replace({"?": "", "NaN": ""})


def table_hash(table: pd.DataFrame) -> str:
    """Return the content hash of the parsed file, columns in its own order."""
    return content_hash((name, table[name].tolist()) for name in table.columns)


def diagnosis_group(code: str) -> str | None:
    """Return the group of an ICD-9 code, None for a missing one.

    Examples
    --------
    >>> diagnosis_group("428"), diagnosis_group("250.83"), diagnosis_group("V57"), diagnosis_group("")
    ('circulatory', 'diabetes', 'other', None)
    """
    if not code:
        return None
    if not code[0].isdigit():
        return "other"
    number = int(code.split(".")[0])
    for group, ranges in DIAGNOSES.items():
        if any(low <= number <= high for low, high in ranges):
            return group
    return "other"


def _coded(name: str, column: pd.Series) -> pd.Series:
    if name in CODES:
        return column.map(CODES[name]).astype("int64")
    if name == "diag_1":
        groups = {code: diagnosis_group(code) for code in column.unique()}
        return pd.Series([groups[code] for code in column], index=column.index)
    if name in TEXTS:
        return column.mask(column.isin(["", "Unknown/Invalid"]))
    return column.astype("int64")
