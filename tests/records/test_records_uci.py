"""The two UCI cohorts: real values, the fetching, and what a wrong archive says."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.records import diabetes_130, heart_disease, load_records


@pytest.fixture(scope="module")
def encounters(fedlab_data):
    """The diabetes-130 records, read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLAB_DATA", str(fedlab_data))
        yield load_records("diabetes-130")


@pytest.fixture
def archive(fedlab_data, tmp_path, monkeypatch):
    """Give a zip file in the archive's own style (question marks, CRLF), which pooch "downloads"."""
    members = heart_disease.ARCHIVE.read()
    path = tmp_path / "heart.zip"

    def pack(change=lambda name, data: data):
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("index", "not data")
            for name, data in members.items():
                styled = data.replace(b"NaN", b"?").replace(b"\n", b"\r\n")
                packed.writestr(f"heart/{name}", change(name, styled))

    calls = []

    def retrieve(url, known_hash, fname, path=None):
        calls.append((url, known_hash, fname))
        return str(tmp_path / "heart.zip")

    monkeypatch.delenv("FEDLAB_DATA", raising=False)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    pack.calls = calls
    return pack


def test_heart_disease_is_the_real_table(fedlab_data):
    """920 patients; sizes and positives by hospital; zeros that mean missing are missing."""
    records = load_records("heart-disease")
    frame = records.frame
    found = frame.groupby("hospital", sort=False)["disease"].agg(["size", "sum"])
    assert found.index.tolist() == ["cleveland", "hungary", "switzerland", "long-beach"]
    assert found["size"].tolist() == [303, 294, 123, 200]
    assert found["sum"].tolist() == [139, 106, 115, 149]
    assert np.bincount(records.y).tolist() == [411, 509]
    assert records.ids[[0, 303, 919]].tolist() == ["cleveland-1", "hungary-1", "long-beach-200"]
    assert frame.loc[frame["hospital"] == "switzerland", "chol"].isna().all()
    assert frame["chol"].isna().sum() == 30 + 172
    assert frame["trestbps"].isna().sum() == 59 + 1
    assert frame["chol"].min() > 0
    first = [63, 1, 1, 145, 233, 1, 2, 150, 0, 2.3, 3, 0, 6]
    assert records.X.iloc[0].tolist() == first
    assert [name for name in records.X if records.X[name].dtype == np.int64] == ["age", "sex", "cp"]
    assert (records.schema.site, records.schema.sensitive, records.positive) == ("hospital", ("sex",), 1)
    assert "hospital" not in records.X
    assert records.about["licence"] == "CC BY 4.0"


def test_the_archives_own_copy_is_read_whatever_its_bytes(archive, fedlab_data, monkeypatch):
    """Question marks and CRLF give the same table as the local copy; the address asked is UCI's."""
    archive()
    downloaded = load_records("heart-disease")
    url = "https://archive.ics.uci.edu/static/public/45/heart+disease.zip"
    assert archive.calls == [(url, None, "heart+disease.zip")]
    monkeypatch.setenv("FEDLAB_DATA", str(fedlab_data))
    pd.testing.assert_frame_equal(downloaded.frame, load_records("heart-disease").frame)


def test_one_changed_value_is_refused(archive):
    """A table that differs in a single digit is not the published one."""
    archive(lambda name, data: data.replace(b"63.0,1.0,1.0", b"64.0,1.0,1.0"))
    with pytest.raises(FedlabError, match=r"heart-disease: the data read are not the published.*download"):
        load_records("heart-disease")


def test_a_value_moved_to_the_next_column_is_refused():
    """The content hash parts values and columns."""
    from fedlab.records.uci import content_hash

    tables = [
        [("a", ["1", "2"]), ("b", ["3"])],
        [("a", ["1"]), ("b", ["2", "3"])],
        [("a", ["12"]), ("b", ["3"])],
        [("a", ["1", "2", "3"])],
        [("b", ["1", "2"]), ("a", ["3"])],
    ]
    assert len({content_hash(table) for table in tables}) == len(tables)


def test_a_zip_without_the_files_and_a_page_instead_of_a_zip(archive, tmp_path):
    """The error says what to delete and download again."""
    with zipfile.ZipFile(tmp_path / "heart.zip", "w") as packed:
        packed.writestr("other.txt", "")
    with pytest.raises(FedlabError, match=r"heart\.zip is not the zip file with processed\.cleveland.*delete"):
        load_records("heart-disease")
    (tmp_path / "heart.zip").write_text("<html>please log in</html>")
    with pytest.raises(FedlabError, match=r"not the zip file.*delete it and download"):
        load_records("heart-disease")


def test_no_network_says_how_to_go_on(monkeypatch):
    """A failed download names the address, the file name wanted and FEDLAB_DATA."""

    def offline(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.delenv("FEDLAB_DATA", raising=False)
    monkeypatch.setattr("pooch.retrieve", offline)
    with pytest.raises(FedlabError) as caught:
        load_records("diabetes-130")
    for part in ("no route to host", "static/public/296/", "1999-2008.zip", "FEDLAB_DATA"):
        assert part in str(caught.value)


def test_a_folder_without_the_files_says_what_it_should_hold(tmp_path, monkeypatch):
    """With FEDLAB_DATA set nothing is downloaded behind the user's back."""
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.retrieve", lambda *args, **kwargs: pytest.fail("downloaded"))
    with pytest.raises(FedlabError, match=r"neither uci_heart\.zip nor heart\+disease\.zip nor uci_heart/"):
        load_records("heart-disease")


def test_a_zip_downloaded_by_hand_is_found(archive, tmp_path, monkeypatch):
    """The file under the archive's own name in FEDLAB_DATA is read."""
    archive()
    (tmp_path / "heart.zip").rename(tmp_path / "heart+disease.zip")
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    assert load_records("heart-disease").n_rows == 920


def test_diabetes_130_is_the_real_table(encounters):
    """101,766 encounters of 71,518 patients; classes, codes and groups as counted in the published file."""
    frame = encounters.frame
    assert encounters.n_rows == 101_766
    assert len(np.unique(encounters.groups)) == 71_518
    assert np.bincount(encounters.y).tolist() == [54_864, 35_545 + 11_357]
    assert frame["max_glu_serum"].value_counts().to_dict() == {0: 96_420, 1: 2_597, 2: 1_485, 3: 1_264}
    assert frame["A1Cresult"].value_counts().to_dict() == {0: 84_748, 1: 4_990, 2: 3_812, 3: 8_216}
    assert frame["insulin"].value_counts().to_dict() == {0: 47_383, 1: 12_218, 2: 30_849, 3: 11_316}
    assert frame["age"].value_counts()[[5, 75, 95]].tolist() == [161, 26_068, 2_793]
    assert frame["gender"].value_counts().to_dict() == {"Female": 54_708, "Male": 47_055}
    assert frame["gender"].isna().sum() == 3
    assert frame["race"].isna().sum() == 2_273
    assert frame["diag_1"].isna().sum() == 21
    assert frame["change"].sum() == 47_011
    dropped = {"weight", "payer_code", "examide", "citoglipton", "encounter_id", "patient_nbr"}
    assert not dropped & set(encounters.X)
    assert encounters.schema.sensitive == ("race", "gender", "age")
    assert encounters.X.iloc[0].tolist()[:6] == ["Caucasian", "Female", 5, 6, 25, 1]


def test_first_diagnoses_are_grouped_as_published(encounters):
    """Circulatory disease leads with 30 %, then other; diabetes is any code 250."""
    shares = encounters.frame["diag_1"].value_counts(normalize=True)
    assert set(shares.index) == {*diabetes_130.DIAGNOSES, "other"}
    assert shares["circulatory"] == pytest.approx(0.30, abs=0.005)
    assert shares["diabetes"] == pytest.approx(0.086, abs=0.002)
    pairs = {
        "389": "other", "390": "circulatory", "459.9": "circulatory", "785": "circulatory",
        "460": "respiratory", "787": "digestive", "250.01": "diabetes", "249": "other", "800": "injury",
        "999": "injury", "739": "musculoskeletal", "788": "genitourinary", "239": "neoplasms", "240": "other",
        "E909": "other",
    }  # fmt: skip
    assert {code: diabetes_130.diagnosis_group(code) for code in pairs} == pairs


@pytest.mark.parametrize(
    ("target", "counts", "positive"),
    [
        ("30days", {0: 90_409, 1: 11_357}, 1),
        ("three", {"NO": 54_864, ">30": 35_545, "<30": 11_357}, "<30"),
    ],
)
def test_targets_of_diabetes_130(fedlab_data, target, counts, positive):
    """The other targets have the published counts, and the positive class is early readmission."""
    records = diabetes_130.diabetes_130(target=target)
    assert records.frame["readmitted"].value_counts().to_dict() == counts
    assert records.positive == positive


def test_options_of_diabetes_130(fedlab_data, encounters):
    """The deceased can be left out, drugs added; leaking and constant columns are refused with the reason."""
    more = ["+glipizide-metformin", "+medical_specialty"]
    alive = diabetes_130.diabetes_130(exclude_deceased=True, features=more)
    assert alive.n_rows == 101_766 - 2_423
    assert not alive.frame["discharge_disposition_id"].isin(diabetes_130.DECEASED).any()
    assert alive.schema.features[-2:] == ("glipizide-metformin", "medical_specialty")
    assert alive.frame["glipizide-metformin"].sum() == 2 * 13
    reasons = {"weight": "missing in 97 %", "examide": "same in all rows", "patient_nbr": "group"}
    for name, reason in reasons.items():
        with pytest.raises(FedlabError, match=f"'{name}' cannot be a feature: it is .*{reason}"):
            diabetes_130.diabetes_130(features=[name])
    with pytest.raises(FedlabError, match="did you mean '30days'"):
        diabetes_130.diabetes_130(target="30day")
    with pytest.raises(FedlabError, match="exclude_deceased is 'yes'"):
        diabetes_130.diabetes_130(exclude_deceased="yes")


def test_a_missing_mark_is_no_part_of_the_diabetes_content(fedlab_data):
    """Question marks, NaN and empty cells give one content hash; None stays a value of its own."""

    def hash_of(mark):
        text = f"race,max_glu_serum\n{mark},None\nAsian,Norm\n"
        return diabetes_130.table_hash(diabetes_130.parse({"diabetic_data.csv": text.encode()}))

    assert hash_of("?") == hash_of("NaN") == hash_of("")
    assert hash_of("?") != hash_of("None")
