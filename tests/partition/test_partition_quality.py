"""Quality skew: what is wrong with an organisation's records is as stated, and the holdout stays as it is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.files import read_json
from fedlab.partition import read_partition, split_records, write_partition
from fedlab.records import Records, Schema


def records(n=3000, seed=0):
    """Give records of all kinds of column, with three classes as text."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"p{number}" for number in range(n)],
            "age": rng.integers(20, 90, n),
            "dose": rng.normal(5, 2, n),
            "smokes": rng.random(n) < 0.4,
            "town": rng.choice(["Bern", "Zug"], n),
            "kind": pd.Categorical(rng.choice(["x", "y"], n)),
            "ill": rng.choice(["a", "b", "c"], n),
        }
    )
    return Records(frame, Schema("id", ["age", "dose", "smokes", "town", "kind"], "ill"), "made by hand")


WHOLE = records()


def pairs(quality, n_shards=3, scheme="iid"):
    """Return each organisation's records before and after, and the split."""
    plain = split_records(WHOLE, scheme, n_shards)
    split = split_records(WHOLE, scheme, n_shards, quality=quality)
    assert np.array_equal(split.assignment, plain.assignment)
    pd.testing.assert_frame_equal(split.holdout.frame, plain.holdout.frame)
    return [(plain.shard(one).frame, split.shard(one).frame) for one in range(n_shards)], split


def test_label_noise_flips_the_stated_share_to_each_other_class():
    """At 0 nothing changes, at 0.3 about 30 % of labels, at 1 all, to each other class alike; features never."""
    both, split = pairs({"kind": "label_noise", "probability": [0, 0.3, 1]})
    for (before, after), p in zip(both, [0, 0.3, 1], strict=True):
        share = (before["ill"] != after["ill"]).mean()
        assert abs(share - p) <= 4 * np.sqrt(p * (1 - p) / len(before))
        pd.testing.assert_frame_equal(before.drop(columns="ill"), after.drop(columns="ill"))
    before, after = both[2]
    assert pd.crosstab(before["ill"], after["ill"], normalize="index").to_numpy() == pytest.approx(
        np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]), abs=0.12
    )
    assert split.changed(0) == [0] and split.changed(2) == [800]


def test_missingness_loses_the_stated_share_of_each_column():
    """Each named column loses about the share; the others, the target and the identifier lose nothing."""
    both, _ = pairs({"kind": "missingness", "probability": [0, 0.2, 0.5], "columns": ["age", "smokes", "town", "kind"]})
    for (before, after), p in zip(both, [0, 0.2, 0.5], strict=True):
        for name in ("age", "smokes", "town", "kind"):
            assert abs(after[name].isna().mean() - p) <= 4 * np.sqrt(p * (1 - p) / len(after))
            kept = after[name].notna()
            assert (after.loc[kept, name] == before.loc[kept, name]).all()
        assert after[["id", "dose", "ill"]].equals(before[["id", "dose", "ill"]])


def test_shift_changes_unit_and_calibration():
    """At probability 1 every value of the column is factor * x + offset; at 0 the column is as it was."""
    both, _ = pairs({"kind": "shift", "probability": [0, 1, 0.5], "columns": ["dose"], "factor": 18.0, "offset": 1.5})
    assert both[0][1].equals(both[0][0])
    assert np.allclose(both[1][1]["dose"], 18 * both[1][0]["dose"] + 1.5)
    changed = ~np.isclose(both[2][1]["dose"], both[2][0]["dose"])
    assert changed.mean() == pytest.approx(0.5, abs=0.08)
    assert np.allclose(both[2][1]["dose"][changed], 18 * both[2][0]["dose"][changed] + 1.5)


def test_noise_has_the_stated_spread():
    """Noise of scale 0.5 has half the standard deviation of the whole table's column, and mean 0."""
    both, _ = pairs({"kind": "noise", "probability": 1, "columns": ["dose"], "scale": 0.5})
    added = np.concatenate([after["dose"] - before["dose"] for before, after in both])
    assert added.std() == pytest.approx(0.5 * WHOLE.frame["dose"].std(), rel=0.06)
    assert abs(added.mean()) < 4 * added.std() / np.sqrt(len(added))


def test_several_kinds_apply_together_and_differ_between_organisations():
    """Two kinds in one request both apply, organisations have random numbers of their own, seeds too."""
    quality = [{"kind": "label_noise", "probability": 0.5}, {"kind": "noise", "probability": 0.5}]
    both, split = pairs(quality)
    for before, after in both:
        assert (before["ill"] != after["ill"]).mean() == pytest.approx(0.5, abs=0.1)
        assert (before["dose"] != after["dose"]).mean() == pytest.approx(0.5, abs=0.1)
    flips = [(before["ill"] != after["ill"]).to_numpy() for before, after in both]
    assert not np.array_equal(flips[0], flips[1])
    again = split_records(WHOLE, "iid", 3, quality=quality)
    assert all(split.shard(one).frame.equals(again.shard(one).frame) for one in range(3))


@pytest.mark.parametrize("format", ["csv", "csv.gz", "parquet"])
def test_degraded_shards_are_written_as_they_are_and_said_so(tmp_path, format):
    """Files hold the degraded records, their counts are those of partition.json, which states kind and share."""
    quality = [
        {"kind": "label_noise", "probability": [0, 0.4]},
        {"kind": "missingness", "probability": [0.3, 0], "columns": ["age", "smokes", "town"]},
    ]
    split = split_records(WHOLE, "dirichlet", 2, quality=quality)
    write_partition(split, tmp_path, format)
    partition = read_partition(tmp_path)
    meta = read_json(tmp_path / "partition.json")
    for number in range(2):
        expected, got = split.shard(number).frame, partition.shard(number).frame
        pd.testing.assert_frame_equal(got, expected, check_dtype=False)
        assert [got[name].dtype for name in ("age", "dose", "smokes")] == [
            expected[name].dtype for name in ("age", "dose", "smokes")
        ]
        counts = got["ill"].value_counts()
        assert meta["shards"][number]["class_counts"] == {name: int(counts.get(name, 0)) for name in "abc"}
    pd.testing.assert_frame_equal(partition.holdout().frame, split.holdout.frame)
    assert [(one["kind"], one["probability"]) for one in meta["quality"]] == [
        ("label_noise", [0.0, 0.4]),
        ("missingness", [0.3, 0.0]),
    ]
    assert meta["quality"][0]["changed_rows"] == [split.changed(0)[0], split.changed(1)[0]]
    assert meta["skew"]["per_organisation"][0]["missing"] == pytest.approx(0.3 * 3 / 5, abs=0.03)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.sampled_from(["label_noise", "missingness", "noise"]), st.floats(0, 1), st.integers(1, 5), st.integers(0, 99))
def test_quality_moves_no_row_and_spares_the_holdout(kind, probability, n_shards, seed):
    """Identifiers of every shard and all of the holdout are those of the split without quality."""
    whole = records(120, seed)
    plain = split_records(whole, "dirichlet", n_shards, seed=seed)
    split = split_records(whole, "dirichlet", n_shards, seed=seed, quality={"kind": kind, "probability": probability})
    for number in range(n_shards):
        assert split.shard(number).ids.tolist() == plain.shard(number).ids.tolist()
    pd.testing.assert_frame_equal(split.holdout.frame, plain.holdout.frame)
    assert set(np.concatenate([split.shard(one).y for one in range(n_shards)])) <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        ("label_noise", "must be a mapping such as"),
        ({"kind": "label_nose", "probability": 1}, "did you mean 'label_noise'"),
        ({"kind": "label_noise"}, "needs a probability"),
        ({"kind": "label_noise", "probability": 1.5}, "from 0 to 1, got 1.5"),
        ({"kind": "label_noise", "probability": "0.1"}, "probability must be a number"),
        ({"kind": "label_noise", "probability": [0.1, 0.2]}, "2 numbers for 3 organisations"),
        ({"kind": "label_noise", "probability": 0.1, "columns": ["age"]}, "option of quality 'label_noise'"),
        ({"kind": "shift", "probability": 0.1}, "needs columns, .* numeric features: age, dose"),
        ({"kind": "shift", "probability": 0.1, "columns": ["town"]}, "numeric feature 'town' is not known"),
        ({"kind": "missingness", "probability": 0.1, "columns": ["ill"]}, "feature 'ill' is not known"),
        ({"kind": "noise", "probability": 0.1, "scale": -1}, "scale must be a number of 0 or more"),
        ({"kind": "shift", "probability": 0.1, "columns": ["age"], "factor": "2"}, "factor must be a number"),
    ],
)
def test_impossible_requests_are_refused(quality, says):
    """Unknown kinds, options and columns, and probabilities out of range, are refused with what is allowed."""
    with pytest.raises(FedlabError, match=says):
        split_records(WHOLE, "iid", 3, quality=quality)
