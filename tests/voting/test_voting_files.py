"""Ballot files: what is written is read, byte for byte the same, without pickle."""

import time

import numpy as np
import pytest

from fedlab.errors import FedlabError
from fedlab.voting import Ballots, load_ballots, save_ballots

FULL = Ballots(
    labels=[[0, 1, -1], [1, 1, 0]],
    probabilities=[[[0.75, 0.25], [0.1, 0.9], [0, 0]], [[0.3, 0.7], [0, 1], [1, 0]]],
    classes=["krank", "gesünder"][::-1],
    organisations=("Zürich", "B"),
    sizes=[3, 5],
    accuracies=[0.5, float("nan")],
    class_counts=[[4, 6], [0, 30]],
)


def assert_equal(first, second):
    """Compare two ballots field by field, dtypes included."""
    assert first.organisations == second.organisations
    for name in ("labels", "probabilities", "classes", "sizes", "accuracies", "class_counts"):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def test_round_trip_with_everything(tmp_path):
    """Ballots, truth (with a class that no model knows) and ids come back as they were; text as unicode."""
    path = tmp_path / "new" / "ballots.npz"
    save_ballots(FULL, path, truth=np.array(["krank", "neu", "krank"], dtype=object), ids=[7, 8, 9])
    ballots, truth, ids = load_ballots(path)
    assert_equal(ballots, FULL)
    assert truth.tolist() == ["krank", "neu", "krank"]
    assert truth.dtype.kind == "U"
    assert ids.tolist() == [7, 8, 9]
    assert [one.name for one in path.parent.iterdir()] == ["ballots.npz"]
    with pytest.raises(ValueError, match="read-only"):
        ballots.labels[0, 0] = 1


@pytest.mark.parametrize("classes", [[False, True], [1, 2], [0.5, 1.5]])
def test_round_trip_with_little(tmp_path, classes):
    """Ballots without probabilities, sizes, truth or ids, and classes of every type."""
    ballots = Ballots([[0, 1]], None, classes, ["A"])
    save_ballots(ballots, tmp_path / "b.npz")
    read = load_ballots(tmp_path / "b.npz")
    assert_equal(read.ballots, ballots)
    assert read.truth is None
    assert read.ids is None


def test_same_bytes_at_another_time(tmp_path, monkeypatch):
    """The same ballots give the same file on another day."""
    save_ballots(FULL, tmp_path / "a.npz", ids=["x", "y", "z"])
    later = time.time() + 1e8
    monkeypatch.setattr(time, "time", lambda: later)
    save_ballots(FULL, tmp_path / "b.npz", ids=["x", "y", "z"])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_reads_the_file(tmp_path):
    """The file is an ordinary .npz that NumPy reads with pickles forbidden."""
    save_ballots(FULL, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as archive:
        assert archive["labels"].tolist() == FULL.labels.tolist()


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"truth": ["krank"]}, "one value for each of 3 records; got 1"),
        ({"truth": [0, 1, 1]}, "truth holds numbers.*text"),
        ({"ids": [1, "a", 2]}, "ids must be all text, all numbers"),
    ],
)
def test_bad_truth_and_ids_are_refused_before_anything_is_written(tmp_path, beside, message):
    """A truth that could never match, or of the wrong length, leaves no file."""
    with pytest.raises(FedlabError, match=message):
        save_ballots(FULL, tmp_path / "b.npz", **beside)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_ballots_are_refused(tmp_path):
    """Missing, damaged, foreign and pickled files are errors that name the file."""
    path = tmp_path / "b.npz"
    with pytest.raises(FedlabError, match=r"b\.npz: there is no such"):
        load_ballots(path)
    for content in (b"", b"not a zip", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        with pytest.raises(FedlabError, match=r"b\.npz: not a ballot file"):
            load_ballots(path)
    np.savez(path, labels=np.zeros((1, 1)))
    with pytest.raises(FedlabError, match="not a whole ballot file"):
        load_ballots(path)
    np.savez(path, format=np.array(["fedlab ballots 1", "labels"]), labels=np.array([{}], dtype=object))
    with pytest.raises(FedlabError, match="not a ballot file"):
        load_ballots(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(FedlabError, match="not a ballot file"):
        load_ballots(path)


def test_a_flipped_byte_is_noticed(tmp_path):
    """A damaged file is refused, or the damage lies where it changes nothing that is read: it never votes."""
    path = tmp_path / "b.npz"
    save_ballots(FULL, path)
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            read = load_ballots(path)
        except FedlabError:
            refused += 1
        else:
            assert_equal(read.ballots, FULL)
    assert refused > len(content) / 5 / 2
