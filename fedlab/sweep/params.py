"""The params file: read, validated before any kernel starts, and expanded to the cells of its grid."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import canonical_json, plain
from fedlab.registry import is_import_path

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Cell(BaseModel):
    """One point of the grid: everything that decides a result.

    Attributes
    ----------
    data : str or dict
        A built-in cohort's name, ``{name: …, **options}``, or ``{path: …, id: …, target: …, features: […]}``.
    holdout : float
        Share of the rows that no organisation ever sees, on which everything is compared.
    scheme : str
        How the other rows are split over organisations.
    scheme_options : dict
        The scheme's options (``alpha``, ``exponent``, ``fractions``, ``column`` …).
    n_shards : int or None
        How many organisations; None where the scheme says it (``site``, explicit ``fractions``).
    min_rows : int
        No organisation gets fewer rows than this.
    model : str or dict
        What every organisation trains.
    test_size : float
        Share of its rows that an organisation keeps for its own test.
    random_state : int
        Seed of the local split and of the estimator.
    format : str
        Model file format.
    rule : str
        How the ballots are merged.
    rule_options : dict
        The rule's options.
    tie : str or None
        Tie policy; None is the rule's own default.
    n_resamples : int
        Bootstrap resamples of the holdout for the intervals.
    seed : int
        Seed of the holdout and the partition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str | dict[str, Any] = "nhefs"
    holdout: Share = 0.2
    scheme: str = "iid"
    scheme_options: dict[str, Any] = Field(default_factory=dict)
    n_shards: Positive | None = None
    min_rows: Positive = 2
    model: str | dict[str, Any] = "random_forest"
    test_size: Share = 0.2
    random_state: Annotated[int, Field(ge=0)] = 42
    format: str = "skops"
    rule: str = "majority"
    rule_options: dict[str, Any] = Field(default_factory=dict)
    tie: str | None = None
    n_resamples: Positive = 1000
    seed: Annotated[int, Field(ge=0)] = 0


class Sweep(BaseModel):
    """A params file, validated and expanded.

    Attributes
    ----------
    name : str
        Names the folder of results.
    title : str
        What the sweep asks, for figures and report.
    cells : tuple of Cell
        The grid, in the order of the file, without repetitions.
    folder : Path
        Where the params file lies: relative data paths start here.
    figures : str
        The notebook that draws the figures, within the folder of notebooks.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    cells: tuple[Cell, ...]
    folder: Path
    title: str = ""
    figures: str = "4_figures.ipynb"


_TOP = {"name", "title", "figures", "blocks", "exclude"}


def read_sweep(path: Path | str) -> Sweep:
    """Read and validate a params file.

    Parameters
    ----------
    path : Path or str
        A YAML file: one mapping of keys, whose lists span a grid; ``blocks`` (or a bare list of mappings) for
        several grids; ``exclude`` for points to leave out.

    Returns
    -------
    Sweep
        Its cells.

    Raises
    ------
    FedlabError
        For every mistake in the file, all of them in one message.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FedlabError(f"params file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedlabError(f"params file {path} is not valid YAML: {error}") from error
    try:
        return parse_sweep(content, name=path.stem, folder=path.resolve().parent)
    except FedlabError as error:
        raise FedlabError(f"{path}: {error}") from None


def parse_sweep(content: Any, name: str = "sweep", folder: Path | str = ".") -> Sweep:
    """Validate and expand what a params file says (see `read_sweep`).

    Examples
    --------
    >>> sweep = parse_sweep({"n_shards": [2, 4], "rule": ["majority", "soft"]})
    >>> [(cell.n_shards, cell.rule) for cell in sweep.cells]
    [(2, 'majority'), (2, 'soft'), (4, 'majority'), (4, 'soft')]
    """
    top, blocks = _blocks(content)
    problems: list[str] = []
    cells: dict[str, Cell] = {}
    for number, block in enumerate(blocks, start=1):
        where = f"block {number}: " if len(blocks) > 1 else ""
        try:
            for cell in _expand(block, top.get("exclude") or []):
                cells.setdefault(canonical_json(cell.model_dump()), cell)
        except FedlabError as error:
            problems.append(where + str(error))
    if problems:
        raise FedlabError("\n  ".join(problems))
    if not cells:
        raise FedlabError("no cell is left: 'exclude' leaves out all of the grid; drop one of its entries")
    _check_name(top.get("name", name))
    for key in ("title", "figures"):
        if not isinstance(top.get(key, ""), str):
            raise FedlabError(f"{key} is {top[key]!r}; it must be a text")
    said = {key: top[key] for key in ("title", "figures") if key in top}
    return Sweep(name=top.get("name", name), cells=tuple(cells.values()), folder=Path(folder), **said)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name or not all(c.isalnum() or c in "-_." for c in name) or name[0] == ".":
        raise FedlabError(f"name {name!r} cannot name a folder; use letters, digits, '-', '_' and '.'")


def _blocks(content: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split a file's content into the sweep's own keys and its blocks, each with the shared keys filled in."""
    if isinstance(content, list):
        content = {"blocks": content}
    if not isinstance(content, dict):
        raise FedlabError(
            f"the file holds {'nothing' if content is None else type(content).__name__}; "
            "it must be a mapping of keys such as 'n_shards: [2, 4]', or a list of such mappings"
        )
    top = {key: content[key] for key in _TOP & content.keys()}
    shared = {key: value for key, value in content.items() if key not in _TOP}
    blocks = top.get("blocks", [{}])
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise FedlabError(f"blocks is {blocks!r}; it must be a list of mappings, '- {{scheme: iid, n_shards: [2, 4]}}'")
    exclude = top.get("exclude") or []
    if not isinstance(exclude, list) or not all(isinstance(entry, dict) for entry in exclude):
        raise FedlabError(f"exclude is {exclude!r}; it must be a list of mappings, '- {{rule: any, n_shards: 64}}'")
    return top, [shared | block for block in blocks]


def _expand(block: dict[str, Any], exclude: list[dict[str, Any]]) -> list[Cell]:
    """Return the cells that one block spans, without those that an entry of ``exclude`` matches."""
    known = set(Cell.model_fields) | set(_all_scheme_options())
    problems = [str(unknown_name("key", key, known | _TOP)) for key in block if key not in known]
    for entry in exclude:
        problems += [str(unknown_name("key of exclude", key, known)) for key in entry if key not in known]
    problems += [f"{key} is an empty list; give at least one value" for key, value in block.items() if value == []]
    if problems:
        raise FedlabError("\n  ".join(problems))
    axes = [[(key, value) for value in _values(key, given)] for key, given in block.items()]
    points = [dict(point) for point in itertools.product(*axes)]
    points = [point for point in points if not any(_matches(point, entry) for entry in exclude)]
    used = {option for point in points for option in _options_of(point)}
    idle = [key for key in block if key in _all_scheme_options() and key not in used]
    if idle and points:
        schemes = sorted({str(_named(point.get("scheme", "iid"))[0]) for point in points})
        raise FedlabError(f"{idle[0]} is given, but no scheme here takes it (schemes: {', '.join(schemes)}); drop it")
    cells, problems = [], []
    for point in points:
        try:
            cells.append(_cell(point))
        except FedlabError as error:
            if str(error) not in problems:
                problems.append(str(error))
    if problems:
        raise FedlabError("\n  ".join(problems))
    return cells


def _values(key: str, given: Any) -> list[Any]:
    """Return the values a key takes over the grid; a list is an axis, unless the key's one value is a list."""
    if not isinstance(given, list):
        return [given]
    if key in _list_valued() and not any(isinstance(value, list) for value in given):
        return [given]
    return given


def _matches(point: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Say whether an ``exclude`` entry names this point; a list in the entry means any of its values."""
    return all(
        key in point and any(_same(point[key], value) for value in _values(key, wanted))
        for key, wanted in entry.items()
    )


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(got, dict) and isinstance(wanted, str):
        return got.get("name", got.get("class")) == wanted
    return bool(got == wanted)


def _named(value: Any) -> tuple[Any, dict[str, Any]]:
    """Split ``name`` or ``{name: …, option: …}`` into name and options."""
    if isinstance(value, dict):
        rest = dict(value)
        return rest.pop("name", None), rest
    return value, {}


def _options_of(point: dict[str, Any]) -> dict[str, Any]:
    """Return the flat scheme options of a point that its scheme takes; the others do not concern it."""
    from fedlab.partition import scheme_options

    name, _ = _named(point.get("scheme", "iid"))
    try:
        takes = scheme_options(name)
    except FedlabError:
        return {}
    return {key: value for key, value in point.items() if key in takes and value is not None}


def _cell(point: dict[str, Any]) -> Cell:
    """Build and check one cell."""
    scheme, inner = _named(point.get("scheme", "iid"))
    rule, rule_options = _named(point.get("rule", "majority"))
    fields = {key: value for key, value in point.items() if key in Cell.model_fields}
    fields |= {"scheme": scheme, "rule": rule}
    fields["scheme_options"] = plain(_options_of(point) | inner | (point.get("scheme_options") or {}))
    fields["rule_options"] = plain(rule_options | (point.get("rule_options") or {}))
    try:
        cell = Cell(**fields)
    except ValidationError as error:
        raise FedlabError("\n  ".join(_sentence(item) for item in error.errors())) from None
    _check_names(cell)
    return cell


def _sentence(item: Any) -> str:
    """Put one of pydantic's complaints as `key is VALUE: what is allowed`."""
    where = ".".join(str(part) for part in item["loc"] if part not in ("str", "int", "constrained-int"))
    return f"{where} is {item['input']!r}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _check_names(cell: Cell) -> None:
    """Check the names and options of scheme, model, format and rule against their registries."""
    from fedlab.exchange import FORMATS
    from fedlab.partition import check_options
    from fedlab.training import check_model
    from fedlab.voting import check_rule

    problems = []
    for check in (
        lambda: check_options(cell.scheme, cell.scheme_options),
        lambda: check_model(cell.model),
        lambda: FORMATS.get(cell.format),
        lambda: check_rule(cell.rule, cell.rule_options, cell.tie),
    ):
        try:
            check()
        except FedlabError as error:
            problems.append(str(error))
    if problems:
        raise FedlabError("\n  ".join(problems))


def _all_scheme_options() -> set[str]:
    """Return every option of every registered scheme: they may stand as keys of their own (``alpha: [0.1, 1]``)."""
    from fedlab.partition import SCHEMES, scheme_options

    return {option for name in SCHEMES for option in scheme_options(name)}


def _list_valued() -> set[str]:
    """Return the scheme options whose one value is a list (``fractions``)."""
    from fedlab.partition import SCHEMES

    found = set()
    for name in SCHEMES:
        for option, parameter in inspect.signature(SCHEMES.get(name)).parameters.items():
            if any(word in str(parameter.annotation) for word in ("Sequence", "list", "tuple")):
                found.add(option)
    return found


def import_paths(cell: Cell) -> list[str]:
    """Return the import paths that a cell names: code outside the package that decides its result."""
    found = [name for name in (cell.scheme, cell.rule) if is_import_path(name)]
    pending: list[Any] = [cell.model]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += list(value.values())
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and is_import_path(value):
            found.append(value)
    return sorted(set(found))
