"""The contingency table of a Dask frame, on a cluster of two processes: equal to that of the rows read whole."""

import os

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.records import ContingencyTable, Schema, contingency_table, read_table


@pytest.fixture(scope="module")
def cluster():
    """Give a scheduler with two worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, protocol="tcp") as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_counted_on_a_cluster(cluster, tmp_path):
    """A CSV file in 20 blocks, counted by two processes, gives the table of the whole file, text and gaps included."""
    frames = pytest.importorskip("dask.dataframe")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(5000), "age": rng.integers(20, 30, 5000), "dose": rng.integers(0, 3, 5000) / 2})
    frame.loc[::7, "dose"] = np.nan
    frame["place"] = rng.choice(["north", "south"], 5000)
    frame["ill"] = rng.choice(["no", "yes"], 5000)
    path = tmp_path / "records.csv"
    frame.to_csv(path, index=False)
    schema = Schema("id", ["age", "dose", "place"], "ill")
    spread = frames.read_csv(path, blocksize=path.stat().st_size // 20)
    assert spread.npartitions >= 20
    counted = contingency_table(spread, schema.features, "ill")
    whole = ContingencyTable.from_records(read_table(path, schema))
    assert counted.total == 5000 and len(set(cluster.run(os.getpid).values()) - {os.getpid()}) == 2
    assert np.array_equal(counted.counts, whole.counts)
    for name in ("age", "dose"):
        assert counted.frame[name].to_numpy(dtype=float) == pytest.approx(whole.frame[name].to_numpy(), nan_ok=True)
    assert counted.frame[["place", "ill"]].values.tolist() == whole.frame[["place", "ill"]].values.tolist()
    with pytest.raises(FedlabError, match="no column 'weight'"):
        contingency_table(spread, ["weight"], "ill")
