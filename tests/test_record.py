"""What notebooks record: types, files with hashes, and what is refused without losing what was there."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.record import FILE, LONGEST, in_row, read_raw_record, read_record, record


def test_scalars_keep_their_types_through_the_file(tmp_path):
    """bool, int, float, text and None come back as they went in; NumPy's become plain ones."""
    values = {"yes": True, "n": 3, "x": 0.1, "whole": 1.0, "text": "nan", "nothing": None}
    record(tmp_path, **values, n64=np.int64(3), flag=np.bool_(False), zero_d=np.array(0.5))
    found = read_record(tmp_path)
    assert {name: found[name] for name in values} == values
    assert [type(found[name]) for name in ("yes", "n", "x", "whole", "n64", "flag", "zero_d")] == [
        bool, int, float, float, int, bool, float,
    ]  # fmt: skip


def test_lists_and_mappings_are_json_text_and_long_ones_are_refused(tmp_path):
    """One spelling whatever the order of keys; what a row cannot hold is told what to become."""
    record(tmp_path, cuts=(0.5, np.float64(0.25)), by={"b": 1, "a": [None]})
    assert read_record(tmp_path) == {"cuts": "[0.5,0.25]", "by": '{"a":[null],"b":1}'}
    record(tmp_path, long=[1] * (LONGEST // 2 - 1))
    with pytest.raises(FedlabError, match=r"long has 10,003 characters as JSON.*NumPy array or a DataFrame"):
        record(tmp_path, long=[1] * (LONGEST // 2 + 1))
    with pytest.raises(FedlabError, match="cuts cannot be JSON text"):
        record(tmp_path, cuts=[float("nan")])


def test_arrays_and_tables_become_files_whatever_their_size(tmp_path):
    """They read back equal; the record holds name, bytes and the SHA-256 of the very file."""
    table = pd.DataFrame({"id": ["NA", "nan", None], "n": [1, 2, 3]}, index=[7, 8, 9])
    made = record(tmp_path, margins=np.arange(6.0).reshape(2, 3), one=np.array(["a"]), verdicts=table)
    assert np.array_equal(np.load(tmp_path / made["margins"]["file"]), np.arange(6.0).reshape(2, 3))
    back = pd.read_parquet(tmp_path / made["verdicts"]["file"])
    assert back["n"].tolist() == [1, 2, 3] and back["id"].tolist()[:2] == ["NA", "nan"] and back["id"].isna()[2]
    for entry in made.values():
        held = (tmp_path / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(held).hexdigest() and entry["bytes"] == len(held)
    assert read_record(tmp_path)["one"] == "recorded/one.npy"
    assert in_row(read_raw_record(tmp_path)["one"], "runs/vote/k/") == "runs/vote/k/recorded/one.npy"


def test_a_path_is_a_file_of_the_run(tmp_path):
    """Inside the folder its name is recorded; elsewhere, or where no file is, the message says where to write."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "picture.svg").write_text("<svg/>")
    (tmp_path / "outside.txt").write_text("x")
    assert record(run, picture=run / "picture.svg")["picture"]["file"] == "picture.svg"
    for wrong, said in ((tmp_path / "outside.txt", "not in the run's folder"), (run / "none.txt", "no file is")):
        with pytest.raises(FedlabError, match=said):
            record(run, other=wrong)
    assert list(read_record(run)) == ["picture"]


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [(1, 0.5, True), (0.5, 1, True), (None, "a", True), (1, None, True), (1, True, False), (1, "1", False),
     ("a", np.zeros(1), False), (0.5, False, False)],
)  # fmt: skip
def test_a_name_keeps_its_type_within_a_run(tmp_path, first, second, fits):
    """int and float are one type, None fits all; a conflict names both and changes nothing."""
    record(tmp_path, x=first, other=1)
    if fits:
        record(tmp_path, x=second)
        assert read_record(tmp_path)["x"] == second
        return
    with pytest.raises(FedlabError, match=r"record: x was .* and is now .*; use one type, or another name"):
        record(tmp_path, other=2, x=second)
    assert read_record(tmp_path) == {"x": first, "other": 1}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "record None where a number is not defined"),
        (float("inf"), "record None"),
        (2**63, "beyond 64 bits"),
        (object(), "a recorded value is a number, a text"),
        ({1, 2}, "is a set"),
        (np.array([object()]), "an array of object"),
        (pd.DataFrame({"a": [1, "x"]}), "cannot be a Parquet table"),
    ],
)
def test_what_cannot_be_recorded_is_said_with_what_can(tmp_path, value, said):
    """Nothing is written for it."""
    with pytest.raises(FedlabError, match=said):
        record(tmp_path, x=value)
    assert not (tmp_path / FILE).exists()


def test_a_refused_value_leaves_the_files_of_the_others_as_they_were(tmp_path):
    """Not even those that came before it: what `record.json` says of them still holds, and no new one is there."""
    record(tmp_path, margins=np.zeros(3), table=pd.DataFrame({"n": [1]}))
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    later = {"margins": np.ones(3), "table": pd.DataFrame({"n": [2]}), "new": np.ones(2)}
    for bad in (object(), np.array([object()]), pd.DataFrame({"a": [1, "x"]})):
        with pytest.raises(FedlabError, match="record: bad"):
            record(tmp_path, **later, bad=bad)
        assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    with pytest.raises(FedlabError, match="use one type"):
        record(tmp_path, table=later["table"], margins=0.5)
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    made = record(tmp_path, **later)
    assert np.load(tmp_path / made["margins"]["file"]).tolist() == [1, 1, 1]


def test_a_name_that_would_leave_the_folder_names_no_file(tmp_path):
    """A file's name is made of its record's name."""
    with pytest.raises(FedlabError, match="cannot name a file"):
        record(tmp_path / "run", **{"../../escaped": np.zeros(2)})
    assert list(tmp_path.rglob("*.npy")) == []


def test_a_folder_that_recorded_nothing_says_what_to_call(tmp_path):
    """The message names the call; a record in the old form is read."""
    with pytest.raises(FedlabError, match=r"call record\(out_dir, name=value\)"):
        read_record(tmp_path)
    (Path(tmp_path) / FILE).write_text(json.dumps({"accuracy": 0.5}))
    assert read_record(tmp_path) == {"accuracy": 0.5}
