"""Partitions on disk: the same after a round trip, whole or not there, never over a stranger's files."""

import gzip
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_tables import table, tables

from fedlab.errors import FedlabError
from fedlab.files import read_json
from fedlab.partition import read_partition, split_records, store, write_partition
from fedlab.records import Records, Schema

FORMATS = ["csv", "csv.gz", "parquet"]


def rich(n_rows=60):
    """Give a table whose columns are easily read back as something else when only some rows are seen."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "note": ["007"] * (n_rows - 1) + ['text, with "quotes"\nand lines'],
            "id": [f"p{number:03d}" for number in range(n_rows)],
            "age": rng.integers(20, 90, n_rows),
            "weight": np.where(np.arange(n_rows) < n_rows - 1, rng.integers(40, 90, n_rows), np.nan),
            "dose": rng.random(n_rows) * 1e-7,
            "smokes": rng.random(n_rows) < 0.5,
            "empty": np.full(n_rows, np.nan),
            "ill": np.repeat(["10", "9"], n_rows // 2),
            "small": rng.integers(0, 9, n_rows).astype("int16"),
            "single": rng.random(n_rows).astype("float32"),
            "code": pd.Categorical(rng.choice(["x", "y"], n_rows), categories=["y", "x", "z"], ordered=True),
        }
    )
    schema = Schema("id", ["age", "weight", "dose"], "ill", sensitive=["smokes"], positive="10")
    return Records(frame, schema, "rich", {"source": "made here", "bayes": {"accuracy": 0.75}})


@pytest.mark.parametrize("format", FORMATS)
def test_shards_read_back_as_they_were(tmp_path, format):
    """Every shard and the holdout come back with the same columns, values and types, even of one class."""
    records = rich()
    split = split_records(records, "dirichlet", 4, alpha=1e-9, seed=1)
    write_partition(split, tmp_path, format)
    partition = read_partition(tmp_path)
    for number in range(4):
        shard = partition.shard(number)
        pd.testing.assert_frame_equal(shard.frame, split.shard(number).frame)
        assert shard.schema == records.schema and shard.name == "rich" and shard.about == records.about
    pd.testing.assert_frame_equal(partition.holdout().frame, split.holdout.frame)
    assert min(len(partition.shard(number).classes) for number in range(4)) == 1
    assert partition.schema == records.schema
    assert partition.classes.tolist() == ["10", "9"] and partition.classes.dtype == records.classes.dtype


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "labels",
    [[0, 1], [1, 2], [-1.0, 2.0], [False, True], ["no", "yes"], ["1", "2"], [2**62, 2**62 + 1]],
    ids=str,
)
def test_classes_of_any_type_survive(tmp_path, format, labels):
    """Integers, floats, truth values and texts that look like numbers come back as the same type."""
    records = table(np.repeat(pd.array(labels).to_numpy(), 20))
    split = split_records(records, n_shards=2)
    partition = write_partition(split, tmp_path, format)
    for opened in (partition, read_partition(tmp_path)):
        assert opened.classes.tolist() == labels and opened.classes.dtype == records.classes.dtype
        assert opened.shard(1).frame["ill"].dtype == records.frame["ill"].dtype
        assert opened.shard(1).y.tolist() == split.shard(1).y.tolist()


@settings(max_examples=25, derandomize=True, deadline=None)
@given(tables(), st.sampled_from(FORMATS), st.integers(1, 5), st.sampled_from([0, 0.3]))
def test_random_tables_round_trip(tmp_path_factory, records, format, n_shards, holdout):
    """The files of a random table, put together again, are the table."""
    split = split_records(records, n_shards=n_shards, holdout=holdout, min_rows=1)
    folder = tmp_path_factory.mktemp("partition")
    partition = write_partition(split, folder, format)
    parts = [partition.shard(number).frame for number in range(n_shards)]
    parts += [partition.holdout().frame] if holdout else []
    again = pd.concat(parts).sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(again, records.frame)


def test_partition_json_says_everything(tmp_path):
    """Names, rows, class counts, sizes and hashes in partition.json are those of the files on disk."""
    records = rich()
    partition = write_partition(split_records(records, "dirichlet", 3, seed=4), tmp_path, "csv")
    meta = read_json(tmp_path / "partition.json")
    assert meta == partition.meta
    assert {name: meta[name] for name in ("scheme", "options", "n_shards", "seed", "min_rows", "holdout_share")} == {
        "scheme": "dirichlet",
        "options": {"alpha": 0.5},
        "n_shards": 3,
        "seed": 4,
        "min_rows": 2,
        "holdout_share": 0.2,
    }
    assert (meta["name"], meta["about"], meta["n_rows"]) == ("rich", records.about, 60)
    entries = [*meta["shards"], meta["holdout"]]
    assert [entry["file"] for entry in entries] == [
        "data_part1.csv",
        "data_part2.csv",
        "data_part3.csv",
        "holdout.csv",
    ]
    for entry in entries:
        data = (tmp_path / entry["file"]).read_bytes()
        frame = pd.read_csv(tmp_path / entry["file"], dtype=str)
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert b"\r" not in data and list(frame.columns) == list(records.frame.columns)
        assert entry["rows"] == len(frame)
        assert entry["class_counts"] == {name: int((frame["ill"] == name).sum()) for name in ("10", "9")}
    assert partition.data_bytes == sum(entry["bytes"] for entry in meta["shards"])
    assert partition.shard_path(2) == tmp_path / "data_part3.csv"
    assert [one["rows"] for one in meta["skew"]["per_organisation"]] == [one["rows"] for one in meta["shards"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*(entry["file"] for entry in entries), "partition.json"]
    )


@pytest.mark.parametrize("format", FORMATS)
def test_same_split_same_bytes(tmp_path, format):
    """Writing the same split twice, to two folders, gives the same bytes in every file."""
    for folder in ("one", "two"):
        write_partition(split_records(rich(), n_shards=2), tmp_path / folder, format)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_no_holdout_no_file(tmp_path):
    """With holdout=0 there is no holdout file, and asking for it says why."""
    partition = write_partition(split_records(rich(), n_shards=2, holdout=0), tmp_path)
    assert not (tmp_path / "holdout.csv").exists() and partition.meta["holdout"] is None
    with pytest.raises(FedlabError, match="has no holdout"):
        read_partition(tmp_path).holdout()


@pytest.mark.parametrize("format", FORMATS)
def test_fewer_shards_leave_no_stale_files(tmp_path, format):
    """Writing two shards where five stood, in any format, leaves exactly the new files and the user's own."""
    write_partition(split_records(rich(), n_shards=5), tmp_path, "csv")
    (tmp_path / "notes.txt").write_text("mine")
    write_partition(split_records(rich(), n_shards=2, holdout=0), tmp_path, format)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"data_part1.{format}", f"data_part2.{format}", "partition.json", "notes.txt"}


def test_strangers_files_are_not_overwritten(tmp_path):
    """A data_part1.csv that belongs to no partition stays as it is, and the error says so."""
    (tmp_path / "data_part1.csv").write_text("the only copy\n")
    with pytest.raises(FedlabError, match="stands in the way and belongs to no partition"):
        write_partition(split_records(rich(), n_shards=2), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data_part1.csv"]
    assert (tmp_path / "data_part1.csv").read_text() == "the only copy\n"


@pytest.mark.parametrize("fails_at", [1, 2, 4, 5])
def test_an_interrupted_writer_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, fails_at):
    """Whatever file the writer dies at, there is no partition.json, and the next writer cleans up."""
    write_partition(split_records(rich(), n_shards=6), tmp_path)
    calls = 0

    def dies(*arguments):
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise KeyboardInterrupt
        return real(*arguments)

    name = "write_json" if fails_at == 5 else "write_table"
    fails_at = 2 if fails_at == 5 else fails_at  # the journal is the first, partition.json the second
    real = getattr(store, name)
    monkeypatch.setattr(store, name, dies)
    with pytest.raises(KeyboardInterrupt):
        write_partition(split_records(rich(), n_shards=3), tmp_path)
    monkeypatch.undo()
    with pytest.raises(FedlabError, match=r"no partition.json here"):
        read_partition(tmp_path)
    partition = write_partition(split_records(rich(), n_shards=1, holdout=0), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"data_part1.csv", "partition.json"}
    assert partition.shard(0).n_rows == 60


def test_what_cannot_be_described_fails_before_anything_is_removed(tmp_path):
    """An `about` that JSON cannot hold is refused while the older partition still stands."""
    old = write_partition(split_records(rich(), n_shards=3), tmp_path)
    bad = Records(rich().frame, rich().schema, "bad", {"bayes": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_partition(split_records(bad, n_shards=2), tmp_path)
    assert read_partition(tmp_path).meta == old.meta and old.shard(2).n_rows > 0


def test_changed_and_missing_files_are_named(tmp_path):
    """A changed byte and a missing file are errors naming the file; the other shards still read."""
    write_partition(split_records(rich(), n_shards=3), tmp_path, "csv.gz")
    partition = read_partition(tmp_path)
    first = tmp_path / "data_part1.csv.gz"
    changed = gzip.decompress(first.read_bytes()).replace(b"True", b"False", 1)
    first.write_bytes(gzip.compress(changed))
    (tmp_path / "holdout.csv.gz").unlink()
    with pytest.raises(FedlabError, match=r"data_part1\.csv\.gz: the file has been changed"):
        partition.shard(0)
    with pytest.raises(FedlabError, match=r"holdout\.csv\.gz: .* missing"):
        partition.holdout()
    assert partition.shard(1).n_rows == partition.meta["shards"][1]["rows"]
    for number in (3, -1):
        with pytest.raises(FedlabError, match=f"shard {number} does not exist; there are 3"):
            partition.shard(number)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"shards": [{"file": "../secret.csv"}], "holdout": None, "n_shards": 1}),
        json.dumps(
            {
                "shards": [{"file": "../secret.csv"}],
                "holdout": None,
                "n_shards": 1,
                "schema": {},
                "dtypes": {},
                "kinds": {},
            }
        ),
    ],
)
def test_a_damaged_or_hostile_partition_json_is_refused(tmp_path, text):
    """What describes no partition, or names files elsewhere, is neither read nor cleaned up after."""
    folder = tmp_path / "partition"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("secret")
    (folder / "partition.json").write_text(text)
    with pytest.raises(FedlabError, match=r"partition.json: this is not a partition's description"):
        read_partition(folder)
    with pytest.raises(FedlabError, match=r"partition.json: this is not a partition's description"):
        write_partition(split_records(rich(), n_shards=2), folder)
    assert (tmp_path / "secret.csv").read_text() == "secret"


def test_unknown_formats_and_folders(tmp_path):
    """A misspelt format is refused with a suggestion and an empty folder is no partition."""
    with pytest.raises(FedlabError, match="'parqet' is not known; did you mean 'parquet'"):
        write_partition(split_records(rich(), n_shards=2), tmp_path, "parqet")
    with pytest.raises(FedlabError, match=r"no partition.json here"):
        read_partition(tmp_path / "nowhere")


def test_organisations_are_named_after_their_sites(tmp_path):
    """Where each shard is one hospital, tables and figures name the hospital."""
    from fedlab.partition import describe_partition

    frame = pd.DataFrame({"id": range(40), "age": 50, "ill": [0, 1] * 20, "town": list("ab") * 10 + list("ca") * 10})
    records = Records(frame, Schema("id", ["age"], "ill", site="town"), "toy")
    partition = write_partition(split_records(records, "site"), tmp_path / "sites")
    assert read_partition(tmp_path / "sites").organisations == ["a", "b", "c"]
    table = describe_partition(partition)
    assert list(table.index) == ["a", "b", "c"] and table["rows"].sum() == 32
    assert list(table["class 0"] + table["class 1"]) == list(table["rows"])
    plain = write_partition(split_records(records, "iid", n_shards=2), tmp_path / "iid")
    assert plain.organisations == ["part1", "part2"]


def test_what_a_killed_stream_left_is_cleared(tmp_path):
    """Hidden files of shards that were not whole go when a partition is written; other hidden files stay."""
    left = (".partial-data_part1.csv", ".partial-data_part12.parquet", ".partial-holdout.csv.gz")
    for name in (*left, ".partial-mine.csv", ".hidden"):
        (tmp_path / name).write_text("half")
    write_partition(split_records(table(np.arange(60) % 2), n_shards=2), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".hidden",
        ".partial-mine.csv",
        "data_part1.csv",
        "data_part2.csv",
        "holdout.csv",
        "partition.json",
    }
