"""load_records and data_fingerprint: forms of a data parameter, options, own files; the embedded cohort."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.records import COHORTS, data_fingerprint, load_records, nhefs

TEXT = "id,age,site,sex,extra,ill\n1,40,x,f,7,no\n2,50,y,m,8,yes\n3,60,x,f,9,no\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write an own file into the working folder and return its description."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text(TEXT)
    return {"path": "my.csv", "id": "id", "target": "ill"}


def test_nhefs_is_the_real_table():
    """1,629 people, 318 deaths, 77 missing pressures, 14 with diabetes and 791 not asked."""
    records = load_records("nhefs")
    assert records.schema.columns == ("seqn", "age", "diabetes", "sbp", "death", "sex", "race")
    assert np.bincount(records.y).tolist() == [1311, 318]
    assert records.frame["diabetes"].value_counts().to_dict() == {0: 824, 1: 14, 2: 791}
    assert records.frame["sbp"].isna().sum() == 77
    assert records.frame["sex"].value_counts().to_dict() == {0: 799, 1: 830}
    assert records.frame["race"].value_counts().to_dict() == {0: 1414, 1: 215}
    assert records.frame.iloc[0].tolist() == [233, 42, 1, 175, 0, 0, 1]
    assert {name for name, dtype in records.frame.dtypes.items() if dtype == np.float64} == {"sbp"}
    assert (records.positive, records.about["rows"]) == (1, 1629)


def test_nhefs_is_read_without_importing_its_package():
    """Neither causaldata nor statsmodels, which it imports, is loaded: they cost seconds."""
    code = (
        "import sys; from fedlab.records import load_records; load_records('nhefs');"
        "print([name for name in ('causaldata', 'statsmodels', 'sklearn', 'pooch', 'scipy') if name in "
        "sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nhefs_features_replace_or_add():
    """A list replaces the default; names with a plus are added; every documented column can be had."""
    assert load_records({"name": "nhefs", "features": ["sex", "wt71"]}).schema.features == ("sex", "wt71")
    added = load_records({"name": "nhefs", "features": ["+cholesterol", "+age"]})
    assert added.schema.features == ("age", "diabetes", "sbp", "cholesterol")
    assert added.frame["cholesterol"].isna().sum() == 16
    every = load_records({"name": "nhefs", "features": list(nhefs.COLUMNS)})
    assert every.X.shape == (1629, len(nhefs.COLUMNS))
    with pytest.raises(FedlabError, match="mixes names with and without"):
        load_records({"name": "nhefs", "features": ["+sex", "age"]})


@pytest.mark.parametrize("name", ["yrdth", "modth", "dadth", "death", "seqn", "id", "censored"])
@pytest.mark.parametrize("target", ["death", "hbp"])
def test_nhefs_refuses_what_gives_the_outcome_away(name, target):
    """Parts of the date of death, the outcome, numbers of rows are no features, and the reason is given."""
    with pytest.raises(FedlabError, match=f"nhefs: '{name}' cannot be a feature: (it|the) "):
        load_records({"name": "nhefs", "target": target, "features": [name]})


def test_nhefs_high_blood_pressure_refuses_columns_with_the_same_gap():
    """Exactly the columns that are 2 wherever hbp is 2, and nowhere else, are refused with target hbp."""
    frame = load_records({"name": "nhefs", "features": list(nhefs.COLUMNS)}).frame
    gap = frame["hbp"] == 2
    same = {name for name in nhefs.COLUMNS if ((frame[name] == 2) == gap).all()} - {"hbp"}
    assert same == {"diabetes", "hbpmed", "pica", "boweltrouble"}
    for name in sorted(same | {"hbp"}):
        with pytest.raises(FedlabError, match=f"'{name}' cannot be a feature"):
            load_records({"name": "nhefs", "target": "hbp", "features": [f"+{name}"]})
    records = load_records({"name": "nhefs", "target": "hbp"})
    assert np.bincount(records.y).tolist() == [708, 130, 791]
    assert records.positive == 1


def test_nhefs_without_its_package_says_what_to_install(monkeypatch):
    """The error names the package."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FedlabError, match="pip install causaldata"):
        nhefs.nhefs()


def test_an_own_file_takes_all_other_columns_as_features(own):
    """Identifier, target, site and group are left out of the features; a name may be given."""
    records = load_records({**own, "site": "site", "sensitive": ["sex"], "positive": "no", "name": "mine"})
    assert records.schema.features == ("age", "sex", "extra")
    assert (records.schema.site, records.positive, records.name) == ("site", "no", "mine")
    assert load_records(own).schema.features == ("age", "site", "sex", "extra")
    assert load_records({**own, "features": ["age"]}).schema.features == ("age",)
    assert load_records(own).name == "my"


def test_json_text_is_a_mapping(own):
    """What papermill's -p can pass means the same as the mapping itself."""
    assert load_records(json.dumps(own)).frame.equals(load_records(own).frame)
    assert load_records('{"name": "synthetic", "n_rows": 40}').n_rows == 40
    assert data_fingerprint(json.dumps(own)) == data_fingerprint(own)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nhef", "cohort 'nhef' is not known; did you mean 'nhefs'?"),
        ("my.csv", 'give a mapping, such as {"path": "my.csv", '),
        ("shard.parquet", "give a mapping"),
        ("{'path': 'my.csv'}", "write it with double quotes"),
        (
            {"name": "synthetic", "n_row": 5},
            "'n_row' is not known; did you mean 'n_rows'? known: n_rows, seed",
        ),
        ({"name": "heart-disease", "x": 1}, "cohort 'heart-disease' has no options; take 'x' out"),
        ({"name": "nhefs", "target": "dead"}, "'dead' is not known; did you mean 'death'?"),
        ({"name": "nhefs", "features": "age"}, "features is 'age'; give a list"),
        ({"name": "nhefs", "features": ["agee"]}, "'agee' is not known; did you mean 'age'?"),
        ({"name": 3}, "name is 3"),
        ({"id": "id"}, "neither path nor name"),
        (7, "data is 7; give a cohort's name (diabetes-130, heart-disease, nhefs, synthetic)"),
        ({"path": "my.csv", "id": "id"}, "my.csv is given without target"),
        ({"path": "my.csv", "id": "id", "target": "ill", "traget": 1}, "did you mean 'target'?"),
        (
            {"path": "none.csv", "id": "id", "target": "ill"},
            "there is no file 'none.csv'; relative paths count from",
        ),
        ({"path": "my.csv", "id": "id", "target": "il"}, "there is no column 'il'; did you mean 'ill'?"),
        (
            {"path": "my.csv", "id": "id", "target": "ill", "features": "age"},
            "features is 'age'; give a list",
        ),
        ("json:loads", "needs the option 's'"),
        ("json:decoder", "is not a function"),
    ],
)
def test_a_wrong_description_says_how_to_mend_it(own, data, message):
    """Unknown names and keys get a suggestion, wrong forms an example."""
    with pytest.raises(FedlabError) as caught:
        load_records(data)
    assert message in str(caught.value)


def test_a_column_without_a_name_does_not_become_a_feature(own, tmp_path):
    """Row numbers that pandas wrote are refused as long as the features are not listed."""
    (tmp_path / "my.csv").write_text("," + TEXT.replace("\n", "\n0,", 3))
    with pytest.raises(FedlabError, match="column 1 has no name"):
        load_records(own)
    assert load_records({**own, "features": ["age"]}).X.shape == (3, 1)


def test_a_cohort_by_import_path(own, tmp_path, monkeypatch):
    """A user's function is found, checked, and its source file counts in the fingerprint."""
    module = tmp_path / "my_cohorts.py"
    text = (
        "from fedlab.records import load_records\n"
        "def good(n=30): return load_records({'name': 'synthetic', 'n_rows': n})\n"
        "def bad(): return 3\n"
    )
    module.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_records({"name": "my_cohorts:good", "n": 40}).n_rows == 40
    with pytest.raises(FedlabError, match="returned int; it must return"):
        load_records("my_cohorts:bad")
    before = data_fingerprint("my_cohorts:good")
    assert before == data_fingerprint({"name": "my_cohorts:good", "n": 30})
    module.write_text(text + "# changed\n")
    assert data_fingerprint("my_cohorts:good") != before


def test_the_fingerprint_follows_content_and_description_not_place(own, tmp_path, monkeypatch):
    """Other bytes or other roles change it; another folder or another way to write the same does not."""
    first = data_fingerprint(own)
    assert len(first) == 64
    assert data_fingerprint({**own, "path": str(tmp_path / "my.csv")}) == first
    assert data_fingerprint({**own, "sensitive": ["sex"]}) != first
    state = (tmp_path / "my.csv").stat()
    (tmp_path / "my.csv").write_text(TEXT.replace("40", "41"))
    os.utime(tmp_path / "my.csv", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert data_fingerprint(own) != first


def test_a_file_is_hashed_once_as_long_as_it_is_not_touched(own, monkeypatch):
    """A sweep may ask for each cell."""
    first = data_fingerprint(own)
    monkeypatch.setattr("fedlab.records.cohorts.sha256_file", lambda path: pytest.fail("hashed again"))
    assert data_fingerprint(own) == first


def test_fingerprints_of_cohorts_differ_by_name_and_option():
    """All cohorts and options give different values, defaults written out or not give the same."""
    described = [*COHORTS, {"name": "synthetic", "seed": 1}, {"name": "nhefs", "target": "hbp"}]
    assert len({data_fingerprint(data) for data in described}) == len(described) == 6
    assert data_fingerprint({"name": "synthetic", "seed": 0}) == data_fingerprint("synthetic")
