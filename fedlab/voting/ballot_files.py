"""Ballot files: ballots and the truth as .npz without pickle, the same bytes for the same ballots."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fedlab.errors import FedlabError
from fedlab.files import atomic_path
from fedlab.voting.ballots import Ballots
from fedlab.voting.classes import kind_of, plain_values

_FORMAT = "fedlab ballots 1"
_EPOCH = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest date a zip entry can carry: a clock in the file would change its bytes


class BallotFile(NamedTuple):
    """What a ballot file holds."""

    ballots: Ballots
    truth: np.ndarray | None  #: the true class of each record, as a value
    ids: np.ndarray | None  #: the identifier of each record


def save_ballots(ballots: Ballots, path: Path | str, truth: Any = None, ids: Any = None) -> None:
    """Write ballots to an ``.npz`` file, in one rename.

    Parameters
    ----------
    ballots : Ballots
        What to write.
    path : Path or str
        Where to. Its folder is created.
    truth : array (n_records,), optional
        The true class of each record, as a value. It may hold classes that no model knows.
    ids : array (n_records,), optional
        The identifier of each record.

    Raises
    ------
    FedlabError
        If `truth` or `ids` are not one value for each record, or the truth is text where the classes are
        numbers.

    Notes
    -----
    No pickle inside: text is stored as fixed-width unicode. The same ballots give the same bytes, at any
    time.
    """
    optional = {
        "labels": ballots.labels,
        "probabilities": ballots.probabilities,
        "classes": ballots.classes,
        "organisations": np.array(ballots.organisations, dtype=np.str_),
        "sizes": ballots.sizes,
        "accuracies": ballots.accuracies,
        "class_counts": ballots.class_counts,
        "truth": _checked_truth(truth, ballots),
        "ids": _beside(ids, "ids", ballots),
    }
    arrays = {name: array for name, array in optional.items() if array is not None}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        # The list of entries guards the optional ones: a damaged directory must not lose one in silence.
        _write(archive, "format", np.array([_FORMAT, *arrays]))
        for name, array in arrays.items():
            _write(archive, name, array)


def load_ballots(path: Path | str) -> BallotFile:
    """Read what `save_ballots` wrote; everything is checked again.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    BallotFile
        ``(ballots, truth, ids)``; `truth` and `ids` are None where they were not written.

    Raises
    ------
    FedlabError
        If the file is missing, damaged or no ballot file.

    Examples
    --------
    >>> import tempfile
    >>> ballots = Ballots([[0, 1]], None, ["no", "yes"], ["north"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_ballots(ballots, folder + "/ballots.npz", truth=["no", "no"])
    ...     read = load_ballots(folder + "/ballots.npz")
    >>> read.ballots.labels.tolist(), read.truth.tolist(), read.ids
    ([[0, 1]], ['no', 'no'], None)
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise FedlabError(f"{path}: there is no such ballot file; cast the ballots first") from error
    except Exception as error:  # a damaged zip raises a dozen kinds, as deep as the damage lies
        raise FedlabError(f"{path}: not a ballot file ({error}); remove it and cast the ballots again") from error
    stated = arrays.pop("format", np.array([])).tolist()
    if stated[:1] != [_FORMAT] or set(stated[1:]) != set(arrays):
        raise FedlabError(
            f"{path}: not a whole ballot file of the form {_FORMAT!r}; remove it and cast the ballots again"
        )
    truth, ids = arrays.pop("truth", None), arrays.pop("ids", None)
    for array in arrays.values():
        array.setflags(write=False)
    organisations = tuple(arrays.pop("organisations").tolist())
    ballots = Ballots(
        labels=arrays["labels"],
        probabilities=arrays.get("probabilities"),
        classes=arrays["classes"],
        organisations=organisations,
        sizes=arrays.get("sizes"),
        accuracies=arrays.get("accuracies"),
        class_counts=arrays.get("class_counts"),
    )
    return BallotFile(ballots, _beside(truth, "truth", ballots), _beside(ids, "ids", ballots))


def _checked_truth(truth: Any, ballots: Ballots) -> np.ndarray | None:
    """Return the truth, refusing one that could never equal a class."""
    array = _beside(truth, "truth", ballots)
    if array is not None and len(array) and kind_of(array) != kind_of(ballots.classes):
        raise FedlabError(
            f"truth holds {kind_of(array)}, the classes of the ballots are {kind_of(ballots.classes)} "
            f"{ballots.classes[:10].tolist()}; give the truth as values of the same type"
        )
    return array


def _beside(values: Any, what: str, ballots: Ballots) -> np.ndarray | None:
    """Return one plain value for each record."""
    if values is None:
        return None
    array = plain_values(values, what)
    if len(array) != ballots.n_records:
        raise FedlabError(f"{what} must hold one value for each of {ballots.n_records} records; got {len(array)}")
    return array


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Write one array as an entry without a clock in it."""
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
    entry.external_attr = 0o644 << 16
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    # Level 1: probabilities of a million records in seconds, at nearly the size that level 6 takes many times
    # as long for.
    archive.writestr(entry, buffer.getbuffer(), compress_type=zipfile.ZIP_DEFLATED, compresslevel=1)
