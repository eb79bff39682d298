"""Distinct rows and contingency tables: brute force, parts in any order, files in blocks as files read whole."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.records import ContingencyTable, Schema, contingency_table, load_records, read_table
from fedlab.records import distinct as module
from fedlab.records.distinct import estimated_distinct, group_rows

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -3.0, 0.5, 1e300, -1e300, 2.0**24, float("nan"), float("inf")])
WHOLE = st.sampled_from([0, 1, -1, 127, -128, 5])
TEXT = st.sampled_from(["a", "b", "", "1", None])
SCHEMA = Schema("id", ["age", "note"], "ill")


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WHOLE, TEXT), min_size=1, max_size=30))
def test_groups_are_the_distinct_rows(rows):
    """Rows share a group just where all their values are equal, a missing one to a missing one."""
    floats, ints, texts = zip(*rows, strict=True)
    columns = [np.array(floats), np.array(ints, dtype=np.int8), np.array(texts, dtype=object)]
    groups = group_rows(columns)
    keys = [(repr(a + 0.0), b, c) for a, b, c in rows]
    assert len(groups.first) == len(set(keys)) == len({(keys[row], groups.codes[row]) for row in range(len(rows))})
    assert [keys[row] for row in groups.first[groups.codes]] == keys
    assert groups.counts.tolist() == [Counter(keys)[keys[row]] for row in groups.first]


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WHOLE), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_rows(rows, random):
    """The distinct rows come in the order of their values, whatever the order of the rows."""
    shuffled = random.sample(rows, len(rows))
    found = []
    for one in (rows, shuffled):
        columns = [np.array(column, dtype=float) for column in zip(*one, strict=True)]
        groups = group_rows(columns)
        found.append(np.stack([column[groups.first] for column in columns]) + 0.0)
    assert np.array_equal(*found, equal_nan=True)
    assert found[0][0].tobytes() == np.sort(found[0][0]).tobytes()


def test_many_wide_columns_do_not_overflow():
    """Twelve columns of a million possible values each: their product is far beyond 64 bits."""
    columns = list(np.random.default_rng(0).integers(0, 10**6, (12, 500)))
    twice = [np.concatenate([column, column]) for column in columns]
    groups = group_rows(twice)
    assert len(groups.first) == 500 and groups.codes[:500].tolist() == groups.codes[500:].tolist()


@pytest.mark.parametrize("n_distinct", [20, 3000, 30_000, 100_000])
def test_the_estimate_of_distinct_rows_is_near(n_distinct):
    """Of 200,000 rows with as many distinct ones, equally common: within a third."""
    values = np.random.default_rng(1).integers(0, n_distinct, 200_000).astype(float)
    assert estimated_distinct([values]) == pytest.approx(len(np.unique(values)), rel=1 / 3)


def test_the_estimate_of_few_rows_is_exact(monkeypatch):
    """Up to the size of the sample every row is looked at; where none repeats, all rows are distinct."""
    monkeypatch.setattr(module, "SAMPLE", 100)
    assert estimated_distinct([np.arange(100) // 3]) == 34
    assert estimated_distinct([np.arange(500.0)]) == 500


def frame_of(n_rows: int) -> pd.DataFrame:
    """Give records with whole numbers, gaps, decimals, text and truth values."""
    draws = np.random.default_rng(n_rows)
    return pd.DataFrame(
        {
            "id": np.arange(n_rows),
            "age": np.where(draws.random(n_rows) < 0.1, np.nan, draws.integers(20, 24, n_rows)),
            "dose": draws.choice([0.5, 1.0, 2.25], n_rows),
            "note": draws.choice(np.array(["x", 'a "b", c', "lines\nin it"], dtype=object), n_rows),
            "ill": draws.choice(np.array(["no", "yes"], dtype=object), n_rows),
        }
    )


def counted(frame: pd.DataFrame, columns: list[str]) -> dict:
    """Count rows one by one."""
    return Counter(map(repr, frame[columns].itertuples(index=False, name=None)))


def as_counts(table: ContingencyTable, columns: list[str]) -> dict:
    """Return a table as a mapping."""
    rows = table.frame[columns].itertuples(index=False, name=None)
    return dict(zip(map(repr, rows), table.counts.astype(int).tolist(), strict=True))


def test_a_table_counts_rows():
    """Hand-worked: three records, two kinds; features in the frame's order, rows sorted."""
    frame = pd.DataFrame({"age": [60, 40, 60], "ill": ["yes", "no", "yes"]})
    table = ContingencyTable(frame, [1, 1, 1], "ill")
    assert table.to_frame().to_dict("list") == {"age": [40, 60], "ill": ["no", "yes"], "count": [1, 2]}
    assert (table.total, len(table), table.features, table.y.tolist()) == (3.0, 2, ["age"], ["no", "yes"])
    assert "2 distinct rows" in repr(table)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.randoms(use_true_random=False))
def test_parts_in_any_order_add_up_to_the_whole(cuts, random):
    """However a table is cut, and whether parts are frames or tables, the sum is the table of all rows."""
    frame = frame_of(300)
    columns = ["age", "dose", "note", "ill"]
    edges = [0, *sorted(cuts), 300]
    parts = [frame.iloc[start:end] for start, end in pairwise(edges)]
    random.shuffle(parts)
    whole = contingency_table([frame], columns[:3], "ill")
    mixed = [contingency_table([part], columns[:3], "ill") if len(part) % 2 else part for part in parts]
    table = contingency_table(mixed, columns[:3], "ill")
    assert as_counts(table, columns) == counted(frame, columns)
    pd.testing.assert_frame_equal(table.to_frame(), whole.to_frame())


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_file_in_blocks_is_counted_as_one_read_whole(tmp_path, suffix):
    """Quoted line feeds, gaps and any block size: the table of the file is that of the records read from it."""
    path = tmp_path / f"my{suffix}"
    frame = frame_of(400)
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    schema = Schema("id", ["age", "dose", "note"], "ill")
    whole = ContingencyTable.from_records(read_table(path, schema))
    for block_bytes in (40, 3000, 10**6):
        table = ContingencyTable.from_file(path, schema, block_bytes)
        pd.testing.assert_frame_equal(table.to_frame(), whole.to_frame())


def test_numbers_written_in_several_ways_are_one_number(tmp_path):
    """1 and 1.0 in one column, in different blocks, are the same value."""
    path = tmp_path / "my.csv"
    path.write_text("id,age,note,ill\n1,1,x,0\n2,1.0,x,0\n3,2.5,x,1\n")
    table = ContingencyTable.from_file(path, SCHEMA, 1)
    assert table.to_frame().to_dict("list") == {"age": [1.0, 2.5], "note": ["x", "x"], "ill": [0, 1], "count": [2, 1]}


def test_it_is_read_as_it_was_written(tmp_path):
    """A written table comes back, noisy counts included; the column of counts may have another name."""
    frame = pd.DataFrame({"age": [40, 60], "count": [1, 2], "ill": ["no", "yes"]})
    table = ContingencyTable(frame, [3.25, -0.1], "ill")
    with pytest.raises(FedlabError, match="'count' of its own"):
        table.write(tmp_path / "t.csv")
    table.write(tmp_path / "t.csv", count="n")
    back = ContingencyTable.read(tmp_path / "t.csv", "ill", count="n")
    pd.testing.assert_frame_equal(back.to_frame("n"), table.to_frame("n"))
    assert table.clipped().counts.tolist() == [3.25, 0.0] and len(table.clipped()) == 2


def test_records_are_counted_by_features_and_target_alone():
    """The identifier is not in the table, and the counts add up to the rows."""
    table = ContingencyTable.from_records(load_records({"name": "synthetic", "n_rows": 5000}))
    assert list(table.frame.columns) == ["Age", "Diabetic", "BloodPressureLevel", "Disease"]
    assert table.total == 5000 and len(table) < 4000


def test_bad_tables_are_refused_with_the_reason(tmp_path):
    """Missing columns, counts that are none, tables that do not fit, a file that is none."""
    frame = pd.DataFrame({"age": [1, 2], "ill": [0, 1]})
    table = ContingencyTable(frame, [1, 1], "ill")
    with pytest.raises(FedlabError, match="no target column 'sick'"):
        ContingencyTable(frame, [1, 1], "sick")
    with pytest.raises(FedlabError, match="finite counts"):
        ContingencyTable(frame, [1, np.nan], "ill")
    with pytest.raises(FedlabError, match="finite counts"):
        ContingencyTable(frame, [1], "ill")
    with pytest.raises(FedlabError, match="lacks a value"):
        ContingencyTable(frame.assign(ill=[1, None]), [1, 1], "ill")
    with pytest.raises(FedlabError, match="count the same columns"):
        table + ContingencyTable(frame.rename(columns={"age": "Age"}), [1, 1], "ill")
    with pytest.raises(FedlabError, match="'age' is text in one"):
        table + ContingencyTable(frame.assign(age=["x", "y"]), [1, 1], "ill")
    with pytest.raises(FedlabError, match="no part"):
        contingency_table([])
    with pytest.raises(FedlabError, match="say which columns"):
        contingency_table([frame])
    with pytest.raises(FedlabError, match="no column 'dose'"):
        contingency_table([frame], ["dose"], "ill")
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(FedlabError, match="no column of numbers called 'count'"):
        ContingencyTable.read(tmp_path / "t.csv", "ill")
    with pytest.raises(FedlabError, match="cannot be read"):
        ContingencyTable.read(tmp_path / "none.csv", "ill")
    (tmp_path / "my.csv").write_text("id,age,note,ill\n1,1,x,0\n2,1,x\n")
    with pytest.raises(FedlabError, match="row 2 holds 3 values"):
        ContingencyTable.from_file(tmp_path / "my.csv", SCHEMA)
