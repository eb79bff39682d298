"""What the notebooks hand on: validation rows set apart, the reference on faulty records, in one process."""

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.partition import read_partition, split_records, write_partition, write_pooled
from fedlab.pipeline.shards import make_partition
from fedlab.pipeline.trained import centralised, train_partition
from fedlab.pipeline.votes import evaluate, set_apart
from fedlab.records import load_records
from fedlab.voting import vote

SMALL = {"name": "random_forest", "n_estimators": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three organisations' forests on nhefs."""
    folder = tmp_path_factory.mktemp("three")
    make_partition(folder / "shards", n_shards=3, holdout=0.3)
    return train_partition(folder / "trained", folder / "shards", model=SMALL)


@pytest.fixture(scope="module")
def central(trained, tmp_path_factory):
    """The same recipe on all rows."""
    return centralised(trained, tmp_path_factory.mktemp("central"))


def test_validation_rows_and_the_rest_are_the_holdout_in_the_same_mix(trained):
    """No row in both, none lost, each class gives its share; the same rows for the same seed, others for another."""
    known, rest = set_apart(trained, 0.25, seed=4)
    assert len(known.truth) == round(0.25 * len(trained.truth)) and len(known.truth) + len(rest.truth) == 489
    assert set(rest.ids) < set(trained.ids) and len(set(rest.ids)) == len(rest.ids)
    assert abs((known.truth == 1).mean() - (trained.truth == 1).mean()) < 0.01
    places = [trained.ids.tolist().index(value) for value in rest.ids]
    assert np.array_equal(rest.ballots.labels, trained.ballots.labels[:, places])
    assert np.array_equal(rest.truth, trained.truth[places]) and rest.X.equals(
        trained.X.iloc[places].reset_index(drop=True)
    )
    assert np.array_equal(set_apart(trained, 0.25, seed=4)[1].ids, rest.ids)
    assert not np.array_equal(set_apart(trained, 0.25, seed=5)[1].ids, rest.ids)


def test_no_share_sets_nothing_apart_and_a_share_too_large_says_so(trained):
    """0 is the whole holdout; less than a row, or all of them, is an error that names validation."""
    known, rest = set_apart(trained, 0, seed=0)
    assert known is None and rest is trained
    with pytest.raises(FedlabError, match=r"validation 0\.0001 of 489 rows is less than one row"):
        set_apart(trained, 0.0001, seed=0)
    with pytest.raises(FedlabError, match="validation must be a share of rows"):
        set_apart(trained, 1.0, seed=0)


def test_rows_of_one_patient_stay_on_one_side(trained):
    """Grouped rows are set apart together."""
    from dataclasses import replace

    grouped = replace(trained, groups=np.arange(489) // 7)
    known, rest = set_apart(grouped, 0.3, seed=1)
    assert len(known.truth) + len(rest.truth) == 489
    assert len(np.unique(rest.groups)) * 7 >= len(rest.groups)
    others = set(grouped.groups[~np.isin(grouped.ids, rest.ids)].tolist())
    assert not others & set(rest.groups.tolist())


@pytest.mark.parametrize("rule", ["stacking", "greedy_selection", "knora_e", "knora_u", "naive_bayes", "bks"])
def test_rules_that_learn_are_measured_on_rows_they_did_not_learn_from(trained, central, rule):
    """The row of results is over the rest of the holdout, for the vote and for the centralised model alike."""
    known, rest = set_apart(trained, 0.3, seed=0)
    options = {"space": "ballots"} if rule.startswith("knora") else {}  # nhefs has gaps, near rows need numbers
    verdict = vote(rest.ballots, rule, validation=known, X=rest.X, positive=1, **options)
    row = evaluate(rest, central, verdict, n_resamples=10, seed=0)
    assert row["n_holdout"] == len(rest.truth) == 342
    assert row["accuracy"] == pytest.approx(np.mean(verdict.values == rest.truth))


def test_a_reference_that_lacks_a_row_is_refused(trained, central):
    """The vote is never compared on rows that the centralised model was not asked about."""
    verdict = vote(trained.ballots, "majority")
    with pytest.raises(FedlabError, match="different holdout rows"):
        evaluate(trained, set_apart(central, 0.3, seed=0)[1], verdict, n_resamples=10, seed=0)


def test_pooled_rows_are_the_organisations_own_with_their_faults(tmp_path):
    """Nothing is lost or mended: values per identifier equal the shards'; the holdout is as in the table."""
    records = load_records("nhefs")
    faults = [
        {"kind": "label_noise", "probability": [0.5, 0.0, 0.2]},
        {"kind": "missingness", "probability": [0.0, 0.4, 0.0]},
    ]
    partition = write_partition(split_records(records, n_shards=3, quality=faults, seed=3), tmp_path / "shards")
    pooled = write_pooled(partition, tmp_path / "pooled")
    assert read_partition(tmp_path / "pooled").n_shards == 1
    columns = list(records.frame.columns)
    together = pd.concat([partition.shard(number).frame for number in range(3)], ignore_index=True)[columns]
    pd.testing.assert_frame_equal(pooled.shard(0).frame[columns], together, check_dtype=False)
    assert (together["death"].to_numpy() != records.frame.set_index("seqn").loc[together["seqn"], "death"]).sum() > 100
    assert together.isna().any(axis=1).sum() > records.frame.isna().any(axis=1).sum() + 50
    pd.testing.assert_frame_equal(
        pooled.holdout().frame[columns], partition.holdout().frame[columns], check_dtype=False
    )


def test_a_row_that_several_hold_is_pooled_once_and_vertical_features_side_by_side(tmp_path):
    """Overlap gives each patient once; vertical gives every feature of every patient."""
    records = load_records("nhefs")
    shared = write_partition(split_records(records, "overlap", 3, share=0.5), tmp_path / "overlap")
    pooled = write_pooled(shared, tmp_path / "one").shard(0)
    assert pooled.n_rows == len(np.unique(pooled.ids)) == records.n_rows - shared.meta["holdout"]["rows"]
    vertical = write_partition(split_records(records, "vertical", 3), tmp_path / "vertical")
    whole = write_pooled(vertical, tmp_path / "two").shard(0)
    expected = records.frame.set_index("seqn").loc[whole.ids, list(records.schema.features)]
    pd.testing.assert_frame_equal(whole.X.set_index(pd.Index(whole.ids, name="seqn")), expected, check_dtype=False)


def test_the_reference_of_faulty_records_is_trained_on_the_same_faulty_records(tmp_path):
    """By hand as in a sweep: with half of all labels flipped, the central model is as lost as the organisations'."""
    quality = {"kind": "label_noise", "probability": 0.5}
    make_partition(tmp_path / "shards", n_shards=2, holdout=0.3, quality=quality)
    trained = train_partition(tmp_path / "trained", tmp_path / "shards", model=SMALL)
    central = centralised(trained, tmp_path / "central")
    assert np.array_equal(central.ids, trained.ids) and central.about["made_from"]["quality"] == quality
    right = (central.ballots.classes[central.ballots.labels[0]] == central.truth).mean()
    assert 0.4 < right < 0.62
