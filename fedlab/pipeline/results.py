"""The fourth stage without a sweep: a table of results of one vote made by hand, or of a small sweep made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedlab.files import read_json
from fedlab.pipeline.here import sweep_here
from fedlab.pipeline.votes import VOTE
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


SMALL = {
    "n_shards": [2, 4, 8],
    "rule": ["majority", "any", "soft", "weighted"],
    "seed": [0, 1],
    "n_resamples": 200,
}
"""What is swept where a figures notebook finds no results."""


def results_or_default(results: Path | str, small: Any = SMALL) -> Path:
    """Return a results file for a figures notebook.

    Parameters
    ----------
    results : Path or str
        A `results.csv`; or the folder of a vote taken by hand, whose one row is then written as `results.csv` in it;
        where there is neither, a small sweep is made and its `results.csv` written there.
    small : mapping or list
        The small sweep, as a params file would hold it.

    Returns
    -------
    Path
    """
    path = Path(results)
    if path.suffix == ".csv" and path.is_file():
        return path
    table = path if path.suffix == ".csv" else path / "results.csv"
    if (path / VOTE).is_file():
        from fedlab.sweep.tidy import write_results

        write_results([results_of_vote(path)], table)
    elif not table.is_file():
        print(f"no results in {results}: making a small sweep here; `fedlab sweep` with a params file makes a real one")
        sweep_here(small, table)
    return table
