"""A sweep in which nothing has changed is not planned, collected or drawn again; anything that counts is noticed."""

import dataclasses
import json
from pathlib import Path

import pytest
from tests_sweep_stubs import HELPERS, STUBS, write_notebook

from fedlab.errors import FedlabError
from fedlab.sweep import remembered
from fedlab.sweep.collect import RESULTS
from fedlab.sweep.graph import Plan, plan
from fedlab.sweep.params import read_sweep
from fedlab.sweep.remembered import Memory, forget_products

ROOT = Path(__file__).parents[2]
PARAMS = """
name: {name}
data: nhefs
scheme: [iid, {{name: dirichlet, alpha: 0.5}}]
n_shards: [2, 3]
rule: [any, {{name: weighted, by: accuracy}}]
quality: [null, {{kind: label_noise, probability: 0.2}}]
validation: 0.25
seed: 3
deadline: 99
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """Give a params file with options of several kinds."""
    path = tmp_path / "small.yaml"
    path.write_text(PARAMS.format(name="small"))
    return path


def whole(made: Plan) -> list:
    """Return all that a plan says, runs as what they are made of."""
    runs = [dataclasses.asdict(run) for of_stage in made.runs.values() for run in of_stage]
    return [made.sweep.model_dump(), runs, [run.key for run in made.votes]]


def keep(params: Path, stubs: Path) -> Plan:
    """Plan a sweep and keep its plan."""
    memory = Memory(params, params.parent, stubs)
    made = memory.plan()
    memory.keep_plan(made)
    return made


@pytest.fixture
def no_planning(monkeypatch) -> None:
    """Fail where a plan is made anew."""

    def refuse(*_):
        raise AssertionError("planned anew")

    monkeypatch.setattr(remembered, "plan", refuse)
    monkeypatch.setattr(remembered, "read_sweep", refuse)


def planned_anew(params: Path, stubs: Path) -> bool:
    """Say whether the next call plans anew."""
    try:
        Memory(params, params.parent, stubs).plan()
    except AssertionError:
        return True
    return False


def test_a_kept_plan_is_the_one_that_would_be_made(params, stubs, request):
    """Cells, runs, keys, parts, files, parameters and their types."""
    keep(params, stubs)
    fresh = plan(read_sweep(params), stubs)
    request.getfixturevalue("no_planning")
    assert whole(Memory(params, params.parent, stubs).plan()) == whole(fresh)


def test_whatever_counts_is_noticed(params, stubs, tmp_path, request, monkeypatch):
    """Params file, a notebook, the package's source, a library's version, a data file; a file that was cut short."""
    data = tmp_path / "my.csv"
    rows = [f"{number},{number % 7},{number % 2}" for number in range(80)]
    data.write_text("\n".join(["id,age,sick", *rows]) + "\n")
    params.write_text("data: {path: my.csv, id: id, target: sick}\nn_shards: 2\n")
    keep(params, stubs)
    request.getfixturevalue("no_planning")
    assert not planned_anew(params, stubs)
    for file in (params, data, stubs / "3_vote.ipynb", stubs / "4_figures.ipynb"):
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        assert planned_anew(params, stubs), file
        file.write_bytes(before)
        assert not planned_anew(params, stubs)
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "versions", lambda: {"numpy": "0"})
        assert planned_anew(params, stubs)
    with monkeypatch.context() as patch:
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "a.py").write_text("")
        patch.setattr(remembered, "PACKAGE", tmp_path / "package")
        assert planned_anew(params, stubs)
    (tmp_path / "small" / ".plan.json").write_text("{")
    assert planned_anew(params, stubs)


def own_data(path: Path, rows: int) -> Path:
    """Write a table of so many rows."""
    path.write_text("\n".join(["id,age,sick", *(f"{n},{n % 7},{n % 2}" for n in range(rows))]) + "\n")
    return path


def test_a_link_that_leads_elsewhere_is_noticed(params, stubs, tmp_path, request):
    """The file that it led to is as it was, but is not the one that is meant now."""
    params.write_text("data: {path: my.csv, id: id, target: sick}\nn_shards: 2\n")
    (tmp_path / "my.csv").symlink_to(own_data(tmp_path / "one.csv", 80))
    keep(params, stubs)
    own_data(tmp_path / "two.csv", 90)
    request.getfixturevalue("no_planning")
    assert not planned_anew(params, stubs)
    (tmp_path / "my.csv").unlink()
    (tmp_path / "my.csv").symlink_to(tmp_path / "two.csv")
    assert planned_anew(params, stubs)


def test_the_plan_is_kept_anew_after_an_edit_of_the_data(params, stubs, tmp_path, request):
    """Only the first call after the edit plans."""
    params.write_text("data: {path: my.csv, id: id, target: sick}\nn_shards: 2\n")
    for rows in (80, 90):
        own_data(tmp_path / "my.csv", rows)
        keep(params, stubs)
    request.getfixturevalue("no_planning")
    assert not planned_anew(params, stubs)


def test_the_version_of_an_extra_counts(params, stubs, monkeypatch):
    """Of a library that need not be installed, and is or is not."""
    monkeypatch.setattr(remembered, "installed_versions", lambda names: {})
    keep(params, stubs)
    assert not planned_without_change(params, stubs, monkeypatch, {})
    assert planned_without_change(params, stubs, monkeypatch, {"crowd-kit": "1.0"})


def planned_without_change(params, stubs, monkeypatch, extras) -> bool:
    """Say whether a plan is made anew where these extras are installed."""
    monkeypatch.setattr(remembered, "installed_versions", lambda names: extras)
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "plan", lambda *_: (_ for _ in ()).throw(AssertionError("planned anew")))
        return planned_anew(params, stubs)


def test_own_code_is_planned_anew_each_time(params, stubs, tmp_path, request, monkeypatch):
    """What a user's module imports is told only by reading it; so too a data file found in the working folder alone."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "remembered_rules.py").write_text("def rule(ballots):\n    return ballots.probabilities.mean(axis=0)\n")
    params.write_text('n_shards: 2\nrule: "remembered_rules:rule"\n')
    keep(params, stubs)
    assert not (tmp_path / "small" / ".plan.json").exists()


def test_mistakes_are_told_as_before(params, stubs):
    """With the file's name, also where the content is no mapping or the name no folder."""
    for text in ("n_shards: 0\n", "- 1\n", "name: ../x\n", "a: [\n", "n_shards: 2000\n"):
        params.write_text(text)
        with pytest.raises(FedlabError, match=r"small\.yaml"):
            Memory(params, params.parent, stubs).plan()


def test_products_are_made_again_where_one_is_missing_or_changed(params, stubs, tmp_path):
    """A table edited by hand, a figure deleted, a figure wanted that was not; runs that may be others."""
    keep(params, stubs)
    memory = Memory(params, params.parent, stubs)
    folder = tmp_path / "small"
    assert not memory.holds_products(figures=False)
    (folder / RESULTS).write_text("a\n1\n")
    memory.keep_products()
    assert memory.holds_products(figures=False) and not memory.holds_products(figures=True)
    (folder / "report.html").write_text("<p>")
    (folder / "figures").mkdir()
    (folder / "figures" / "one.svg").write_text("<svg/>")
    memory.keep_products()
    assert memory.holds_products(figures=True)
    (folder / "report.html").write_text("<p>with more notebooks")
    assert memory.holds_products(figures=True), "`fedlab report` may write it anew"
    (folder / RESULTS).write_text("a\n2\n")
    assert not memory.holds_products(figures=True)
    (folder / RESULTS).write_text("a\n1\n")
    (folder / "figures" / "one.svg").unlink()
    assert not memory.holds_products(figures=True)
    memory.keep_products()
    parameters, work = STUBS["3_vote.ipynb"]
    write_notebook(stubs / "3_vote.ipynb", parameters, HELPERS, work, "x = 1")
    assert not Memory(params, params.parent, stubs).holds_products(figures=False)
    forget_products(folder)
    assert not (folder / ".made.json").exists()
    assert json.loads((folder / ".plan.json").read_text())["cells"]
