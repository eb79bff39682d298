"""The checks on a table of records; each error names file, column, first bad rows, and the fix."""

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fedlab.records.schema import Schema
from fedlab.records.sources import Source, csv_rows
from fedlab.records.table import values_of


def check_header(header: Sequence[str], wanted: Sequence[str], source: Source) -> None:
    """Check that no column stands twice and that every wanted one is there.

    Raises
    ------
    FedlabError
        Naming the column, and the nearest name where one is missing.

    Examples
    --------
    >>> check_header(["id", "age"], ["id", "Age"], Source("my.csv"))
    Traceback (most recent call last):
    fedlab.errors.FedlabError: my.csv: there is no column 'Age'; did you mean 'age'? It has: id, age
    """
    for name in dict.fromkeys(header):
        places = [place + 1 for place, other in enumerate(header) if other == name]
        if len(places) > 1:
            what = f"column {name!r} stands" if name.strip() else "a column without a name stands"
            raise source.error(
                f"{what} {len(places)} times in the header (columns {', '.join(map(str, places))}); "
                "rename or remove all but one"
            )
    for name in wanted:
        if name not in header:
            raise source.error(f"there is no column {name!r}{_nearest(name, header)} It has: {', '.join(header)}")


def _nearest(name: str, header: Sequence[str]) -> str:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return "; its header is one single name: separate the columns by commas."
    folded = {other.strip().lower(): other for other in header}
    near = difflib.get_close_matches(name.strip().lower(), folded, n=1)
    return f"; did you mean {folded[near[0]]!r}?" if near else "."


def check_row_lengths(frame: pd.DataFrame, source: Source) -> None:
    """Check that no row of a CSV file stops short; pandas would fill it up with missing values.

    Raises
    ------
    FedlabError
        Naming the first such row.
    """
    # A short row misses its last value: without one there is no need to read the file again.
    if source.path is None or not len(frame) or not frame.iloc[:, -1].isna().any():
        return
    for row, (line, cells) in enumerate(csv_rows(source.path), start=1):
        if len(cells) < frame.shape[1]:
            raise source.error(
                f"row {row} (line {line} of the file) holds {len(cells)} values where the header has "
                f"{frame.shape[1]} names; complete the row, or remove it if the file was cut off there"
            )


def check_records(frame: pd.DataFrame, schema: Schema, source: Source, part: bool = False) -> None:
    """Check a table against its schema. Missing feature values and sensitive values are allowed.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table, with a range index.
    schema : Schema
        The roles of its columns.
    source : Source
        The table's name, and file, for the messages.
    part : bool, default=False
        Whether it is a part of a table that was checked as a whole: it may then be empty, hold one class,
        lack the positive class, and miss a feature in all rows.

    Raises
    ------
    FedlabError
        If there is no row; identifiers are missing or repeated; a target, site or group is missing; the
        target has one class, mixed types or no positive class; a feature is infinite, missing in all rows,
        holds mixed types, or holds text among numbers.
    """
    check_header([str(name) for name in frame.columns], schema.columns, source)
    if not len(frame):
        if part:
            return
        raise source.error("there is a header but no row; give at least two records")
    _check_identifier(frame, schema.id, source)
    for role, name in (("site", schema.site), ("group", schema.group)):
        if name is not None:
            check_complete(frame, name, f"{role} column", source, "fill it in, or remove those rows")
    _check_target(frame, schema, source, part)
    for name in schema.features:
        _check_feature(frame, name, source, part)


def check_complete(frame: pd.DataFrame, name: str, kind: str, source: Source, fix: str) -> None:
    """Refuse a column with missing values, naming their rows."""
    bad = np.flatnonzero(frame[name].isna())
    if bad.size:
        raise source.error(
            f"{kind} {name!r} has {_count(bad.size, 'missing value')}: {source.show(frame, name, bad)}; {fix}"
        )


def _check_identifier(frame: pd.DataFrame, name: str, source: Source) -> None:
    check_complete(frame, name, "identifier column", source, "give every record an identifier of its own")
    _check_types(frame, name, source)
    if frame[name].is_unique:
        return
    repeated = frame[name].duplicated()
    n_shared = int(frame[name].duplicated(keep=False).sum())
    example = np.flatnonzero(frame[name] == frame[name][repeated].iloc[0])
    raise source.error(
        f"identifier column {name!r} is not unique, {n_shared} rows share theirs with another: "
        f"{source.show(frame, name, example)}; remove the repeated rows, or, if one person has several "
        "records, "
        "give each record its own identifier and name the person's column as group"
    )


def _check_target(frame: pd.DataFrame, schema: Schema, source: Source, part: bool) -> None:
    name = schema.target
    fix = (
        "remove those rows; if a text such as None, NA or ? is meant as a class, rename it in the file "
        "(for example to 'none'), because it reads as missing"
    )
    check_complete(frame, name, "target column", source, fix)
    classes = check_classes(frame, name, source)
    if part:
        return
    _check_unparsable(frame, name, source)
    if len(classes) < 2:
        raise source.error(
            f"target column {name!r} holds one class only, {_plain(classes[0])!r}; give records of at least two classes"
        )
    check_positive(classes, schema, source)


def check_classes(frame: pd.DataFrame, name: str, source: Source) -> np.ndarray:
    """Check that a target's values can be classes: of one sortable type, not fractions, none infinite.

    Returns
    -------
    numpy.ndarray
        The distinct classes, sorted.

    Raises
    ------
    FedlabError
        Naming the first rows that do not fit.
    """
    _check_types(frame, name, source)
    values = values_of(frame[name])
    if values.dtype == object:
        _check_spaces(frame, name, source)
    if values.dtype.kind == "f":
        check_finite(frame, name, source)
        bad = np.flatnonzero(values != np.round(values))
        if bad.size:
            raise source.error(
                f"target column {name!r} holds fractions, not classes: {source.show(frame, name, bad)}; "
                "cut it into classes first (for example high = value > 5)"
            )
    return np.sort(pd.unique(values))


def _check_spaces(frame: pd.DataFrame, name: str, source: Source) -> None:
    """Check that no two classes differ by spaces around them only."""
    classes = set(frame[name].unique())
    slips = sorted(value for value in classes if value != value.strip() and value.strip() in classes)
    if slips:
        bad = np.flatnonzero(frame[name].isin(slips))
        raise source.error(
            f"target column {name!r} holds {slips[0]!r} beside {slips[0].strip()!r}: "
            f"{source.show(frame, name, bad)}; take the spaces away"
        )


def check_positive(classes: np.ndarray, schema: Schema, source: Source) -> None:
    """Refuse a positive class that the target does not hold."""
    positive, known = schema.positive, [_plain(value) for value in classes]
    if positive is None or positive in known:
        return
    same = [value for value in known if str(value) == str(positive)]
    if same:
        right, wrong = same[0], _type(positive)
        hint = f"the class is the {_type(right)} {right!r}, not the {wrong} {positive!r}: write {right!r}"
    else:
        hint = f"give one of {', '.join(map(repr, known[:20]))}"
    raise source.error(f"positive is {positive!r}, which is no class of target {schema.target!r}; {hint}")


def _check_feature(frame: pd.DataFrame, name: str, source: Source, part: bool) -> None:
    if frame[name].isna().all():
        if part:
            return
        raise source.error(f"feature {name!r} is missing in all rows; take it out of features")
    _check_types(frame, name, source)
    if not part:
        _check_unparsable(frame, name, source)
    check_finite(frame, name, source)


def check_finite(frame: pd.DataFrame, name: str, source: Source) -> None:
    """Refuse a column of numbers with infinite ones, naming their rows."""
    if getattr(frame[name].dtype, "kind", "O") != "f":
        return
    bad = np.flatnonzero(np.isinf(frame[name].to_numpy()))
    if bad.size:
        raise source.error(
            f"column {name!r} has {_count(bad.size, 'infinite value')}: {source.show(frame, name, bad)}; "
            "correct them, or leave the cells empty (missing)"
        )


def _check_types(frame: pd.DataFrame, name: str, source: Source) -> None:
    """Check that a column holds numbers, truth values, or text throughout."""
    column = frame[name]
    if isinstance(column.dtype, pd.StringDtype) or (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"):
        return
    types = np.array([_type(value) for value in values_of(column)], dtype=object)
    types[column.isna().to_numpy()] = "text"
    if (types == "text").all():
        return
    kinds, counts = np.unique(types.astype(str), return_counts=True)
    bad = np.flatnonzero(types == kinds[np.argmin(counts)])
    found = ", ".join(f"{count} {kind}" for kind, count in zip(kinds, counts, strict=True))
    raise source.error(
        f"column {name!r} holds "
        f"{'mixed types' if len(kinds) > 1 else 'values that are neither numbers nor text'} "
        f"({found}): {source.show(frame, name, bad)}; make it all numbers or all text"
    )


def _check_unparsable(frame: pd.DataFrame, name: str, source: Source) -> None:
    """Check that text does not stand among numbers: where half or more are numbers, the rest are slips."""
    if isinstance(frame[name].dtype, np.dtype) and frame[name].dtype.kind in "iufb":
        return
    counts = frame[name].value_counts()
    texts = counts.index.to_numpy(dtype=object)
    numeric = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").notna().to_numpy()
    share = counts.to_numpy()[numeric].sum() / counts.sum()
    if share < 0.5 or numeric.all():
        return
    bad = np.flatnonzero(frame[name].isin(texts[~numeric]))
    raise source.error(
        f"column {name!r} holds numbers, but not in {_count(bad.size, 'row')}: "
        f"{source.show(frame, name, bad)}; correct them, leave the cells empty (missing), or, if the column "
        "holds "
        "categories, write all of them as words (for example 'code 12')"
    )


def _type(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "truth value"
    return "number" if isinstance(value, int | float | np.number) else type(value).__name__


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
