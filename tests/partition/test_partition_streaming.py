"""Partitions of files that need not fit into memory: as exact as in memory, whole or not there, memory level."""

import csv
import errno
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_tables import table, tables

from fedlab.cli import main
from fedlab.errors import FedlabError
from fedlab.partition import (
    describe_partition,
    read_partition,
    sinks,
    split_records,
    stream_partition,
    write_partition,
)
from fedlab.partition.distances import label_distances, weighted_mean
from fedlab.records import Schema, read_table

SCHEMES = [
    ("iid", {}),
    ("stratified", {}),
    ("dirichlet", {"alpha": 0.1}),
    ("quantity", {}),
    ("quantity", {"exponent": 9}),
    ("linear", {}),
    ("square", {}),
    ("exponential", {"rate": 1.5}),
    ("lognormal", {"sigma": 2.0}),
    ("dirichlet_sizes", {"alpha": 0.1}),
]
SCHEMA = Schema("id", ["age"], "ill")


def written(records, folder, suffix=".csv"):
    """Write records to a file and return its path."""
    path = folder / f"in{suffix}"
    if suffix == ".parquet":
        records.frame.to_parquet(path, index=False)
    else:
        records.frame.to_csv(path, index=False)
    return path


def contents(folder):
    """Return name -> bytes of every file of a folder, hidden ones included."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def sizes(partition):
    """Return the rows of each shard, as the files hold them."""
    return [partition.shard(number).n_rows for number in range(partition.n_shards)]


def all_rows(partition):
    """Return the rows of all files together, sorted by identifier."""
    parts = [partition.shard(number).frame for number in range(partition.n_shards)]
    parts += [partition.holdout().frame] if partition.meta["holdout"] else []
    return pd.concat(parts).sort_values("id", ignore_index=True)


@settings(max_examples=35, derandomize=True, deadline=None)
@given(
    tables(grouped=False),
    st.sampled_from(SCHEMES),
    st.integers(1, 6),
    st.sampled_from([0, 0.1, 0.35]),
    st.integers(0, 5),
    st.sampled_from([".csv", ".csv.gz", ".parquet"]),
    st.sampled_from(["csv", "csv.gz", "parquet"]),
)
def test_guarantees_are_those_in_memory(tmp_path_factory, records, call, n_shards, holdout, seed, suffix, format):
    """Every row in one file, the in-memory split's sizes, the holdout exact by class, files as listed."""
    folder = tmp_path_factory.mktemp("streamed")
    path = written(records, folder, suffix)
    scheme, options = call
    stream_partition(
        path, SCHEMA, folder / "out", scheme, n_shards, holdout, 2, seed, format, block_bytes=500, **options
    )
    partition = read_partition(folder / "out")
    whole = read_table(path, SCHEMA)
    assert all_rows(partition).equals(whole.frame)
    in_memory = split_records(records, scheme, n_shards, holdout, 2, seed, **options)
    got = sizes(partition)
    assert min(got) >= 2 and [entry["rows"] for entry in partition.meta["shards"]] == got
    if scheme != "dirichlet":  # whose quotas follow the holdout's count of each class, which may differ by one
        assert got == [len(in_memory.rows(number)) for number in range(n_shards)]
    if scheme == "stratified":
        counts = pd.DataFrame([entry["class_counts"] for entry in partition.meta["shards"]])
        assert (counts.max() - counts.min()).max() <= 1
    if holdout:
        held = partition.holdout()
        assert held.n_rows == round(holdout * records.n_rows)
        for name, rows in pd.Series(records.y).value_counts().items():
            assert abs((held.y == name).sum() - holdout * rows) <= 1 + 1e-9
            assert partition.meta["holdout"]["class_counts"][name] == (held.y == name).sum()
    for number, entry in enumerate(partition.meta["shards"]):
        y = pd.Series(partition.shard(number).y)
        assert {name: count for name, count in entry["class_counts"].items() if count} == y.value_counts().to_dict()
    assert write_partition(in_memory, folder / "memory").meta.keys() <= partition.meta.keys()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("format", ["csv", "csv.gz", "parquet"])
def test_block_sizes_give_the_same_bytes(tmp_path, monkeypatch, suffix, format):
    """Blocks of one byte, of 7, of 1000 or the whole file: the same files, also where buffers are cut."""
    for limit in ("BUFFER_BYTES", "LEAST_BYTES", "LEAST_ROWS"):
        monkeypatch.setattr(sinks, limit, 7)
    rng = np.random.default_rng(0)
    labels = rng.choice(["no", "yes", "maybe"], 50)
    note = [f'say "{i}",\nor {"x" * (i % 50)}' if i % 3 else "é5" for i in range(50)]
    path = written(table(labels, sites=rng.choice(list("abc"), 50), note=note), tmp_path, suffix)
    schema = Schema("id", ["age", "note"], "ill", site="town")
    for scheme, n_shards in (("dirichlet", 3), ("site", None)):
        found = []
        for block_bytes in (1, 7, 1000, 2**23):
            out = tmp_path / f"{scheme}{block_bytes}"
            stream_partition(path, schema, out, scheme, n_shards, format=format, block_bytes=block_bytes)
            found.append(contents(out))
        assert all(one == found[0] for one in found)
        assert not [name for name in found[0] if name.startswith(".")]


def test_every_line_is_copied_as_it_stands(tmp_path):
    """Zeros in front, quotes, commas and line feeds in values, gaps, odd numbers: each line in one file, unchanged."""
    odd = ["007", '"a, ""b"""', '"two\nlines"', "", "ü–漢", "+5", "1e-7", "0x1F", '5" tall', '""', " x ", '"q"tail']
    lines = [f"{i:04d},{odd[i % len(odd)]},{i % 3}.50,{'ja' if i % 2 else 'nein'}" for i in range(600)]
    path = tmp_path / "in.csv"
    path.write_bytes(("﻿id,note,dose,ill\n\n" + "\n  \n".join(lines)).encode())
    schema = Schema("id", ["dose"], "ill")
    for block_bytes in (3, 64, 2**20):
        out = tmp_path / str(block_bytes)
        partition = stream_partition(path, schema, out, n_shards=7, block_bytes=block_bytes)
        texts = [file.read_text() for file in out.glob("*.csv")]
        assert len(texts) == 8 and all(text.startswith("id,note,dose,ill\n") for text in texts)
        body = "".join(text.removeprefix("id,note,dose,ill\n") for text in texts)
        assert sorted(csv.reader(io.StringIO(body, newline=""))) == sorted(
            csv.reader(io.StringIO("".join(line + "\n" for line in lines), newline=""))
        )
        assert sorted(body) == sorted("".join(line + "\n" for line in lines))
        for text in texts:
            assert all(line + "\n" in body for line in lines) and text.count("\n") > 50
        assert partition.shard(0).frame["id"].str.len().eq(4).all()
        assert all_rows(partition).equals(read_table(path, schema).frame)


def test_windows_line_ends_become_line_feeds_but_no_value_changes(tmp_path):
    """CRLF at line ends is LF in the shards; a carriage return inside a value is refused with its row."""
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,age,ill\r\n" + b"".join(b'%d,"4\n5",%d\r\n' % (i, i % 2) for i in range(50)))
    stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2)
    found = b"".join(file.read_bytes() for file in (tmp_path / "out").glob("*.csv"))
    assert b"\r" not in found and found.count(b'"4\n5"') == 50
    path.write_bytes(b'id,age,ill\n1,4,0\n2,"4\r5",1\n')
    with pytest.raises(FedlabError, match="row 2 a carriage return"):
        stream_partition(path, SCHEMA, tmp_path / "out2", n_shards=2)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.sampled_from(["1", "2.5", "True", "", "x", "007", "-3", "NA", "1e5", "inf x"])] * 2),
        min_size=6,
        max_size=40,
    ),
    st.sampled_from([12, 60, 2**20]),
    st.sampled_from(["csv", "parquet"]),
)
def test_kinds_of_columns_are_those_of_the_whole_table(tmp_path_factory, cells, block_bytes, format):
    """A column that changes its kind half-way is read as `read_table` reads it, or refused where that refuses."""
    folder = tmp_path_factory.mktemp("kinds")
    path = folder / "in.csv"
    rows = "".join(f"{i},{one},{other},{i % 2}\n" for i, (one, other) in enumerate(cells))
    path.write_text("id,age,extra,ill\n" + rows)
    try:
        whole = read_table(path, SCHEMA).frame
    except FedlabError as error:
        with pytest.raises(FedlabError) as caught:
            stream_partition(path, SCHEMA, folder / "out", n_shards=2, holdout=0, block_bytes=block_bytes)
        assert str(error).split(":")[1][:24] == str(caught.value).split(":")[1][:24]
        return
    stream_partition(path, SCHEMA, folder / "out", n_shards=2, holdout=0, block_bytes=block_bytes, format=format)
    got = all_rows(read_partition(folder / "out"))
    for name in whole:
        if set(whole[name].dropna()) <= {0, 1} and whole[name].isna().any():
            continue  # truth values with gaps stay text here
        pd.testing.assert_series_equal(got[name], whole[name], check_dtype=whole[name].dtype != object)


def test_iid_is_shuffled(tmp_path):
    """On a table sorted by its target the shards of `iid` resemble the pool, and neighbours part as by chance."""
    path = written(table(np.repeat([0, 1], 20_000)), tmp_path)
    partition = stream_partition(path, SCHEMA, tmp_path / "out", n_shards=4, seed=3)
    assert sizes(partition) == [8000] * 4
    shares = [entry["class_counts"]["1"] / 8000 for entry in partition.meta["shards"]]
    # a share of a simple random sample has standard deviation sqrt(0.25 / 8000 * 0.8) = 0.005
    assert 0 < max(abs(share - 0.5) for share in shares) < 0.02
    ids = partition.shard(0).ids
    # the gap between rows of one shard of share 1/5 is geometric: 1 with probability 1/5
    assert np.mean(np.diff(ids) == 1) == pytest.approx(0.2, abs=0.02)
    held = partition.holdout().ids
    assert np.mean(np.diff(held) == 1) == pytest.approx(0.2, abs=0.02)


def test_the_holdout_is_the_same_for_every_scheme_and_count(tmp_path):
    """The holdout depends on records, share and seed alone."""
    path = written(table(np.arange(300) % 3, sites=np.arange(300) % 4), tmp_path)
    schema = Schema("id", ["age"], "ill", site="town")
    found = [
        stream_partition(path, schema, tmp_path / str(number), scheme, n_shards, seed=seed).holdout().ids.tolist()
        for number, (scheme, n_shards, seed) in enumerate(
            [("iid", 3, 1), ("dirichlet", 7, 1), ("site", None, 1), ("quantity", 2, 1), ("iid", 3, 2)]
        )
    ]
    assert found[0] == found[1] == found[2] == found[3] != found[4]


def test_site_gives_each_site_its_own_rows(tmp_path):
    """Organisations are the sites in order, named after them; one too small is refused, not repaired."""
    towns = np.array(["b", "a", "10", "9"])[np.arange(400) % 4]
    path = written(table(np.arange(400) % 2, sites=towns), tmp_path)
    schema = Schema("id", ["age"], "ill", site="town")
    partition = stream_partition(path, schema, tmp_path / "out", "site")
    assert partition.organisations == ["10", "9", "a", "b"] and sizes(partition) == [80] * 4
    assert all(set(partition.shard(i).sites) == {name} for i, name in enumerate(partition.organisations))
    with pytest.raises(FedlabError, match="organisation '10' with 80 rows outside the holdout, fewer than min_rows=90"):
        stream_partition(path, schema, tmp_path / "out", "site", min_rows=90)


@pytest.mark.parametrize(("scheme", "options"), SCHEMES)
def test_sizes_are_those_in_memory(tmp_path, scheme, options):
    """Each scheme that does not part the classes by chance gives the sizes that it gives in memory, to the row."""
    records = table(np.arange(611) % 2)  # 489 rows outside the holdout
    path = written(records, tmp_path)
    if scheme != "dirichlet":  # whose quotas follow the holdout's count of each class
        partition = stream_partition(path, SCHEMA, tmp_path / "out", scheme, 5, seed=3, **options)
        in_memory = split_records(records, scheme, 5, seed=3, **options)
        assert sizes(partition) == [len(in_memory.rows(number)) for number in range(5)]
        assert partition.meta["repaired_rows"] == in_memory.moved
        assert partition.meta["options"] == in_memory.options


def test_sizes_are_met_or_refused_never_repaired(tmp_path):
    """`sizes` gives just these rows, without n_shards; another sum, number or a size below min_rows is refused."""
    path = written(table(np.arange(100) % 2), tmp_path)
    asked = {"path": path, "schema": SCHEMA, "out_dir": tmp_path / "out", "scheme": "sizes"}
    partition = stream_partition(**asked, sizes=[70, 3, 7])
    assert sizes(partition) == [70, 3, 7] and partition.meta["repaired_rows"] == 0
    for wrong, message in (
        ({"sizes": [70, 3, 8]}, r"sizes must sum to the 80 rows outside the holdout.*change them by -1"),
        ({"sizes": [70, 10], "n_shards": 3}, "2 sizes make 2 organisations, got n_shards=3"),
        ({"sizes": [70, 3, 7], "min_rows": 4}, "organisation 2 of 3 with 3 rows, fewer than min_rows=4"),
    ):
        with pytest.raises(FedlabError, match=message):
            stream_partition(**asked, **wrong)


def test_small_shards_are_repaired_with_the_fewest_rows(tmp_path):
    """A steep law leaves shards empty; each is filled to just min_rows, and the number of moved rows is recorded."""
    path = written(table(np.arange(500) % 2), tmp_path)
    partition = stream_partition(path, SCHEMA, tmp_path / "out", "quantity", 5, min_rows=7, exponent=300.0)
    assert sizes(partition) == [372, 7, 7, 7, 7] and partition.meta["repaired_rows"] == 28


GOOD = "".join(f"{i},{i % 9},{i % 2}\n" for i in range(1, 100))


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("100,4\n", r"row 100 holds 2 values where the header has 3 names"),
        ("100,4,1,1\n", r"row 100 holds 4 values"),
        (",4,1\n", r"identifier column 'id' has 1 missing value: row 100: "),
        ("100,4,\n", r"target column 'ill' has 1 missing value: row 100"),
        ("100,inf,1\n", r"column 'age' has 1 infinite value: row 100: inf"),
        ("100,x,1\n101,y,1\n", r"column 'age' holds numbers, but not in 2 rows: row 100: 'x', row 101: 'y'"),
        ("7,4,1\n7,4,1\n", r"identifier column 'id' is not unique: row 7: 7, row 100: 7, row 101: 7"),
        ("100,4,0.5\n", r"target column 'ill' holds fractions, not classes: row 100: 0.5"),
        ("100,4,x\n101,4,x\n", r"column 'ill' holds numbers, but not in 2 rows: row 100: 'x', and 1 more"),
        ('100,"4,1\n', r"the row that begins '100,\"4,1.*close its quote"),
        ("100,\xff,1\n", r"not UTF-8 \(line 101"),
    ],
)
@pytest.mark.parametrize("block_bytes", [16, 2**20])
def test_bad_rows_are_named_and_nothing_is_written(tmp_path, tail, message, block_bytes):
    """The error names file, column and row, whatever the block, before anything old is touched."""
    path = tmp_path / "in.csv"
    path.write_text("id,age,ill\n" + GOOD)
    stream_partition(path, SCHEMA, tmp_path / "out", n_shards=3)
    before = contents(tmp_path / "out")
    path.write_bytes(("id,age,ill\n" + GOOD + tail).encode("latin-1"))
    with pytest.raises(FedlabError, match=f"in.csv: .*{message}"):
        stream_partition(path, SCHEMA, tmp_path / "out", n_shards=3, block_bytes=block_bytes)
    assert contents(tmp_path / "out") == before


def test_a_bad_row_far_down_is_named(tmp_path):
    """Where the header is read without a problem, the row whose bytes are no UTF-8 is named by its number."""
    path = tmp_path / "in.csv"
    rows = b"".join(b"%d,4,%d\n" % (i, i % 2) for i in range(5000))
    path.write_bytes(b"id,age,ill\n" + rows + b"x,\xff,1\n")
    for block_bytes in (1000, 2**20):
        with pytest.raises(FedlabError, match="row 5001 is not UTF-8"):
            stream_partition(path, SCHEMA, tmp_path / "out", n_shards=3, block_bytes=block_bytes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n_shards": 81}, "n_shards 81 is more than the 80 rows there are outside the holdout; give at most 80"),
        ({"n_shards": 50}, "give n_shards of at most 40 or min_rows of at most 1"),
        ({}, "needs n_shards"),
        ({"n_shards": 2, "holdout": 0.99}, "leaves the organisations no row of some class; hold out at most 98"),
        ({"n_shards": 2, "holdout": 1}, "holdout must be a share"),
        ({"n_shards": 2, "holdout": 0.001}, "less than one row"),
        ({"n_shards": 2, "scheme": "ids"}, "scheme 'ids' is not known"),
        ({"n_shards": 2, "scheme": "json:dumps"}, "does not stream, only iid, .*--in-memory"),
        ({"n_shards": 2, "format": "xml"}, "format of shards 'xml' is not known"),
        ({"n_shards": 2, "scheme": "dirichlet", "alpha": 0}, "alpha must be a number greater than 0"),
        ({"n_shards": 2, "scheme": "dirichlet", "alpha": {"js": 0.3}}, "does not stream; give a number"),
        ({"scheme": "site"}, "needs a column that names the site"),
        ({"scheme": "quantity", "fractions": [0.5, 0.5], "n_shards": 3}, "2 fractions make 2 organisations"),
        ({"scheme": "site", "column": "age", "n_shards": 3}, "makes 10 organisations of 'in.csv', got n_shards=3"),
    ],
)
def test_impossible_requests_are_refused(tmp_path, asked, message):
    """The message says what would be possible; nothing is written."""
    path = written(table(np.arange(100) % 2, age=np.arange(100) % 10), tmp_path)
    with pytest.raises(FedlabError, match=message):
        stream_partition(path, SCHEMA, tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FedlabError, match="'age' must stay together"):
        stream_partition(path, Schema("id", ["id2"], "ill", group="age"), tmp_path / "out", n_shards=2)


def test_the_input_is_never_overwritten(tmp_path):
    """A file that is itself a shard of the folder, and a stranger's file in the way, are left alone."""
    path = written(table(np.arange(100) % 2), tmp_path)
    stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2)
    before = contents(tmp_path / "out")
    with pytest.raises(FedlabError, match="choose another out"):
        stream_partition(tmp_path / "out" / "data_part1.csv", SCHEMA, tmp_path / "out", n_shards=2)
    assert contents(tmp_path / "out") == before
    (tmp_path / "out" / "data_part3.csv").write_text("mine")
    with pytest.raises(FedlabError, match="stands in the way"):
        stream_partition(path, SCHEMA, tmp_path / "out", n_shards=3)
    assert contents(tmp_path / "out") == {**before, "data_part3.csv": b"mine"}


@pytest.mark.parametrize("format", ["csv", "csv.gz", "parquet"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, format):
    """ENOSPC in the middle becomes a message, and no shard, half or whole, is left; the next run works."""
    path = written(table(np.arange(2000) % 2), tmp_path)
    for limit in ("BUFFER_BYTES", "LEAST_BYTES", "LEAST_ROWS"):
        monkeypatch.setattr(sinks, limit, 100)
    kind = sinks.TableSinks if format == "parquet" else sinks.LineSinks
    right, calls = kind._write, []

    def full(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return right(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "_write", full)
        with pytest.raises(FedlabError, match=r"No space left on device.*free some space"):
            stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2, format=format)
    assert len(calls) == 3 and not [name for name in contents(tmp_path / "out") if "data" in name or "hold" in name]
    assert sizes(stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2, format=format)) == [800, 800]


CHILD = """
import sys
from fedlab.partition import sinks, stream_partition
from fedlab.records import Schema
sinks.BUFFER_BYTES = 1
def watch(phase, share):
    print(phase, flush=True)
    if phase == "writing" and share > 0.5 and sys.argv[3] == "wait":
        sys.stdin.read()
stream_partition(sys.argv[1], Schema("id", ["age"], "ill"), sys.argv[2], n_shards=4, block_bytes=4096, progress=watch,
                 format=sys.argv[4])
"""


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_kill_leaves_no_shard_and_the_next_run_clears_up(tmp_path, format):
    """Killed while writing: no file bears a shard's name, it is no partition; run again it is complete and clean."""
    path = written(table(np.arange(5000) % 2), tmp_path)
    out = tmp_path / "out"
    command = [sys.executable, "-c", CHILD, str(path), str(out), "wait", format]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        # it waits for its input when half is written, having printed at least one line for each block before
        deadline = time.monotonic() + 60
        while child.stdout.readline().strip() != "writing":
            assert time.monotonic() < deadline
        time.sleep(1)
        child.send_signal(signal.SIGKILL)
        child.wait()
    left = set(contents(out))
    assert any(name.startswith(".partial-data_part1.") for name in left)
    assert not any(name.startswith(("data_part", "holdout", "partition.json")) for name in left)
    with pytest.raises(FedlabError, match="no partition"):
        read_partition(out)
    again = stream_partition(path, SCHEMA, out, n_shards=4, format=format)
    assert sizes(again) == [1000] * 4
    assert set(contents(out)) == {f"data_part{i}.{format}" for i in (1, 2, 3, 4)} | {
        f"holdout.{format}",
        "partition.json",
    }


def test_a_file_that_changes_in_between_is_refused(tmp_path):
    """Rows that appear, vanish, change class or change a feature are noticed in the second pass; nothing is left."""
    path = tmp_path / "in.csv"
    lines = [f"{i},{i % 9},{i % 2}" for i in range(40_000)]
    feature, label = [*lines[:-1], "39999,8,1"], [*lines[:-1], "39999,3,0"]
    for number, changed in enumerate([[*lines, "40000,3,1"], lines[:-1], label, feature]):
        path.write_text("\n".join(["id,age,ill", *lines]))

        def change(phase, share, changed=changed):
            if phase == "writing" and share < 0.1:
                path.write_text("\n".join(["id,age,ill", *changed]))

        out = tmp_path / str(number)
        with pytest.raises(FedlabError, match="was changed while it was being read"):
            stream_partition(path, SCHEMA, out, n_shards=2, progress=change, block_bytes=20_000)
        assert not [name for name in contents(out) if "data" in name]


def test_a_thousand_shards_need_few_open_files(tmp_path):
    """CSV keeps no file open: 1,000 shards are written where only 64 may be open."""
    path = written(table(np.arange(5000) % 2), tmp_path)
    code = (
        "import resource, sys; from fedlab.partition import stream_partition; from fedlab.records import Schema;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64));"
        "stream_partition(sys.argv[1], Schema('id', ['age'], 'ill'), sys.argv[2], n_shards=1000, format=sys.argv[3])"
    )
    for format, status in (("csv", 0), ("parquet", 1)):
        command = [sys.executable, "-c", code, str(path), str(tmp_path / format), format]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
    assert "this system allows 64" in done.stderr and not list((tmp_path / "parquet").glob("*data_part*"))
    assert read_partition(tmp_path / "csv").shard(999).n_rows == 4


def test_types_of_parquet_survive(tmp_path):
    """Categories, small integers, gaps and truth values come back from the shards as `read_table` gives the whole."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": rng.permutation(400),
            "age": pd.array(np.where(np.arange(400) % 9, 5, None), dtype="Int16"),
            "smokes": rng.random(400) < 0.5,
            "dose": rng.random(400).astype("float32"),
            "note": pd.Categorical(rng.choice(["x", "y,z"], 400)),
            "seen": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(400), "D"),
            "ill": rng.choice([1.0, 2.0], 400),
        }
    )
    path = tmp_path / "in.parquet"
    frame.to_parquet(path, index=False)
    schema = Schema("id", ["age", "smokes", "dose", "note"], "ill")
    whole = read_table(path, schema).frame.sort_values("id", ignore_index=True)
    for format in ("parquet", "csv"):
        partition = stream_partition(path, schema, tmp_path / format, n_shards=3, format=format, block_bytes=999)
        names = [name for name in whole if format == "parquet" or name != "seen"]
        pd.testing.assert_frame_equal(all_rows(partition)[names], whole[names])


def test_text_that_would_not_read_back_from_csv_is_refused(tmp_path):
    """The text "NA" in a Parquet file is not written to CSV, where it would be missing; to Parquet it is."""
    path = written(table(np.arange(100) % 2, note=["NA", "b"] * 50), tmp_path, ".parquet")
    with pytest.raises(FedlabError, match="column 'note' holds the text 'NA'"):
        stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2)
    assert not (tmp_path / "out").exists()
    stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2, format="parquet")


def test_the_command_streams_or_says_how_else(tmp_path):
    """`fedlab partition` writes shards, takes options, and points to --in-memory for schemes that need it."""
    path = str(written(table(np.arange(200) % 2), tmp_path))
    call = ["partition", path, "--id", "id", "--target", "ill", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*call, "--n-shards", "4", "--scheme", "dirichlet", "--alpha", "9", "--seed", "2"])
    assert done.exit_code == 0, done.output
    partition = read_partition(tmp_path / "out")
    assert partition.meta["options"] == {"alpha": 9.0} and partition.schema.features == ("age",)
    direct = stream_partition(path, SCHEMA, tmp_path / "direct", "dirichlet", 4, seed=2, alpha=9.0)
    assert direct.meta == partition.meta
    done = CliRunner().invoke(
        main, [*call, "--scheme", "quantity", "--option", "fractions=[0.25, 0.75]", "--holdout", "0"]
    )
    assert "2 shards of 50 to 150 rows, no holdout, 200 in all" in done.output
    done = CliRunner().invoke(main, [*call, "--n-shards", "2", "--group", "age", "--features", "id2"])
    assert done.exit_code == 2 and "--in-memory" in done.output and "Traceback" not in done.output
    done = CliRunner().invoke(main, [*call, "--n-shards", "2", "--group", "age", "--features", "id2", "--in-memory"])
    assert done.exit_code == 2 and "no column 'id2'" in done.output
    done = CliRunner().invoke(main, [*call, "--n-shards", "2", "--in-memory", "--format", "csv.gz"])
    assert done.exit_code == 0 and "streamed" not in read_partition(tmp_path / "out").meta
    with gzip.open(tmp_path / "out" / "data_part1.csv.gz", "rt") as file:
        assert file.readline() == "id,age,ill\n"


MEASURED = r"""
import re, sys
from fedlab.partition import stream_partition
from fedlab.records import Schema
stream_partition(sys.argv[1], Schema("id", ["age"], "ill"), sys.argv[2], "dirichlet", 16)
# Not getrusage: on Linux its peak is never below that of the process that started this one, here a large test worker.
print(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units elsewhere")
def test_memory_does_not_grow_with_rows(tmp_path):
    """Ten times the rows, identifiers in no order, take nearly the same memory: far less than the rows themselves."""
    peaks = []
    for n_rows in (200_000, 2_000_000):
        path = tmp_path / f"{n_rows}.csv"
        ids = np.random.default_rng(0).permutation(n_rows)
        frame = pd.DataFrame({"id": ids, "age": ids % 90, "name": "a name of some length for bulk", "ill": ids % 2})
        frame.to_csv(path, index=False)
        command = [sys.executable, "-c", MEASURED, str(path), str(tmp_path / "out")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024)
    # blocks of 8 MB and buffers of 96 MB fill up between the two; 1.8 million rows in memory take over 400 MiB
    assert peaks[1] - peaks[0] < 250 and peaks[1] < 600
    assert Path(tmp_path / "2000000.csv").stat().st_size > 80e6


def test_the_meta_is_json_of_plain_values(tmp_path):
    """partition.json holds what `describe_partition` and the sweep read, and says that it was streamed."""
    path = written(table(np.arange(100) % 2), tmp_path)
    stream_partition(path, SCHEMA, tmp_path / "out", n_shards=2, holdout=0)
    meta = json.loads((tmp_path / "out" / "partition.json").read_text())
    assert meta["streamed"] is True and meta["holdout"] is None and meta["skew"]["gini"] == 0
    assert [entry["organisation"] for entry in meta["shards"]] == ["part1", "part2"]
    records = read_table(path, SCHEMA)
    assert meta["about"] == records.about and meta["name"] == records.name and meta["classes"] == [0, 1]
    assert set(describe_partition(read_partition(tmp_path / "out")).columns) >= {"rows", "js", "tv", "class 0"}
    counts = np.array([list(entry["class_counts"].values()) for entry in meta["shards"]])
    assert meta["skew"]["js"] == pytest.approx(weighted_mean(label_distances(counts, "js"), counts.sum(axis=1)))
