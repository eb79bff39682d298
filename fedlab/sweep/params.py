"""The params file: read, validated before any kernel starts, and expanded to the cells of its grid."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import canonical_json, from_json_text, plain
from fedlab.registry import is_import_path
from fedlab.sweep.spelling import as_declared, as_floats


def _number(value: Any) -> Any:
    """Let numbers through as they are: pydantic would take ``true`` for 1 and the text "4" for 4."""
    if isinstance(value, bool | str):
        raise ValueError("a number is needed, without quotes")
    return plain(value)


Number = BeforeValidator(_number)
Positive = Annotated[int, Number, Field(ge=1)]
Seed = Annotated[int, Number, Field(ge=0)]
Share = Annotated[float, Number, Field(gt=0, lt=1)]


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
    quality : dict, list of dict or None
        What is wrong with the records of organisations (see `fedlab.partition.check_quality`).
    model : str or dict
        What every organisation trains.
    test_size : float
        Share of its rows that an organisation keeps for its own test.
    random_state : int
        Seed of the local split and of the estimator.
    format : str
        Model file format.
    compact : str or None
        Whether an organisation makes its trees smaller: None, ``exact`` or ``pruned``.
    rule : str
        How the ballots are merged.
    rule_options : dict
        The rule's options.
    tie : str or None
        Tie policy; None is the rule's own default.
    n_resamples : int
        Bootstrap resamples of the holdout for the intervals.
    validation : float
        Share of the holdout that the coordinator sets apart for rules that learn; the vote is measured on the rest.
    seed : int
        Seed of the holdout, of what is set apart of it, and of the partition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str | dict[str, Any] = "nhefs"
    holdout: Share = 0.2
    scheme: str = "iid"
    scheme_options: dict[str, Any] = Field(default_factory=dict)
    n_shards: Positive | None = None
    min_rows: Positive = 2
    quality: dict[str, Any] | list[dict[str, Any]] | None = None
    model: str | dict[str, Any] = "random_forest"
    test_size: Share = 0.2
    random_state: Annotated[int, Number, Field(ge=0, lt=2**32)] = 42
    format: str = "skops"
    compact: str | None = None
    rule: str = "majority"
    rule_options: dict[str, Any] = Field(default_factory=dict)
    tie: str | None = None
    validation: Annotated[float, Number, Field(ge=0, lt=1)] = 0.0
    n_resamples: Positive = 1000
    seed: Seed = 0


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
    text : str
        The params file as it stands; empty where there is none.
    deadline : float or None
        Seconds that each run may take; it decides no result.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    cells: tuple[Cell, ...]
    folder: Path
    title: str = ""
    figures: str = "4_figures.ipynb"
    text: str = Field("", repr=False)
    deadline: float | None = None


_TOP = {"name", "title", "figures", "deadline", "blocks", "exclude"}


class _Loader(yaml.SafeLoader):
    """YAML, but a key that stands twice in one mapping is an error: plain YAML lets the last one win silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in lines:
                raise yaml.YAMLError(
                    f"key {key!r} stands in line {lines[key]} and in line {key_node.start_mark.line + 1}"
                )
            if isinstance(key, str):
                lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


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
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=_Loader)
    except OSError as error:
        raise FedlabError(f"params file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedlabError(f"params file {path} is not valid YAML: {error}") from error
    try:
        return parse_sweep(content, name=path.stem, folder=path.resolve().parent).model_copy(update={"text": text})
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
    # An own model's module may have been mended since another file was read.
    _check_model.cache_clear()
    _check_compact.cache_clear()
    top, blocks = _blocks(content)
    problems: list[str] = []
    cells: dict[str, Cell] = {}
    for number, block in enumerate(blocks, start=1):
        where = f"block {number}: " if len(blocks) > 1 else ""
        try:
            for cell in _expand(block):
                cells.setdefault(canonical_json(cell.model_dump()), cell)
        except FedlabError as error:
            problems.append(where + str(error))
    if problems:
        raise FedlabError("\n  ".join(problems))
    cells = _without(cells, top.get("exclude") or [])
    if not cells:
        raise FedlabError("no cell is left: 'exclude' leaves out all of the grid; drop one of its entries")
    _check_name(top.get("name", name))
    for key in ("title", "figures"):
        if not isinstance(top.get(key, ""), str):
            raise FedlabError(f"{key} is {top[key]!r}; it must be a text")
    said = {key: top[key] for key in ("title", "figures", "deadline") if key in top}
    check_deadline(said.get("deadline"))
    return Sweep(name=top.get("name", name), cells=tuple(cells.values()), folder=Path(folder), **said)


def check_deadline(seconds: Any) -> None:
    """Refuse a deadline that is no positive number of seconds; None is none.

    Raises
    ------
    FedlabError
        If it is.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and 0 < seconds < math.inf):
        raise FedlabError(f"deadline is {seconds!r}; give the seconds that one run may take, such as 600")


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


def _known_keys() -> set[str]:
    return set(Cell.model_fields) | _all_scheme_options()


def _without(cells: dict[str, Cell], exclude: list[dict[str, Any]]) -> dict[str, Cell]:
    """Return the cells that no entry of ``exclude`` matches; an entry that matches none is a mistake."""
    left = dict(cells)
    for entry in exclude:
        for key in entry:
            if key not in _known_keys():
                raise unknown_name("key of exclude", key, _known_keys())
        wanted = {key: _values(key, value) for key, value in entry.items()}
        found = [text for text, cell in cells.items() if _matches(cell, wanted)]
        if not found:
            raise FedlabError(f"exclude: {entry} matches no cell; mend its values, or take it out")
        for text in found:
            left.pop(text, None)
    return left


def _expand(block: dict[str, Any]) -> list[Cell]:
    """Return the cells that one block spans."""
    known = _known_keys()
    problems = [f"{key} belongs at the top of the file, not in a block" for key in block if key in _TOP]
    problems += [str(unknown_name("key", key, known | _TOP)) for key in block if key not in known | _TOP]
    problems += [
        f"{key} is an empty list; give at least one value"
        for key, value in block.items()
        if isinstance(value, list) and not value
    ]
    if problems:
        raise FedlabError("\n  ".join(problems))
    axes = [[(key, value) for value in _values(key, given)] for key, given in block.items()]
    points = [dict(point) for point in itertools.product(*axes)]
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
    return [given] if _depth(given) <= _list_depths().get(key, 0) else given


def _depth(value: Any) -> int:
    """Return how deep lists are nested: 0 for what is none."""
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _matches(cell: Cell, wanted: dict[str, list[Any]]) -> bool:
    """Say whether a cell has, of each key of an ``exclude`` entry, one of the values."""
    has = cell.scheme_options | cell.model_dump()
    return all(
        key in has and any(_same(cell, has[key], key, value) for value in values) for key, values in wanted.items()
    )


def _same(cell: Cell, got: Any, key: str, wanted: Any) -> bool:
    """Compare a cell's value with one of an ``exclude`` entry: a bare name means it with any options."""
    if key in ("rule", "scheme") and isinstance(wanted, dict):
        name, options = _named(wanted)
        return bool(got == name and options.items() <= getattr(cell, f"{key}_options").items())
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
    """Build and check one cell, in its one spelling: what is written in two ways is one cell."""
    fields = {key: value for key, value in point.items() if key in Cell.model_fields}
    for kind, default, flat in (("scheme", "iid", _options_of(point)), ("rule", "majority", {})):
        name, inner = _named(point.get(kind, default))
        if not isinstance(name, str):
            raise FedlabError(f"{kind} is {point.get(kind)!r}; give a name, or a mapping with one: {{name: {default}}}")
        own = point.get(f"{kind}_options")
        if not isinstance(own, dict | None):
            raise FedlabError(f"{kind}_options is {own!r}; it must be a mapping, such as {{option: value}}")
        fields |= {kind: name, f"{kind}_options": _once(kind, flat, inner, own or {})}
    fields["data"] = _one_form(point.get("data", "nhefs"), "data")
    fields["model"] = _one_form(point.get("model", "random_forest"), "model")
    fields["quality"] = _one_quality(point.get("quality"))
    try:
        cell = Cell(**fields)
    except ValidationError as error:
        raise FedlabError("\n  ".join(dict.fromkeys(_sentence(item) for item in error.errors()))) from None
    _check_names(cell)
    return cell.model_copy(update=_without_defaults(cell))


def _once(kind: str, *places: dict[str, Any]) -> dict[str, Any]:
    """Put together options from several places; one that stands in two is a mistake."""
    found: dict[str, Any] = {}
    for place in places:
        for option, value in place.items():
            if option in found and found[option] != value:
                raise FedlabError(f"option {option!r} of the {kind} is given twice, {found[option]!r} and {value!r}")
            found[option] = _checked_value(f"option {option!r} of the {kind}", value)
    return found


def _checked_value(where: str, value: Any) -> Any:
    """Refuse what has no one form in a params file: dates, sets, infinities, keys that are no text."""
    value = plain(value)
    if isinstance(value, dict):
        return {key: _checked_value(where, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_checked_value(where, item) for item in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        raise FedlabError(f"{where} holds {value!r} ({type(value).__name__}); write it in quotes, as a text")
    if isinstance(value, float) and not math.isfinite(value):
        raise FedlabError(f"{where} holds {value}; give a finite number")
    return value


def _one_form(value: Any, what: str) -> Any:
    """Bring the spellings of ``data`` and ``model`` into one: JSON text is its mapping, a bare name a text."""
    value = _checked_value(what, from_json_text(value))
    return value["name"] if isinstance(value, dict) and set(value) == {"name"} else value


def _one_quality(value: Any) -> Any:
    """Bring the spellings of ``quality`` into one: a list of one mapping is the mapping."""
    value = as_floats(_checked_value("quality", from_json_text(value)))
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _without_defaults(cell: Cell) -> dict[str, Any]:
    """Return a cell's options in one form: the scheme's with all defaults filled in, the rule's without them."""
    from fedlab.partition import SCHEMES, check_options
    from fedlab.records import COHORTS
    from fedlab.voting.registry import find_rule

    scheme = {
        name: value for name, value in check_options(cell.scheme, cell.scheme_options).items() if value is not None
    }
    entry = find_rule(cell.rule)
    rule = {
        name: value
        for name, value in as_declared(entry.function, cell.rule_options).items()
        if name not in entry.options or entry.options[name] != value
    }
    found = {"scheme_options": as_declared(SCHEMES.get(cell.scheme), plain(scheme)), "rule_options": rule}
    if isinstance(cell.data, dict) and "name" in cell.data and "path" not in cell.data:
        found["data"] = as_declared(COHORTS.get(cell.data["name"]), cell.data)
    return found


def _sentence(item: Any) -> str:
    """Put one of pydantic's complaints as `key is VALUE: what is allowed`."""
    where = ".".join(
        str(part) for part in item["loc"] if not re.fullmatch(r"str|int|dict\[.*\]|function-.*", str(part))
    )
    return f"{where} is {item['input']!r}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _check_names(cell: Cell) -> None:
    """Check the names and options of scheme, model, format and rule against their registries."""
    from fedlab.evidence import ROW_COLUMNS
    from fedlab.exchange import FORMATS
    from fedlab.partition import check_options
    from fedlab.records import check_data
    from fedlab.voting import check_rule

    problems = [
        f"option {option!r} of scheme {cell.scheme!r} has the name of another key; rename it in the scheme"
        for option in cell.scheme_options
        if option in Cell.model_fields or option in ("out_dir", *ROW_COLUMNS)
    ]
    for check in (
        lambda: check_options(cell.scheme, cell.scheme_options),
        lambda: _check_model(canonical_json(cell.model)),
        lambda: FORMATS.get(cell.format),
        lambda: _check_compact(cell.compact, canonical_json(cell.model)),
        lambda: check_rule(cell.rule, cell.rule_options, cell.tie),
        lambda: check_data(cell.data),
        lambda: _check_needs(cell),
    ):
        try:
            check()
        except FedlabError as error:
            problems.append(str(error))
    if problems:
        raise FedlabError("\n  ".join(dict.fromkeys(problems)))


@cache
def _check_model(text: str) -> bool:
    """Check a model, given as JSON, once for all cells; say whether it gives probabilities."""
    from fedlab.training import build_model, check_model

    model = json.loads(text)
    check_model(model)
    return hasattr(build_model(model), "predict_proba")


@cache
def _check_compact(compact: str | None, model: str) -> None:
    """Check a way of making trees smaller against a model, given as JSON, once for all cells."""
    from fedlab.training import build_model
    from fedlab.training.compact import check_compact

    if compact is not None:
        check_compact(compact, build_model(json.loads(model)))


def _check_needs(cell: Cell) -> None:
    """Check that a sweep has what the rule needs: validation rows; probabilities only where the model gives them."""
    from fedlab.voting import RULES

    if cell.rule not in RULES:
        return
    entry = RULES.get(cell.rule)
    chosen = {**entry.options, **cell.rule_options}
    needs = {*entry.needs, *(entry.choices[option].get(chosen[option]) for option in entry.choices)}
    if needs & {"validation", "X"} and not cell.validation:
        raise FedlabError(
            f"rule {cell.rule!r} learns from validation rows of the coordinator, and none are set apart; "
            "give a share of the holdout, such as validation: 0.3 (for all rules of the sweep, so that all are "
            "measured on the same rows)"
        )
    wants = "probabilities" in needs or cell.tie == "probability"
    if wants and not _check_model(canonical_json(cell.model)):
        raise FedlabError(
            f"rule {cell.rule!r} with tie {cell.tie or 'default'} needs probabilities, and the model {cell.model!r} "
            "gives none (it has no predict_proba); take a rule of labels, such as majority, or another model"
        )


def _all_scheme_options() -> set[str]:
    """Return every option of every registered scheme: they may stand as keys of their own (``alpha: [0.1, 1]``)."""
    from fedlab.partition import SCHEMES, scheme_options

    return {option for name in SCHEMES for option in scheme_options(name)}


def _list_depths() -> dict[str, int]:
    """Return the scheme options whose one value is a list (``fractions``: 1) or a list of lists (``groups``: 2)."""
    from fedlab.partition import SCHEMES

    found: dict[str, int] = {}
    for name in SCHEMES:
        for option, parameter in inspect.signature(SCHEMES.get(name)).parameters.items():
            depth = len(re.findall(r"\b(?:Sequence|list|tuple)\b", str(parameter.annotation)))
            if depth:
                found[option] = max(depth, found.get(option, 0))
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
