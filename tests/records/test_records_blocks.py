"""Reading in blocks: rows cut where a CSV reader cuts them, identifiers unique exactly."""

import csv
import io

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab.errors import FedlabError
from fedlab.records import unique
from fedlab.records.blocks import iter_blocks, row_ends
from fedlab.records.sources import Source
from fedlab.records.typed import is_plain_whole, kind_of_text
from fedlab.records.unique import Ascending, check_unique

CELLS = st.text(alphabet='ab,"\n é5', max_size=6)
RAW = st.sampled_from(["a", "", '"x"', '"x,y"', '"x\ny"', '"x""y"', '5" x', 'a"b"c', '""', '"x"y', '""""', '" "'])


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8))
def test_rows_that_a_writer_quoted_are_cut_right(rows):
    """Whatever the cells hold, each piece is one of the rows that were written."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["id", "b", "c"], *[["k" + a, b, c] for a, b, c in rows]])
    ends = row_ends(text.getvalue().encode())
    pieces = np.split(np.frombuffer(text.getvalue().encode(), dtype=np.uint8), ends)[:-1]
    cells = [next(csv.reader(io.StringIO(piece.tobytes().decode(), newline=""))) for piece in pieces]
    assert cells[1:] == [["k" + a, b, c] for a, b, c in rows]


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.tuples(RAW, RAW), min_size=1, max_size=6))
def test_odd_quotes_are_read_as_a_csv_reader_reads_them(rows):
    """Quotes inside plain values, and text after a closing quote, end a row just where Python's reader ends it."""
    text = "".join(f"{one},{other}\n" for one, other in rows)
    pieces = np.split(np.frombuffer(text.encode(), dtype=np.uint8), row_ends(text.encode()))[:-1]
    assert [piece.tobytes().decode() for piece in pieces] == [f"{one},{other}\n" for one, other in rows]
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == len(rows)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(RAW, RAW), min_size=1, max_size=6), st.integers(1, 30))
def test_blocks_of_any_size_hold_the_same_lines(tmp_path_factory, rows, block_bytes):
    """Lines and their numbers do not depend on where the file was cut, nor on blank lines and a missing line feed."""
    path = tmp_path_factory.mktemp("blocks") / "in.csv"
    lines = [f"{one},{other}\n" for one, other in rows]
    path.write_bytes(("﻿a,b\n\n" + "\n".join(lines)).encode().removesuffix(b"\n"))
    got, first = [], 0
    for block in iter_blocks(path, block_bytes):
        assert block.first == first and block.n_rows == len(block.lines)
        assert block.data.to_pybytes() == b"".join(block.lines.to_pylist())
        got += block.lines.to_pylist()
        first += block.n_rows
    assert got == [line.encode() for line in lines]


def columns(values, size=7):
    """Return a function that gives values in arrays of Arrow."""
    return lambda: iter([pyarrow.array(values[start : start + size]) for start in range(0, len(values), size)])


@pytest.mark.parametrize("make", [int, str, lambda i: -(2**62) + i, lambda i: f"é{i}" * 5])
def test_repeated_identifiers_are_found_wherever_they_stand(make):
    """Unique ones pass in any order; one that stands twice is named with both rows, and the number of rows told."""
    order = np.random.default_rng(0).permutation(2000)
    check_unique(columns([make(int(i)) for i in order]), "id", Source("my.csv"))
    values = [make(int(i)) for i in order]
    values[1500] = values[3]
    with pytest.raises(FedlabError, match=f"row 4: {values[3]!r}, row 1501: {values[3]!r};"):
        check_unique(columns(values), "id", Source("my.csv"))
    values[1700] = values[1600]
    with pytest.raises(FedlabError, match=r"row 1501: .*, and 2 more rows share theirs"):
        check_unique(columns(values), "id", Source("my.csv"))


def test_texts_with_equal_hashes_are_not_taken_for_equal(monkeypatch):
    """With a hash that is the same for all, unique texts still pass, and a repeated one is found."""
    monkeypatch.setattr(unique, "_keys", lambda column: np.full(len(column), 9, dtype=np.uint64))
    check_unique(columns(list("abcdefghijk")), "id", Source("my.csv"))
    with pytest.raises(FedlabError, match="row 1: 'a', row 9: 'a'"):
        check_unique(columns(list("abcdefghak")), "id", Source("my.csv"))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 30), max_size=4), max_size=4))
def test_ascending_means_strictly(parts):
    """It says so just when the joined parts rise strictly."""
    watched = Ascending()
    for part in parts:
        watched.update(pyarrow.chunked_array([pyarrow.array(part, pyarrow.int64())]))
    joined = [value for part in parts for value in part]
    assert watched.so_far == (joined == sorted(set(joined)))


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    st.lists(
        st.sampled_from(["0", "7", "-7", "007", "+7", " 7", "1234567890123456789", "7.5", "-0", "é", "12"]), max_size=4
    )
)
def test_plain_whole_numbers(texts):
    """The fast look and the pattern agree with a plain definition."""
    plain = all(text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19 for text in texts)
    plain = plain and all(str(int(text)) == text or text == "-0" for text in texts)
    column = pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())])
    assert is_plain_whole(column) == plain
    assert kind_of_text(column) == ("int" if plain else kind_of_text(column)) if texts else kind_of_text(column) is None
