"""Reading the results table: what is a parameter, what tells settings and rules apart; checks by name."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fedlab.errors import FedlabError, unknown_name
from fedlab.evidence.evaluate import ROW_COLUMNS
from fedlab.files import sha256_file

REPLICATES = ("seed", "random_state")
"""Parameters that repeat a cell and do not change what it asks."""

_NOT_SETTINGS = {"sweep", "n_shards", "rule", *REPLICATES}


_TEXTS = ("sweep", "data", "scheme", "model", "format", "rule", "tie")


def read_results(path: Path | str) -> pd.DataFrame:
    """Read a results table, each column in the type in which it was recorded.

    Parameters
    ----------
    path : Path or str
        The folder of a sweep, its `results.csv`, or its `results.parquet`. Beside a CSV file that nobody has changed,
        the Parquet file is read, which holds the types. Of a CSV file alone, only empty fields are missing (a text
        ``NA``, ``nan`` or ``None`` is a text), and the types of columns beyond the parameters are guessed.

    Returns
    -------
    DataFrame

    Raises
    ------
    FedlabError
        If it cannot be read, or lacks the columns that every results table has.
    """
    path = Path(path)
    path = path / "results.csv" if path.is_dir() else path
    try:
        results = _read_table(path)
    except FileNotFoundError:
        raise FedlabError(
            f"results {path} is not there: give the folder of a sweep, such as results/quick, or its results.csv; "
            "`fedlab sweep` makes it"
        ) from None
    except (OSError, ValueError) as error:
        raise FedlabError(f"results {path} cannot be read: {error}; run `fedlab sweep` to make it") from error
    require(results, "n_shards", "rule", "seed", "accuracy")
    return results


def _read_table(path: Path) -> pd.DataFrame:
    import pyarrow.parquet

    parquet = path.with_suffix(".parquet")
    if path == parquet or (parquet.is_file() and _is_of(parquet, path)):
        # ArrowInvalid, of a file that is no Parquet, is a ValueError.
        return pyarrow.parquet.read_table(parquet).to_pandas()
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(_TEXTS, str))


def _is_of(parquet: Path, csv: Path) -> bool:
    """Say whether a Parquet file was written together with a CSV file as it is now."""
    import pyarrow.parquet

    try:
        said = (pyarrow.parquet.read_schema(parquet).metadata or {}).get(b"sha256 of the csv")
    except (OSError, ValueError):
        return False
    return said is not None and said.decode() == sha256_file(csv)


def require(results: pd.DataFrame, *columns: str) -> None:
    """Check that a results table has rows and holds some columns, each with at least one value.

    Raises
    ------
    FedlabError
        Naming the first column that is missing or empty.
    """
    if results.empty:
        raise FedlabError(
            "the results table has no row: every run failed or was filtered out; look at the sweep's report"
        )
    for name in columns:
        if name not in results.columns:
            raise unknown_name("results table: a needed column is missing; column", name, map(str, results.columns))
        if results[name].isna().all():
            raise FedlabError(
                f"results table: column {name!r} holds no value in {len(results)} rows; what it measures was "
                "not computed in this sweep or is not defined for this data"
            )


def parameters(results: pd.DataFrame) -> list[str]:
    """Return the parameter columns: all up to ``seed``, the last of them, that no cell measures.

    Examples
    --------
    >>> parameters(pd.DataFrame(columns=["scheme", "n_shards", "n_rows", "rule", "seed", "accuracy"]))
    ['scheme', 'n_shards', 'rule', 'seed']
    """
    names = [str(name) for name in results.columns]
    last = [names.index("seed") + 1] if "seed" in names else [names.index(m) for m in ROW_COLUMNS if m in names]
    return [name for name in names[: min(last, default=len(names))] if name not in ROW_COLUMNS]


def setting_columns(results: pd.DataFrame, ignore: Sequence[str] = ()) -> list[str]:
    """Return the parameters, up to the rule, that vary over the table: what tells one panel from another."""
    names = parameters(results)
    end = names.index("rule") if "rule" in names else len(names)
    left_out = _NOT_SETTINGS.union(ignore)
    return [name for name in names[:end] if name not in left_out and results[name].nunique(dropna=False) > 1]


def rule_columns(results: pd.DataFrame) -> list[str]:
    """Return ``rule`` and those of its options (the parameters after it) that vary within a rule."""
    names = parameters(results)
    options = names[names.index("rule") + 1 :] if "rule" in names else []
    within = results.groupby("rule", dropna=False)
    return ["rule"] + [
        name for name in options if name not in _NOT_SETTINGS and (within[name].nunique(dropna=False) > 1).any()
    ]


def rule_labels(results: pd.DataFrame) -> pd.Series:
    """Return each row's rule as figures name it: with the options that vary within that rule.

    Examples
    --------
    >>> table = pd.DataFrame({"rule": ["any", "soft", "soft"], "tie": [None, "lowest", "positive"]})
    >>> rule_labels(table).tolist()
    ['any', 'soft (tie: lowest)', 'soft (tie: positive)']
    """
    labels = results["rule"].map(readable)
    for name in rule_columns(results)[1:]:
        varies = results.groupby("rule", dropna=False)[name].transform(lambda held: held.nunique(dropna=False) > 1)
        told = results[name].map(lambda value: "default" if pd.isna(value) else readable(value))
        labels = labels.where(~varies.astype(bool), labels + f" ({name}: " + told + ")")
    return labels.str.replace(") (", ", ", regex=False)


def setting_labels(results: pd.DataFrame, ignore: Sequence[str] = ()) -> pd.Series:
    """Return each row's setting as figures name it: the parameters that vary, empty if none does."""
    parts = []
    for name in setting_columns(results, ignore):
        plain = name in ("data", "scheme", "model")
        parts.append(
            results[name].map(
                lambda value, name=name, plain=plain: (
                    "" if pd.isna(value) else readable(value) if plain else f"{name} {readable(value)}"
                )
            )
        )
    joined = [", ".join(text for text in texts if text) for texts in zip(*parts, strict=True)]
    return pd.Series(joined if parts else [""] * len(results), index=results.index, dtype=object)


def readable(value: Any) -> str:
    """Write a parameter value for people: JSON mappings without punctuation, floats without trailing zeros.

    Examples
    --------
    >>> readable('{"name":"synthetic","n_rows":1000}'), readable(0.50), readable("soft")
    ('synthetic (n_rows 1000)', '0.5', 'soft')
    """
    if isinstance(value, str) and value.startswith("{"):
        try:
            held = json.loads(value)
        except ValueError:
            return value
        head = [str(held.pop(key)) for key in ("name", "class", "path", "kind") if key in held][:1]
        rest = ", ".join(f"{key} {item}" for key, item in held.items())
        return " ".join([*head, f"({rest})"]) if head and rest else "".join(head) or rest
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return the distinct values in the order of their first occurrence."""
    return list(dict.fromkeys(values))
