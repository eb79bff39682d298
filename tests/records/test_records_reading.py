"""Reading and writing tables: values survive, bytes repeat, suffixes are checked."""

import gzip
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.records import Schema, column_kinds, read_table, write_table
from fedlab.records.reading import MISSING

SCHEMA = Schema("id", ["x", "n", "word"], "ill")
SETTINGS = settings(derandomize=True, max_examples=20, deadline=None)
words = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=6).filter(
    lambda word: word not in MISSING
)
rows = st.lists(
    st.tuples(
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.none()),
        st.integers(-(2**63), 2**63 - 1),
        st.one_of(words, st.none()),
    ),
    min_size=2,
    max_size=8,
)


def frame_of(drawn):
    """Build a table with two classes from drawn rows."""
    return pd.DataFrame(
        {
            "id": range(len(drawn)),
            "x": pd.Series([row[0] for row in drawn], dtype="float64"),
            "n": pd.Series([row[1] for row in drawn], dtype="int64"),
            "word": pd.Series([row[2] for row in drawn], dtype="str"),
            "ill": ["no", "yes"] + ["no"] * (len(drawn) - 2),
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@SETTINGS
@given(drawn=rows)
def test_a_round_trip_keeps_every_value(tmp_path_factory, suffix, drawn):
    """What was written is read back bit for bit: decimals, great integers, any text, missing cells."""
    path = tmp_path_factory.mktemp("trip") / f"t{suffix}"
    frame = frame_of(drawn)
    write_table(frame, path)
    again = read_table(path, SCHEMA, part=True, kinds=column_kinds(frame)).frame
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    assert np.signbit(again["x"]).tolist() == np.signbit(frame["x"]).tolist()


@SETTINGS
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_decimals_are_exact_without_any_hint(tmp_path_factory, values):
    """A plain reading gives the very floats that were written."""
    path = tmp_path_factory.mktemp("exact") / "t.csv"
    frame = pd.DataFrame({"id": range(len(values)), "x": values, "ill": [0, 1] + [1] * (len(values) - 2)})
    write_table(frame, path)
    assert read_table(path, Schema("id", ["x"], "ill")).frame["x"].tolist() == values


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_the_same_table_gives_the_same_bytes(tmp_path, suffix):
    """Two writings under different names have equal bytes: no time and no name is in them."""
    frame = frame_of([(0.1, 1, "a"), (None, 2, None)])
    write_table(frame, tmp_path / f"one{suffix}")
    write_table(frame, tmp_path / f"another{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"another{suffix}").read_bytes()


def test_csv_has_line_feeds_and_no_index(tmp_path):
    """The CSV text is exactly header and rows, each ended by one line feed; packed CSV holds the same."""
    frame = frame_of([(0.5, 1, "a,b"), (None, 2, None)])
    text = 'id,x,n,word,ill\n0,0.5,1,"a,b",no\n1,,2,,yes\n'
    write_table(frame, tmp_path / "t.csv")
    write_table(frame, tmp_path / "t.csv.gz")
    assert (tmp_path / "t.csv").read_bytes() == text.encode()
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == text.encode()


def test_text_that_csv_would_lose_is_not_written(tmp_path):
    """A text that reads as missing is refused for CSV, nothing is written, and Parquet keeps it."""
    frame = frame_of([(1.0, 1, "None"), (2.0, 2, "b")])
    for suffix in (".csv", ".csv.gz"):
        with pytest.raises(FedlabError, match=r"column 'word' holds the text 'None'.*Parquet"):
            write_table(frame, tmp_path / f"t{suffix}")
    assert list(tmp_path.iterdir()) == []
    write_table(frame, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", SCHEMA).frame["word"].tolist() == ["None", "b"]


def test_float32_is_written_so_that_it_reads_as_the_same_number(tmp_path):
    """0.1 as float32 is not 0.1: its exact value comes back."""
    frame = pd.DataFrame({"id": [1, 2], "x": np.array([0.1, 0.5], dtype="float32"), "ill": [0, 1]})
    write_table(frame, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", Schema("id", ["x"], "ill")).frame["x"][0] == float(np.float32(0.1))


@pytest.mark.parametrize("name", ["t.xlsx", "t.tsv", "t.csv.zip", "t"])
def test_other_suffixes_are_refused_by_name(tmp_path, name):
    """Reading and writing say which suffixes are known."""
    (tmp_path / name).write_text("id,x,ill\n1,2,3\n")
    for act in (lambda path: read_table(path, SCHEMA), lambda path: write_table(pd.DataFrame(), path)):
        with pytest.raises(FedlabError, match=r"\.csv, \.csv\.gz, \.parquet"):
            act(tmp_path / name)


def read(tmp_path, text, schema, **options):
    """Write a text as CSV and read it."""
    path = tmp_path / "my.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, schema, **options)


def test_a_file_is_described_and_named(tmp_path):
    """Name, rows and the file's own SHA-256 are recorded."""
    text = "id,x,ill\n1,2,0\n2,3,1\n"
    records = read(tmp_path, text, Schema("id", ["x"], "ill"))
    assert records.name == "my"
    assert records.about == {
        "source": "my.csv",
        "licence": "not stated",
        "url": None,
        "rows": 2,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert read(tmp_path, text, Schema("id", ["x"], "ill"), name="other").name == "other"


def test_identifiers_and_sites_with_leading_zeros_stay_text(tmp_path):
    """007 and 7 are two people; plain numbers in the same file stay numbers."""
    schema = Schema("id", ["x"], "ill", site="s", sensitive=["age"])
    records = read(tmp_path, "id,x,ill,s,age,plain\n007,1,0,01,6.5,1\n7,2,1,02,7,2\n", schema)
    assert records.ids.tolist() == ["007", "7"]
    assert records.sites.tolist() == ["01", "02"]
    assert records.y.dtype == np.int64
    assert records.frame["age"].tolist() == [6.5, 7.0]
    assert records.frame["plain"].dtype == np.int64


def test_identifiers_that_look_like_decimals_or_are_too_long_stay_text(tmp_path):
    """1.10 and 1.1 are two identifiers; twenty digits do not fit a number."""
    schema = Schema("id", ["x"], "ill")
    assert read(tmp_path, "id,x,ill\n1.10,1,0\n1.1,2,1\n", schema).ids.tolist() == ["1.10", "1.1"]
    long = ["12345678901234567890", "99999999999999999999999"]
    assert read(tmp_path, f"id,x,ill\n{long[0]},1,0\n{long[1]},2,1\n", schema).ids.tolist() == long


def test_missing_marks_and_whole_numbers(tmp_path):
    """Empty, ? and NA are missing; a column of whole numbers without them stays whole."""
    records = read(tmp_path, "id,x,n,ill\n1,?,4,0\n2,NA,5,1\n3,,6,1\n4,2,7,1\n", Schema("id", ["x", "n"], "ill"))
    assert records.frame["x"].isna().tolist() == [True, True, True, False]
    assert records.frame["n"].dtype == np.int64


def test_truth_values_and_those_with_gaps(tmp_path):
    """True/False stays truth values; with a gap it becomes 1, 0 and missing."""
    records = read(tmp_path, "id,a,b,ill\n1,True,,0\n2,False,True,1\n3,True,False,1\n", Schema("id", ["a", "b"], "ill"))
    assert records.frame["a"].tolist() == [True, False, True]
    assert records.frame["b"].tolist()[1:] == [1.0, 0.0]
    assert np.isnan(records.frame["b"][0])


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    """Spreadsheets put one before the header."""
    assert read(tmp_path, b"\xef\xbb\xbfid,x,ill\n1,2,0\n2,3,1\n", Schema("id", ["x"], "ill")).n_rows == 2


def test_a_shard_of_a_text_column_reads_as_text(tmp_path):
    """With the whole table's kinds, digits in a text column stay text, and an empty part keeps its types."""
    kinds = {"id": "int", "code": "text", "x": "float", "ill": "text"}
    schema = Schema("id", ["code", "x"], "ill")
    part = read(tmp_path, "id,code,x,ill\n1,250,,3\n2,401,,3\n", schema, part=True, kinds=kinds)
    assert part.frame["code"].tolist() == ["250", "401"]
    assert part.y.tolist() == ["3", "3"]
    empty = read(tmp_path, "id,code,x,ill\n", schema, part=True, kinds=kinds)
    assert column_kinds(empty.frame) == kinds


def test_parquet_types_become_the_plain_ones(tmp_path):
    """Nullable, categorical and narrow columns read as int64, float64, bool and text."""
    frame = pd.DataFrame(
        {
            "id": np.array([1, 2], dtype="int16"),
            "a": pd.array([1, None], dtype="Int64"),
            "b": pd.Series(["u", "v"], dtype="category"),
            "c": pd.array([True, False], dtype="boolean"),
            "d": np.array([1.5, 2], dtype="float32"),
            "ill": pd.array([0, 1], dtype="Int8"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    read_back = read_table(tmp_path / "t.parquet", Schema("id", list("abcd"), "ill"))
    assert column_kinds(read_back.frame) == {
        "id": "int", "a": "float", "b": "text", "c": "bool", "d": "float", "ill": "int",
    }  # fmt: skip
    assert read_back.y.dtype == np.int64
