"""Ballots: what every organisation's model says about every record, checked once and then read-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fedlab.errors import FedlabError
from fedlab.voting.classes import plain_values

#: How far a model's probabilities for one record may be from summing to one: room for 32-bit rounding only.
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Ballots:
    """What each model says about each record, over one union of classes.

    Everything is checked on construction; nothing is repaired on the way, with one exception that loses
    nothing: where a model abstains on a record (label -1), its probabilities there are set to 0, so that no
    rule can count them.

    Parameters
    ----------
    labels : int array (n_models, n_records)
        Each model's class for each record, an index into `classes`; -1 is an abstention.
    probabilities : float array (n_models, n_records, n_classes) or None
        Each model's probabilities, columns aligned to `classes`, 0 for a class that the model never saw. A
        record's row sums to one within 1e-6. None where not every model gives probabilities.
    classes : array (n_classes,)
        The union of the models' classes, sorted: text, numbers or true/false.
    organisations : sequence of str
        The name of each model's organisation.
    sizes : float array (n_models,), optional
        How many rows each model was trained on.
    accuracies : float array (n_models,), optional
        Each model's accuracy on its organisation's own test rows, from 0 to 1; NaN where it was not measured.
    class_counts : float array (n_models, n_classes), optional
        How many training rows of each class each organisation held; 0 for a class that it never saw.

    Raises
    ------
    FedlabError
        If shapes disagree, a label is out of range, or probabilities are missing, negative or do not sum to
        one. The message names the organisation and the first bad record.

    Notes
    -----
    Arrays that can be written to are copied, so that nobody can change ballots after they were checked.

    Examples
    --------
    >>> ballots = Ballots([[0, 1], [1, 1], [-1, 0]], None, ["ill", "well"], ["north", "south", "west"])
    >>> ballots.n_models, ballots.n_records, ballots.n_classes
    (3, 2, 2)
    >>> ballots.take_models([0, 2]).organisations
    ('north', 'west')
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    classes: np.ndarray
    organisations: tuple[str, ...]
    sizes: np.ndarray | None = None
    accuracies: np.ndarray | None = None
    class_counts: np.ndarray | None = None

    def __post_init__(self) -> None:
        classes = _checked_classes(self.classes)
        organisations = _checked_names(self.organisations)
        labels = _checked_labels(self.labels, len(classes), organisations)
        values = {
            "labels": labels,
            "probabilities": _checked_probabilities(self.probabilities, labels, len(classes), organisations),
            "classes": classes,
            "sizes": _checked_sizes(self.sizes, organisations),
            "accuracies": _checked_accuracies(self.accuracies, organisations),
            "class_counts": _checked_counts(self.class_counts, len(classes), organisations),
        }
        object.__setattr__(self, "organisations", organisations)
        for name, array in values.items():
            object.__setattr__(self, name, None if array is None else read_only(array))

    @property
    def n_models(self) -> int:
        """The number of models: one for each organisation."""
        return self.labels.shape[0]

    @property
    def n_records(self) -> int:
        """The number of records voted on."""
        return self.labels.shape[1]

    @property
    def n_classes(self) -> int:
        """The number of classes in the union over the models."""
        return len(self.classes)

    @property
    def answered(self) -> np.ndarray:
        """Which models answered on which records: bool array (n_models, n_records)."""
        return self.labels >= 0

    def take_models(self, index: npt.ArrayLike) -> "Ballots":
        """Return the ballots of some models only, in the order given; the classes stay."""
        rows = np.arange(self.n_models)[np.asarray(index)]
        return Ballots(
            labels=self.labels[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            classes=self.classes,
            organisations=tuple(self.organisations[row] for row in rows),
            sizes=None if self.sizes is None else self.sizes[rows],
            accuracies=None if self.accuracies is None else self.accuracies[rows],
            class_counts=None if self.class_counts is None else self.class_counts[rows],
        )

    def take_records(self, index: npt.ArrayLike | slice) -> "Ballots":
        """Return the ballots on some records only, in the order given: indices, a mask or a slice."""
        columns = index if isinstance(index, slice) else np.asarray(index)
        return Ballots(
            labels=self.labels[:, columns],
            probabilities=None if self.probabilities is None else self.probabilities[:, columns],
            classes=self.classes,
            organisations=self.organisations,
            sizes=self.sizes,
            accuracies=self.accuracies,
            class_counts=self.class_counts,
        )


def read_only(array: np.ndarray) -> np.ndarray:
    """Return the array itself if nobody can write to it, else a copy that nobody can write to."""
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array


def _array(value: Any, what: str) -> np.ndarray:
    """Return an array, or say that rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise FedlabError(
            f"{what} have different lengths; every organisation answers on the same records, -1 where it abstains"
        ) from error


def _checked_classes(classes: Any) -> np.ndarray:
    array = plain_values(classes, "the classes")
    if not len(array) or not np.array_equal(array, np.unique(array)):
        raise FedlabError(f"classes must be sorted, each once, at least one; got {array[:10].tolist()}; use np.unique")
    return array


def _checked_names(organisations: Sequence[str]) -> tuple[str, ...]:
    if isinstance(organisations, str) or not len(organisations):
        raise FedlabError(f"organisations must be a sequence of at least one name; got {organisations!r}")
    return tuple(str(name) for name in organisations)


def _checked_labels(labels: Any, n_classes: int, organisations: tuple[str, ...]) -> np.ndarray:
    array = _array(labels, "labels")
    if array.ndim != 2 or array.shape[0] != len(organisations):
        raise FedlabError(
            f"labels must have shape (n_models, n_records) with {len(organisations)} models, one for each "
            f"organisation; got shape {array.shape}"
        )
    if array.size and array.dtype.kind not in "iu":
        raise FedlabError(f"labels must be integers, indices into classes; got dtype {array.dtype}")
    if array.size and (array.min() < -1 or array.max() >= n_classes):
        model, record = np.argwhere((array < -1) | (array >= n_classes))[0]
        raise FedlabError(
            f"organisation {organisations[model]!r}, record {record}: label {array[model, record]} is out "
            f"of range; allowed: 0 to {n_classes - 1} (an index into classes), -1 for an abstention"
        )
    return array.astype(np.int32, copy=False)


def _checked_probabilities(
    probabilities: Any, labels: np.ndarray, n_classes: int, organisations: tuple[str, ...]
) -> np.ndarray | None:
    if probabilities is None:
        return None
    array = _array(probabilities, "probabilities")
    if array.shape != (*labels.shape, n_classes):
        raise FedlabError(
            f"probabilities must have shape (n_models, n_records, n_classes) = {(*labels.shape, n_classes)}; "
            f"got {array.shape}"
        )
    if array.dtype.kind not in "fiub":
        raise FedlabError(f"probabilities must be numbers; got dtype {array.dtype}")
    array = array.astype(np.float64, copy=False)
    copied = False
    for model, name in enumerate(organisations):
        abstained = labels[model] < 0
        _check_rows(array[model], abstained, name)
        if array[model][abstained].any():
            array, copied = (array if copied else array.copy()), True
            array[model][abstained] = 0.0
    return array


def _check_rows(rows: np.ndarray, abstained: np.ndarray, organisation: str) -> None:
    """Refuse one model's probabilities (n_records, n_classes) at the first record where they are none."""
    totals = np.zeros(len(rows))
    wrong = np.zeros(len(rows), dtype=bool)
    for column in rows.T:
        totals += column
        wrong |= ~((column >= 0) & (column < np.inf))  # NaN compares false
    unnormalised = ~wrong & ~abstained & ~(np.abs(totals - 1) <= SUM_TOLERANCE)
    bad = np.flatnonzero(wrong | unnormalised)
    if not len(bad):
        return
    record = bad[0]
    fault = "not finite and non-negative" if wrong[record] else f"summing to {totals[record]:.9g}, not to one"
    raise FedlabError(
        f"organisation {organisation!r}, record {record}: probabilities {rows[record].tolist()} are {fault} "
        f"({len(bad)} such records); they are not mended silently: correct the model, or leave it out of "
        "the vote"
    )


def _per_model(values: Any, what: str, organisations: tuple[str, ...]) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FedlabError(f"{what} must be numbers, one for each organisation; got {values!r}") from error
    if array.shape != (len(organisations),):
        raise FedlabError(f"{what} must hold one number for each of {len(organisations)} organisations; got {values!r}")
    return array


def _checked_sizes(sizes: Any, organisations: tuple[str, ...]) -> np.ndarray | None:
    if sizes is None:
        return None
    array = _per_model(sizes, "sizes", organisations)
    for name, size in zip(organisations, array, strict=True):
        if not 0 <= size < np.inf:
            raise FedlabError(f"organisation {name!r}: size {size} is not a count of rows; give a number from 0 up")
    return array


def _checked_accuracies(accuracies: Any, organisations: tuple[str, ...]) -> np.ndarray | None:
    if accuracies is None:
        return None
    array = _per_model(accuracies, "accuracies", organisations)
    for name, accuracy in zip(organisations, array, strict=True):
        if not (np.isnan(accuracy) or 0 <= accuracy <= 1):
            raise FedlabError(
                f"organisation {name!r}: accuracy {accuracy} is out of range; allowed: 0 to 1, NaN where not measured"
            )
    return array


def _checked_counts(counts: Any, n_classes: int, organisations: tuple[str, ...]) -> np.ndarray | None:
    if counts is None:
        return None
    try:
        array = np.asarray(_array(counts, "class_counts"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, FedlabError):
            raise
        raise FedlabError(f"class_counts must be numbers of rows; got {counts!r}") from error
    wanted = (len(organisations), n_classes)
    if array.shape != wanted:
        raise FedlabError(
            f"class_counts must have shape (n_models, n_classes) = {wanted}: training rows of each class of "
            f"each organisation; got shape {array.shape}"
        )
    for name, row in zip(organisations, array, strict=True):
        if not ((row >= 0) & (row < np.inf)).all():
            raise FedlabError(
                f"organisation {name!r}: class counts {row.tolist()} are not counts of rows; give numbers from 0 up"
            )
    return array
