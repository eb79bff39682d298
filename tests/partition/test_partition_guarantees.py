"""The guarantees that every scheme gives, over random tables, options, shard counts and seeds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.partition import SCHEMES, export_assignment, split_records
from fedlab.records import Records, Schema, read_table, write_table

ANY_COUNT = [
    ("iid", {}),
    ("stratified", {}),
    ("quantity", {"exponent": 2.0}),
    ("linear", {}),
    ("square", {}),
    ("exponential", {}),
    ("lognormal", {"sigma": 2}),
    ("dirichlet_sizes", {"alpha": 0.2}),
    ("dirichlet", {"alpha": 0.05}),
    ("dirichlet_organisations", {"alpha": 0.1}),
    ("dirichlet_organisations", {"alpha": 2, "size": {"scheme": "lognormal", "sigma": 0.5}}),
    ("pathological", {"classes_per_organisation": 1}),
    ("pathological", {"classes_per_organisation": 2}),
    ("sorted_shards", {}),
    ("sorted_shards", {"shards_per_organisation": 3}),
    ("feature", {"column": "dose"}),
    ("feature", {"column": "dose", "strictness": 0.4}),
    ("feature_groups", {"column": "ward"}),
    ("feature_groups", {"column": "ward", "strictness": 0.5}),
    ("clusters", {}),
    ("clusters", {"strictness": 0.3, "columns": ["dose"]}),
    ("grouped_sites", {"column": "ward"}),
    ("mixed", {"size": "linear", "label": {"scheme": "dirichlet", "alpha": 0.1}}),
    ("mixed", {"size": {"scheme": "lognormal", "sigma": 0.3}, "label": "pathological"}),
]

NEVER_REFUSED = {scheme for scheme, _ in ANY_COUNT[:11]} | {"feature"}  # but for want of rows


@st.composite
def rich_tables(draw, grouped=None):
    """Draw a table of 60 to 140 rows with a skewed number, a few wards, 2 to 4 classes, and groups or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_classes = draw(st.integers(60, 140)), draw(st.integers(2, 4))
    labels = rng.choice(n_classes, n, p=rng.dirichlet(np.full(n_classes, 5.0)))
    labels[: 4 * n_classes] = np.tile(np.arange(n_classes), 4)
    frame = pd.DataFrame(
        {
            "id": [f"p{number}" for number in rng.permutation(n)],
            "dose": np.exp(rng.normal(size=n)).round(draw(st.integers(0, 6))),
            "age": rng.integers(20, 90, n),
            "ward": rng.choice(list("ABCDEFGHIJKL"), n),
            "ill": np.array(["a", "b", "c", "d"])[labels],
        }
    )
    if draw(st.booleans()):
        frame = frame.sort_values("ill", ignore_index=True)
    grouped = draw(st.booleans()) if grouped is None else grouped
    if grouped:  # wards follow the patient, as whole wards must not part one
        frame["patient"] = rng.integers(0, n // 2, n)
        frame["ward"] = np.array(list("ABCDEFGHIJKL"))[frame["patient"] % 12]
    return Records(frame, Schema("id", ["dose", "age", "ward"], "ill", group="patient" if grouped else None), "random")


CALLS = st.sampled_from(ANY_COUNT)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(rich_tables(), CALLS, st.integers(1, 8), st.sampled_from([0, 0.25]), st.integers(1, 4), st.integers(0, 99))
def test_every_row_once_n_shards_none_too_small(records, call, n_shards, holdout, min_rows, seed):
    """Each row in exactly one shard or the holdout, n shards, none below min_rows, groups whole, and again the same."""
    scheme, options = call
    try:
        split = split_records(records, scheme, n_shards, holdout, min_rows, seed, **options)
    except FedlabError as error:
        assert "give " in str(error) or "leave" in str(error)
        if scheme in NEVER_REFUSED and records.groups is None:
            assert records.n_rows - round(holdout * records.n_rows) < n_shards * min_rows
        return
    parts = [split.shard(number) for number in range(n_shards)]
    assert min(part.n_rows for part in parts) >= min_rows and split.n_shards == n_shards
    parts += [split.holdout] if holdout else []
    assert sorted(np.concatenate([part.ids for part in parts])) == sorted(records.ids)
    assert len(split.copies) == 0
    if records.groups is not None:
        assert pd.Series(split.assignment).groupby(records.groups).nunique().max() == 1
    again = split_records(records, scheme, n_shards, holdout, min_rows, seed, **options)
    assert np.array_equal(split.assignment, again.assignment)


def test_few_requests_are_refused():
    """The property above is about splits, not about refusals: every scheme splits an ordinary table."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(200), "dose": rng.normal(size=200), "age": rng.integers(0, 9, 200)})
    frame["ward"], frame["ill"] = rng.choice(list("ABCDEFGH"), 200), np.arange(200) % 3
    records = Records(frame, Schema("id", ["dose", "age"], "ill"), "ordinary")
    for scheme, options in ANY_COUNT:
        assert split_records(records, scheme, 5, **options).n_shards == 5
    assert {scheme for scheme, _ in ANY_COUNT} >= set(SCHEMES) - {
        "site", "sizes", "class_distribution", "overlap", "vertical", "from_file"
    }  # fmt: skip


@settings(max_examples=60, derandomize=True, deadline=None)
@given(rich_tables(), CALLS, st.integers(2, 5), st.integers(0, 99), st.sampled_from(["csv", "csv.gz", "parquet"]))
def test_columns_and_file_format_do_not_matter(tmp_path_factory, records, call, n_shards, seed, format):
    """The table read back from any file, with its columns reversed and one added, is split in the same way."""
    scheme, options = call
    path = tmp_path_factory.mktemp("table") / f"table.{format}"
    write_table(records.frame[list(records.frame.columns)[::-1]].assign(unrelated=1.5), path)
    other = read_table(path, records.schema)
    try:
        one = split_records(records, scheme, n_shards, min_rows=1, seed=seed, **options)
    except FedlabError:
        with pytest.raises(FedlabError):
            split_records(other, scheme, n_shards, min_rows=1, seed=seed, **options)
        return
    two = split_records(other, scheme, n_shards, min_rows=1, seed=seed, **options)
    assert np.array_equal(one.assignment, two.assignment)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(rich_tables(grouped=False), st.integers(2, 8), st.integers(1, 3), st.integers(1, 6), st.integers(0, 99))
def test_exactly_k_classes_even_after_repair(records, n_shards, k, min_rows, seed):
    """Each organisation of a pathological split holds exactly k classes, whatever had to be repaired."""
    try:
        split = split_records(records, "pathological", n_shards, 0, min_rows, seed, classes_per_organisation=k)
    except FedlabError as error:
        assert "give " in str(error)
        return
    assert {len(split.shard(number).classes) for number in range(n_shards)} == {k}
    assert set(np.concatenate([split.shard(number).classes for number in range(n_shards)])) == set(records.classes)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(rich_tables(), st.integers(2, 5), st.integers(0, 99), st.floats(0, 1), st.integers(1, 4), CALLS)
def test_overlap_duplicates_the_share_asked_for_and_nothing_else(records, n_shards, seed, share, copies, call):
    """Just the stated share is held by 1 + copies different organisations, the rest by one, the holdout by none."""
    base = {"scheme": call[0], **call[1]}
    options = {"share": share, "copies": copies, "base": base}
    try:
        split = split_records(records, "overlap", n_shards, min_rows=2, seed=seed, **options)
        plain = split_records(records, call[0], n_shards, min_rows=2, seed=seed, **call[1])
    except FedlabError as error:
        assert "give " in str(error) or "leave" in str(error)
        return
    held = pd.DataFrame(
        [(row, number) for number in range(n_shards) for row in split.rows(number)], columns=["row", "organisation"]
    )
    assert not held.duplicated().any()
    holders = held.groupby("row").size()
    pool = np.flatnonzero(split.assignment >= 0)
    assert set(holders.index) == set(pool) and set(holders) <= {1, 1 + copies}
    largest = 0 if records.groups is None else pd.Series(records.groups).value_counts().max() / 2
    assert abs((holders > 1).sum() - round(share * len(pool))) <= largest
    assert np.array_equal(split.assignment, plain.assignment)
    if records.groups is not None:  # a group is copied whole
        of_group = held.groupby("row")["organisation"].agg(frozenset)
        assert of_group.groupby(records.groups[of_group.index]).nunique().max() == 1


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    rich_tables(),
    CALLS,
    st.integers(1, 5),
    st.integers(0, 99),
    st.sampled_from(["id", "row"]),
    st.sampled_from([0, 0.2]),
)
def test_an_exported_assignment_gives_the_same_split(tmp_path_factory, records, call, n_shards, seed, by, holdout):
    """Exported and read again, with lines in any order, every shard and the holdout are the same rows."""
    try:
        split = split_records(records, call[0], n_shards, holdout, 1, seed, **call[1])
    except FedlabError:
        return
    path = export_assignment(split, tmp_path_factory.mktemp("assignment") / "who.csv", by=by)
    lines = pd.read_csv(path, dtype=str)
    lines.sample(frac=1, random_state=0).to_csv(path, index=False)
    again = split_records(records, "from_file", holdout=holdout, min_rows=1, seed=seed + 1, path=str(path))
    assert np.array_equal(again.assignment, split.assignment) and again.n_shards == n_shards
    assert again.holdout_share == pytest.approx(np.mean(split.assignment < 0))
