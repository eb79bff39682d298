"""The guarantees of a split, over random tables, shard counts and seeds."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_tables import scheme_calls, table, tables

from fedlab.errors import FedlabError
from fedlab.partition import split_records
from fedlab.records import Records


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    tables(),
    scheme_calls(),
    st.integers(1, 9),
    st.sampled_from([0, 0.2, 0.5]),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_every_split_keeps_its_promises(records, call, n_shards, holdout, min_rows, seed):
    """Each row in one shard or the holdout, exactly n shards, none too small, groups whole, all classes."""
    scheme, options = call
    try:
        split = split_records(records, scheme, n_shards, holdout, min_rows, seed, **options)
    except FedlabError as error:
        pool = records.n_rows - round(holdout * records.n_rows)
        assert pool < n_shards * min_rows if records.groups is None else "groups" in str(error)
        return
    shards = [split.shard(number) for number in range(n_shards)]
    parts = [*shards, *([split.holdout] if holdout else [])]
    assert sorted(np.concatenate([part.ids for part in parts])) == sorted(records.ids)
    assert split.n_shards == n_shards and min(part.n_rows for part in shards) >= min_rows
    assert set(np.concatenate([part.y for part in shards])) == set(records.y)
    if records.groups is not None:
        homes = {}
        for number, part in enumerate(parts):
            for patient in part.groups:
                assert homes.setdefault(patient, number) == number
    again = split_records(records, scheme, n_shards, holdout, min_rows, seed, **options)
    assert np.array_equal(split.assignment, again.assignment)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(tables(), scheme_calls(), st.integers(2, 6), st.integers(0, 99))
def test_columns_and_their_order_do_not_matter(records, call, n_shards, seed):
    """Reversed columns and an added one give the same assignment."""
    scheme, options = call
    frame = records.frame[list(records.frame.columns)[::-1]].assign(weight=1.5)
    other = Records(frame, records.schema, "another name")
    one = split_records(records, scheme, n_shards, min_rows=1, seed=seed, **options)
    two = split_records(other, scheme, n_shards, min_rows=1, seed=seed, **options)
    assert np.array_equal(one.assignment, two.assignment)


@pytest.mark.parametrize("dtype", ["int8", "float32", "bool", "str", "object", "category"])
def test_classes_of_any_type_are_split_alike(dtype):
    """What the classes are called does not change who gets which row."""
    codes = np.random.default_rng(0).integers(0, 2, 200)
    plain = split_records(table(codes), "dirichlet", 4, alpha=0.3)
    named = table(codes)
    words = np.array(["alive", "dead"])[codes] if dtype in ("str", "object", "category") else codes
    named = Records(named.frame.assign(ill=words).astype({"ill": dtype}), named.schema, "named")
    assert np.array_equal(split_records(named, "dirichlet", 4, alpha=0.3).assignment, plain.assignment)


def test_seeds_differ_and_shards_keep_table_order():
    """Another seed gives another split; rows of a shard stand in the table's order."""
    records = table([0, 1] * 100)
    one, two = (split_records(records, n_shards=3, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.assignment, two.assignment)
    assert all(np.all(np.diff(one.rows(number)) > 0) for number in (-1, 0, 1, 2))
    assert one.shard(2).ids.tolist() == records.ids[one.assignment == 2].tolist()


def test_the_same_in_another_process():
    """A fresh interpreter with another hash seed draws the same split."""
    code = (
        "import pandas as pd;"
        "from fedlab.partition import split_records; from fedlab.records import Records, Schema;"
        "f = pd.DataFrame({'id': range(60), 'age': 1, 'ill': list('abc') * 20});"
        "r = Records(f, Schema('id', ['age'], 'ill'), 't');"
        "print(split_records(r, 'dirichlet', 4, alpha=.3).assignment.tolist())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]
    assert runs[0] == runs[1] and runs[0].startswith("[")


def test_a_recorded_split_stays_the_same():
    """The split of a small table is the one recorded here: a change of it changes every published result."""
    split = split_records(table([0, 1, 1] * 6), "dirichlet", 3, alpha=0.5, seed=7)
    assert split.assignment.tolist() == [2, 0, 0, 2, -1, -1, -1, 0, 2, 2, 2, 1, 2, -1, 0, 2, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_shards": 0}, "n_shards must be a whole number of 1 or more, got 0"),
        ({"n_shards": 2.0}, "n_shards must be a whole number of 1 or more, got 2.0"),
        ({"n_shards": True}, "n_shards must be a whole number"),
        ({"n_shards": 17}, "more than the 16 rows there are outside the holdout; give at most 16"),
        ({"n_shards": 9}, "need 18 rows, but there are 16 .* n_shards of at most 8 or min_rows of at most 1"),
        ({"n_shards": 2, "min_rows": 0}, "min_rows must be a whole number of 1 or more"),
        ({"n_shards": 2, "seed": -1}, "seed must be a whole number of 0 or more"),
        ({"n_shards": 2, "holdout": 1.0}, "holdout must be a share"),
        ({"n_shards": 2, "beta": 1}, "takes no options, got 'beta'; leave it out"),
    ],
)
def test_impossible_requests_are_refused(arguments, says):
    """Impossible numbers are refused with the value got and what is possible."""
    with pytest.raises(FedlabError, match=says):
        split_records(table([0, 1] * 10), **arguments)


def test_shards_that_do_not_exist():
    """Asking for a shard out of range is an error, not another shard."""
    split = split_records(table([0, 1] * 10), n_shards=2)
    for number in (2, -1):
        with pytest.raises(FedlabError, match=f"shard {number} does not exist; there are 2"):
            split.shard(number)


A_MILLION = [
    ("iid", {}),
    ("stratified", {}),
    ("dirichlet", {}),
    ("dirichlet_organisations", {"alpha": 0.1}),
    ("quantity", {}),
    ("lognormal", {}),
    ("pathological", {"classes_per_organisation": 1}),
    ("sorted_shards", {}),
    ("feature", {"column": "age", "strictness": 0.5}),
    ("clusters", {"columns": ["age", "dose"]}),
    ("mixed", {"size": "linear"}),
    ("site", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "options"), A_MILLION)
@pytest.mark.parametrize("n_shards", [10, 1000])
def test_a_million_rows(scheme, options, n_shards):
    """A million rows over ten and a thousand shards: exact, and none below min_rows."""
    rng = np.random.default_rng(0)
    sites = rng.integers(0, n_shards, 10**6) if scheme == "site" else None
    records = table(rng.integers(0, 2, 10**6), sites=sites, dose=rng.normal(size=10**6))
    split = split_records(records, scheme, None if sites is not None else n_shards, min_rows=10, **options)
    sizes = np.bincount(split.assignment + 1)
    assert sizes[0] == 200_000 and len(sizes) == n_shards + 1 and sizes.min() >= 10
