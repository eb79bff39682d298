"""The fourth stage without a sweep: a table of results of one vote made by hand, or of a small sweep made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedlab.files import atomic_path, read_json
from fedlab.pipeline.shards import make_partition
from fedlab.pipeline.trained import centralised, train_partition
from fedlab.pipeline.votes import VOTE, evaluate
from fedlab.record import read_record


def with_parameters(made_from: dict[str, Any], measured: dict[str, Any], **vote: Any) -> dict[str, Any]:
    """Put the parameters before what was measured, as a row of a sweep's `results.csv` has them.

    Parameters
    ----------
    made_from : dict
        What the trained set was made from.
    measured : dict
        What `evaluate` returned.
    **vote
        How the vote was taken: ``rule``, ``rule_options``, ``tie``.

    Returns
    -------
    dict
    """
    from fedlab.sweep.collect import in_order, parameter_columns
    from fedlab.sweep.params import Cell

    made_from = dict(made_from)
    fields = {name: made_from.pop(name) for name in Cell.model_fields if name in made_from}
    # Whatever else the partition was made from is an option of its scheme.
    fields["scheme_options"] = made_from | fields.get("scheme_options", {})
    return parameter_columns("by_hand", Cell(**fields | vote)) | in_order(measured)


def results_of_vote(folder: Path | str) -> dict[str, Any]:
    """Return the row of results of a vote that `3_vote.ipynb` took, from its folder."""
    noted = read_json(Path(folder) / VOTE)
    return with_parameters(noted.pop("made_from"), read_record(folder), **noted)


def small_results(path: Path | str) -> None:
    """Write the results of a small sweep of the default cohort, made here without any notebook.

    Parameters
    ----------
    path : Path or str
        The CSV file to write: 2, 4 and 8 shards, four rules, seeds 0 and 1.
    """
    import tempfile

    from fedlab.voting import vote

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in (0, 1):
            central = None
            for n_shards in (2, 4, 8):
                place = Path(folder) / f"{n_shards}-{seed}"
                make_partition(place / "shards", n_shards=n_shards, seed=seed)
                trained = train_partition(place, place / "shards")
                central = central or centralised(trained, Path(folder) / f"central-{seed}")
                for rule in ("majority", "any", "soft", "weighted"):
                    verdict = vote(trained.ballots, rule, positive=trained.about["positive"])
                    measured = evaluate(trained, central, verdict, n_resamples=200, seed=seed)
                    rows.append(with_parameters(trained.about["made_from"], measured, rule=rule))
    write_rows(path, rows)


def results_or_default(results: Path | str, make: Callable[[Path], None] = small_results) -> Path:
    """Return a results file for a figures notebook.

    Parameters
    ----------
    results : Path or str
        A `results.csv`; or the folder of a vote taken by hand, whose one row is then written as `results.csv` in it;
        where there is neither, a small sweep is made and its `results.csv` written there.
    make : callable
        Makes the small sweep: ``make(path)`` writes the CSV file.

    Returns
    -------
    Path
    """
    path = Path(results)
    if path.suffix == ".csv" and path.is_file():
        return path
    table = path if path.suffix == ".csv" else path / "results.csv"
    if (path / VOTE).is_file():
        write_rows(table, [results_of_vote(path)])
    elif not table.is_file():
        print(f"no results in {results}: making a small sweep here; `fedlab sweep` with a params file makes a real one")
        make(table)
    return table


def write_rows(path: Path | str, rows: list[dict[str, Any]]) -> None:
    """Write rows of results as CSV."""
    import pandas as pd

    with atomic_path(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")
