"""Why runs are stale: each kind of change is named, from what to what, and one reason makes one line."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests_sweep_stubs import HELPERS, STUBS, all_runs, publish, write_notebook

from fedlab.cli import main
from fedlab.sweep import graph, keys
from fedlab.sweep.changes import planned_node
from fedlab.sweep.failures import note_failure
from fedlab.sweep.graph import figures_run, plan
from fedlab.sweep.params import parse_sweep, read_sweep
from fedlab.sweep.runner import Outcome
from fedlab.sweep.store import RunStore
from fedlab.sweep.stored import remember
from fedlab.sweep.why import Stock, grouped

GRID = {"n_shards": [2, 3], "rule": ["any", "soft"], "seed": [0, 1]}


@pytest.fixture
def explained(stubs: Path, tmp_path: Path):
    """Give a function that stores a first plan and says why another one's runs are not there."""
    folder = tmp_path / "results" / "small"

    def of(content, stored=None, where=tmp_path):
        if stored is not None:
            publish(all_runs(plan(parse_sweep(stored, folder=where), stubs)), folder)
        runs = all_runs(plan(parse_sweep(content, folder=where), stubs))
        stock = Stock(folder, (run.key for run in runs))
        return [stock.why(planned_node(run)) for run in runs]

    return of


def lines(whys):
    """Return the grouped lines of what is not fresh."""
    return grouped(why for why in whys if why.state != "fresh")


def test_a_changed_cell_is_named_and_makes_one_line_of_all_runs_behind_it(explained, change):
    """The notebook of training changes: 6 trainings and 8 votes for one reason; partitions stay."""
    assert {why.state for why in explained(GRID, stored=GRID)} == {"fresh"}
    change("2_train.ipynb", "x = 1")
    said = explained(GRID)
    # the helpers' cell is the second; the new one stands before the work
    assert lines(said) == ["14 stale (6 train, 8 vote): code cell 3 of 2_train.ipynb is new"]
    told = next(why for why in said if why.run.stage == "vote").lines()
    assert re.fullmatch(r"  input trained: train/\w{8} -> train/\w{8}, since", told[1])
    assert told[2] == "    code cell 3 of 2_train.ipynb is new"


def test_edits_of_cells_are_told_apart(explained, stubs):
    """Changed, new and gone, numbered as the cells now stand."""
    parameters, work = STUBS["3_vote.ipynb"]
    write_notebook(stubs / "3_vote.ipynb", parameters, HELPERS, "a = 1", "b = 1", work)
    one = {"n_shards": 2}
    explained(one, stored=one)
    write_notebook(stubs / "3_vote.ipynb", parameters, HELPERS, "a = 2", work, "c = 1")
    assert lines(explained(one)) == [
        "1 stale (1 vote): code cell 3 of 3_vote.ipynb changed; code cell 4 of 3_vote.ipynb, as it was, is gone; "
        "code cell 5 of 3_vote.ipynb is new"
    ]


def test_new_parameters_are_told_against_the_nearest_run(explained):
    """Seed 2 beside 0 and 1: the nearest stored runs have another seed; with the values."""
    said = explained(GRID | {"seed": [0, 1, 2]}, stored=GRID)
    text = "no stored run has these parameters; the nearest have another seed (2)"
    assert lines(said) == [f"10 new (3 partition, 3 train, 4 vote): {text}"]
    new = next(why for why in said if why.state == "new" and why.run.stage == "partition")
    assert new.lines()[1] in ("  parameter seed: 0 -> 2", "  parameter seed: 1 -> 2")


def test_the_content_of_own_data_is_named(explained, tmp_path):
    """One cell of the file changes: all runs are stale for that."""
    text = "id,age,ill\n" + "".join(f"{i},{20 + i % 50},{i % 2}\n" for i in range(60))
    (tmp_path / "my.csv").write_text(text)
    content = {"data": {"path": "my.csv", "id": "id", "target": "ill"}, "n_shards": 2}
    explained(content, stored=content)
    (tmp_path / "my.csv").write_text(text.replace("59,29,1", "59,30,1"))
    (line,) = lines(explained(content))
    assert re.fullmatch(
        r"5 stale \(2 partition, 2 train, 1 vote\): content of the data changed \(\w{7} -> \w{7}\)", line
    )


def test_the_source_module_is_named(explained, stubs, tmp_path, monkeypatch):
    """A module behind an import of the vote changes, with its two hashes; another module does not count."""
    package = tmp_path / "fedlab"
    (package / "room").mkdir(parents=True)
    for name, text in (("__init__", ""), ("room/inner", "x = 1\n"), ("other", "y = 1\n")):
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(keys, "PACKAGE", package)
    parameters, work = STUBS["3_vote.ipynb"]
    write_notebook(stubs / "3_vote.ipynb", parameters, "from fedlab.room.inner import x", HELPERS, work)
    explained(GRID, stored=GRID)
    (package / "other.py").write_text("y = 2\n")
    assert lines(explained(GRID)) == []
    (package / "room" / "inner.py").write_text("x = 2\n")
    (line,) = lines(explained(GRID))
    assert re.fullmatch(r"8 stale \(8 vote\): source of fedlab/room/inner\.py changed \(\w{7} -> \w{7}\)", line)


def test_a_library_is_named_with_its_versions(explained, monkeypatch):
    """From which to which."""
    known = graph.versions()
    monkeypatch.setattr(graph, "versions", lambda: known | {"scikit-learn": "1.9.0"})
    explained(GRID, stored=GRID)
    monkeypatch.setattr(graph, "versions", lambda: known | {"scikit-learn": "1.9.1"})
    assert lines(explained(GRID)) == ["20 stale (6 partition, 6 train, 8 vote): scikit-learn 1.9.0 -> 1.9.1"]


def test_the_file_of_an_own_rule_is_named(explained, tmp_path, monkeypatch):
    """The helper that the rule imports, not the rule's own file."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "why_helper.py").write_text("K = 1\n")
    (tmp_path / "why_rules.py").write_text("import why_helper\ndef rule(ballots):\n    return ballots.probabilities\n")
    content = {"n_shards": 2, "rule": "why_rules:rule"}
    explained(content, stored=content)
    (tmp_path / "why_helper.py").write_text("K = 2\n")
    (line,) = lines(explained(content))
    assert re.fullmatch(
        r"1 stale \(1 vote\): own code of why_rules:rule: why_helper\.py changed \(\w{7} -> \w{7}\)", line
    )


def test_damage_failure_and_absence_are_states_of_their_own(explained, tmp_path):
    """A file that is gone, a run that failed, a stage of which nothing is stored."""
    one = {"n_shards": 2}
    states = {why.run.stage: why.state for why in explained(one)}
    assert states == {"partition": "missing", "train": "missing", "vote": "missing"}
    whys = explained(one, stored=one)
    store = RunStore(tmp_path / "results" / "small")
    vote, train = (next(why.run for why in whys if why.run.stage == stage) for stage in ("vote", "train"))
    (store.path("vote", vote.key) / "notebook.ipynb").unlink()
    store.remove("train", train.key)
    note_failure(store, Outcome("train", train.key, 1.0, "ValueError: three is too many", "there.ipynb"))
    assert lines(explained(one)) == [
        "1 failed (1 train): ValueError: three is too many",
        "1 damaged (1 vote): stored, but its notebook.ipynb is gone",
    ]


def test_an_input_that_was_removed_is_said(explained, tmp_path, change):
    """What the old input was made of cannot be told any more."""
    one = {"n_shards": 2}
    explained(one, stored=one)
    store = RunStore(tmp_path / "results" / "small")
    for run in store.runs.glob("train/*"):
        store.remove("train", run.name)
    change("2_train.ipynb", "x = 1")
    vote = next(why for why in explained(one) if why.run.stage == "vote")
    assert "    the train run that it was made from is not stored any more" in vote.lines()


def test_the_nearest_run_is_that_with_most_equal_parameters(stubs, tmp_path):
    """Against every stored run compared in full."""
    stored = {"n_shards": [2, 3, 4], "rule": ["any", "soft", "median"], "seed": [0, 1], "holdout": [0.2, 0.3]}
    folder = tmp_path / "small"
    publish(all_runs(plan(parse_sweep(stored), stubs)), folder)
    stock = Stock(folder)
    asked = {"n_shards": [2, 5], "rule": ["any", "unanimous"], "seed": [1, 7], "holdout": [0.3, 0.4]}
    for run in all_runs(plan(parse_sweep(asked), stubs)):
        node = planned_node(run)
        others = [other for other in stock.nodes.values() if other.stage == node.stage and other.key != node.key]
        best = max(_equal(other, node) for other in others)
        nearest = stock.nearest(node)
        assert nearest is not None and nearest.stage == node.stage and _equal(nearest, node) == best


def _equal(one, other):
    """Count the parameters that two runs have alike."""
    return sum(name in other.lineage and other.lineage[name] == value for name, value in one.lineage.items())


def test_of_two_runs_as_near_the_unwanted_one_is_compared(explained, stubs, tmp_path):
    """Two files of one description, one edited: its old run is compared, not the other file's, which is wanted."""
    content = "id,age,ill\n" + "".join(f"{i},{20 + i % 50},{i % 2}\n" for i in range(60))
    blocks = []
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(content.replace("59,29,1", f"59,3{len(blocks)},1"))
        blocks.append({"data": {"path": f"{name}.csv", "id": "id", "target": "ill"}})
    both = {"n_shards": 2, "blocks": blocks}
    first = {why.run.key for why in explained(both, stored=both)}
    (tmp_path / "b.csv").write_text(content)
    said = explained(both)
    kept = {why.run.key for why in said if why.state == "fresh"}
    compared = {why.nearest.key for why in said if why.nearest}
    assert len(kept) == 5 and compared == first - kept


@pytest.fixture
def small(stubs: Path, tmp_path: Path):
    """Give the params file of a stored sweep, and a function that calls `fedlab` on it."""
    params = tmp_path / "small.yaml"
    params.write_text("n_shards: [2, 3]\nrule: [any, soft]\nseed: [0, 1]\n")
    folder = tmp_path / "results" / "small"
    publish(all_runs(plan(read_sweep(params), stubs)), folder)
    remember(folder, params, stubs)

    def fedlab(*words, exit_code=0):
        done = CliRunner().invoke(main, [*map(str, words), "--results", str(tmp_path / "results")])
        assert done.exit_code == exit_code, done.output
        return done.output

    return params, fedlab


def test_the_command_takes_a_key_its_beginning_a_stage_a_folder_or_a_params_file(small, stubs, tmp_path, change):
    """All name the same run; without a params file, that which was swept into the folder counts."""
    params, fedlab = small
    run = sorted((tmp_path / "results" / "small" / "runs" / "vote").iterdir())[0]
    names = [run.name, run.name[:12], f"vote/{run.name}", str(run)]
    assert {fedlab("why", name) for name in names} == {
        f"fresh    vote/{run.name}: stored, and all that it was made from is as it was\n"
    }
    change("3_vote.ipynb", "x = 1")
    said = {fedlab("why", name) for name in names}
    assert len(said) == 1 and "is wanted in its place\n  code cell 3 of 3_vote.ipynb is new" in said.pop()
    said = fedlab("why", params, "--notebooks", stubs)
    assert said.count("stale ") == 8 and "20 runs are wanted: 12 fresh, 8 not" in said
    wanted = re.findall(r"stale +vote/(\w+)", said)
    one = fedlab("why", wanted[0][:12], "--params", params, "--notebooks", stubs)
    assert one.startswith(f"stale    vote/{wanted[0]}: same parameters; compared with vote/")
    assert "answers to" in fedlab("why", "nosuchrun", exit_code=2)
    assert "begins several keys" in fedlab("why", "vote/" + _shared(tmp_path, "vote"), exit_code=2)


def _shared(tmp_path, stage):
    """Return a beginning that two keys of a stage share; 8 keys of 16 first digits may have none: then add some."""
    names = [run.name for run in (tmp_path / "results" / "small" / "runs" / stage).iterdir()]
    first = [name[0] for name in names]
    twice = [digit for digit in first if first.count(digit) > 1]
    if not twice:
        store = RunStore(tmp_path / "results" / "small")
        info = store.info(stage, names[0])
        with store.workplace(stage, names[0][0] + "f" * 19) as place:
            store.publish(place, stage, names[0][0] + "f" * 19, info)
        return names[0][0]
    return twice[0]


def test_the_wanted_run_of_the_figures_is_fresh(small, stubs, tmp_path):
    """It is drawn from results.csv as it stands, so it is wanted though no cell asks for it."""
    params, fedlab = small
    folder = tmp_path / "results" / "small"
    (folder / "results.csv").write_text("a\n1\n")
    run = figures_run(stubs / read_sweep(params).figures, folder / "results.csv")
    publish([run], folder)
    assert fedlab("why", run.key).startswith(f"fresh    figures/{run.key}")


def test_a_run_whose_parameters_nothing_wants_is_unwanted(small, stubs):
    """Seed 1 leaves the params file: its runs are compared with the nearest wanted ones."""
    params, fedlab = small
    listed = fedlab("ls", "small")
    gone = re.search(r"vote/(\w+) .*seed=1", listed).group(1)
    params.write_text("n_shards: [2, 3]\nrule: [any, soft]\nseed: [0]\n")
    said = fedlab("why", gone)
    assert f"unwanted vote/{gone}: no wanted run has its parameters; nearest is vote/" in said
    assert "parameter seed: 1 -> 0" in said


def test_explain_stops_before_running(small, stubs, tmp_path, change):
    """Counts and a line per reason; nothing is executed."""
    params, fedlab = small
    change("3_vote.ipynb", "x = 1")
    said = fedlab("sweep", params, "--notebooks", stubs, "--explain")
    assert said.splitlines() == [
        "8 cells, 20 runs: 12 cached, 8 to run",
        "  12 fresh (6 partition, 6 train)",
        "  8 stale (8 vote): code cell 3 of 3_vote.ipynb is new",
    ]
    assert len(list((tmp_path / "results" / "small" / "runs" / "vote").iterdir())) == 8
