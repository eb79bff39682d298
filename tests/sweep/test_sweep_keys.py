"""Keys: what changes a run's key, and what must not."""

import numpy as np
import pytest
from tests_sweep_stubs import STUBS, write_notebook

from fedlab.errors import FedlabError
from fedlab.sweep import graph, keys
from fedlab.sweep.graph import make_run, plan
from fedlab.sweep.keys import notebook_parameters
from fedlab.sweep.params import parse_sweep

NOTEBOOKS = keys.PACKAGE.parent / "notebooks"


def _key(path, **parameters):
    return make_run("vote", path, parameters).key


def test_prose_and_outputs_do_not_change_a_key(tmp_path):
    """Only code cells count."""
    write_notebook(tmp_path / "a.ipynb", "x = 1", "print(x)", prose="one")
    write_notebook(tmp_path / "b.ipynb", "x = 1", "print(x)", prose="quite another")
    text = (tmp_path / "b.ipynb").read_text()
    (tmp_path / "b.ipynb").write_text(text.replace('"execution_count": null', '"execution_count": 7'))
    assert _key(tmp_path / "a.ipynb", x=1) == _key(tmp_path / "b.ipynb", x=1)


def test_code_and_parameters_change_a_key(tmp_path):
    """Another line of code, another value or another parameter: another run."""
    write_notebook(tmp_path / "a.ipynb", "x = 1", "print(x)")
    write_notebook(tmp_path / "b.ipynb", "x = 1", "print(x + 1)")
    found = [_key(tmp_path / "a.ipynb", x=1), _key(tmp_path / "b.ipynb", x=1), _key(tmp_path / "a.ipynb", x=2)]
    assert len({*found, _key(tmp_path / "a.ipynb", y=1)}) == 4


def test_numpy_values_and_key_order_do_not_change_a_key(tmp_path):
    """NumPy's scalars hash as plain ones, mappings in any order."""
    write_notebook(tmp_path / "a.ipynb", "x = 1")
    one = _key(tmp_path / "a.ipynb", x=3, y={"a": 1, "b": (2,)})
    assert one == _key(tmp_path / "a.ipynb", y={"b": [np.int32(2)], "a": 1}, x=np.int64(3))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n_shards": 2.0, "seed": np.int64(1)}, {"n_shards": np.int32(2), "seed": 1}),
        ({"scheme": "dirichlet", "alpha": 1}, {"scheme": "dirichlet", "alpha": np.float64(1.0)}),
        ({"scheme": "quantity", "fractions": [1]}, {"scheme": "quantity", "fractions": [1.0]}),
        ({"rule": {"name": "trimmed_mean", "trim": 0}}, {"rule": {"name": "trimmed_mean", "trim": 0.0}}),
        ({"data": {"name": "synthetic", "n_rows": 300}}, {"data": {"name": "synthetic", "n_rows": 300.0}}),
        *(
            ({"quality": {"kind": "label_noise", "probability": one}}, {"quality": {"kind": "label_noise", **other}})
            for one, other in ((1, {"probability": 1.0}), ([0, 1], {"probability": [0.0, 1.0]}))
        ),
    ],
)
def test_a_number_counts_by_its_value_where_its_type_is_declared(stubs, one, other):
    """1, 1.0 and NumPy's 1 give one key; as two values of an axis they are one cell."""
    first = {"n_shards": 1 if "fractions" in one else 2}
    found = [plan(parse_sweep(first | content), stubs).votes[0] for content in (one, other)]
    assert found[0].key == found[1].key
    assert len(parse_sweep(first | {"blocks": [one, other]}).cells) == 1


def test_a_number_without_a_declared_type_counts_by_its_type_too(stubs):
    """scikit-learn's max_features is one feature for 1 and all for 1.0: two models."""
    models = [{"class": "sklearn.ensemble.RandomForestClassifier", "max_features": value} for value in (1, 1.0)]
    assert len(parse_sweep({"n_shards": 2, "model": models}).cells) == 2


def test_extras_and_installed_libraries_count_for_the_runs_that_use_them(monkeypatch):
    """crowd-kit for its rules alone, a library for the model that is taken from it; sklearn stands there anyway."""
    monkeypatch.setattr(keys.metadata, "version", lambda name: f"{name} 1.0")
    assert keys.extra_versions(["fedlab.voting.crowd"]) == {"crowd-kit": "crowd-kit 1.0"}
    assert keys.extra_versions(["fedlab.voting.counting", "fedlab.voting.latent"]) == {}
    assert keys.extra_versions([], ["click.core.Command"]) == {"click": "click 1.0"}
    assert keys.extra_versions([], ["sklearn.ensemble.RandomForestClassifier", "numpy.ndarray"]) == {}


def test_source_of_imported_modules_counts_and_other_source_does_not(tmp_path, monkeypatch):
    """A change in a module that the notebook imports through another changes the key; in one it does not, it stays."""
    package = tmp_path / "fedlab"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room" / "__init__.py").write_text("from fedlab.room.inner import thing\n")
    (package / "room" / "inner.py").write_text("def f():\n    from ..base import deep\nthing = 1\n")
    (package / "base.py").write_text("deep = 1\n")
    (package / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(keys, "PACKAGE", package)
    notebook = tmp_path / "a.ipynb"
    write_notebook(notebook, "x = 1", "%matplotlib inline\nfrom fedlab.room import thing")

    def source() -> dict[str, str]:
        return keys.source_hashes(notebook)

    first = source()
    (package / "other.py").write_text("x = 2\n")
    assert source() == first
    (package / "base.py").write_text("deep = 2\n")
    now = source()
    assert {name for name in now if now[name] != first[name]} == {"base.py"} and now.keys() == first.keys()


def _closure(name):
    """Return the modules behind a notebook of the pipeline, as paths within the package."""
    names: set[str] = set()
    for source in keys.code_cells(NOTEBOOKS / name):
        names |= keys._imported(keys._plain_python(source), "")
    return {str(file.relative_to(keys.PACKAGE)) for file in keys.closure(names)}


def test_stages_do_not_depend_on_what_comes_after_them():
    """A new rule leaves shards and trained models cached, a new scheme the models, a change of the sweep all."""
    partition, train, vote = (_closure(name) for name in ("1_partition.ipynb", "2_train.ipynb", "3_vote.ipynb"))
    assert {"records/nhefs.py", "partition/split.py", "partition/store.py"} <= partition
    assert {"training/local.py", "exchange/formats.py", "voting/casting.py"} <= train
    assert {"voting/votes.py", "evidence/metrics.py", "evidence/intervals.py"} <= vote
    assert not {file for file in partition if file.startswith(("voting", "evidence", "training", "sweep"))}
    assert not {file for file in train if file.startswith(("evidence", "sweep", "figures"))}
    assert not {"voting/counting.py", "voting/pooling.py", "voting/votes.py"} & train
    assert not {file for file in vote if file.startswith(("sweep", "figures"))}


def test_the_rule_s_own_module_is_part_of_its_votes(stubs, monkeypatch):
    """The rule is found by name, so no import leads to its module: it is added."""
    runs = plan(parse_sweep({"n_shards": 2, "rule": ["majority", "soft"]}), stubs).votes
    assert [run.modules for run in runs] == [("fedlab.voting.counting",), ("fedlab.voting.pooling",)]
    shards = runs[0].inputs["trained"].inputs["shards"]
    assert shards.modules == ("fedlab.partition.schemes.even",)


def test_the_formats_own_module_is_part_of_its_trainings(stubs):
    """A mended format makes the models written in it stale, and no other."""
    made = plan(parse_sweep({"n_shards": 2, "format": ["skops", "compact"]}), stubs)
    own = {run.parameters["format"]: run for run in made.runs["train"]}
    assert own["compact"].modules == ("fedlab.exchange.compact",)
    sources = {form: set(run.parts["source"]) for form, run in own.items()}
    assert "exchange/compact.py" in sources["compact"] - sources["skops"]


def test_what_a_users_module_imports_is_part_of_the_key(stubs, tmp_path, monkeypatch):
    """A helper beside the rule's module counts; the standard library does not."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_helper_a.py").write_text("K = 1\n")
    rule = "import json\nimport my_helper_a\ndef rule(ballots):\n    return ballots.probabilities.mean(axis=0)\n"
    (tmp_path / "my_rules_a.py").write_text(rule)
    sweep = parse_sweep({"n_shards": 2, "rule": "my_rules_a:rule"}, folder=tmp_path)
    before = plan(sweep, stubs).votes[0]
    assert {path.rpartition("/")[2] for path in before.files} == {"my_rules_a.py", "my_helper_a.py"}
    (tmp_path / "my_helper_a.py").write_text("K = 2\n")
    assert plan(sweep, stubs).votes[0].key != before.key


def test_library_versions_change_a_key(tmp_path, monkeypatch):
    """Another scikit-learn may give other forests."""
    write_notebook(tmp_path / "a.ipynb", "x = 1")
    first = _key(tmp_path / "a.ipynb", x=1)
    monkeypatch.setattr(graph, "versions", lambda: {"scikit-learn": "0.1"})
    assert _key(tmp_path / "a.ipynb", x=1) != first


def test_a_users_rule_is_part_of_the_key(stubs, tmp_path, monkeypatch):
    """Editing the module that holds a rule makes its votes stale, and nothing else."""
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "my_key_rules.py"
    module.write_text("def rule(ballots):\n    return ballots.probabilities.mean(axis=0)\n")
    sweep = parse_sweep({"n_shards": 2, "rule": ["my_key_rules:rule", "soft"]})
    before = plan(sweep, stubs).votes
    module.write_text("def rule(ballots):\n    return ballots.probabilities.max(axis=0)\n")
    after = plan(sweep, stubs).votes
    assert before[0].key != after[0].key and before[1].key == after[1].key
    assert before[0].inputs["trained"].key == after[0].inputs["trained"].key


def test_own_data_count_by_content_not_by_place(stubs, tmp_path):
    """The same file elsewhere is the same input; a changed cell is another."""
    text = "id,age,ill\n" + "".join(f"{i},{20 + i % 50},{i % 2}\n" for i in range(60))
    found = []
    for folder, content in (("a", text), ("b", text), ("c", text.replace("59,29,1", "59,30,1"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my.csv").write_text(content)
        data = {"path": "my.csv", "id": "id", "target": "ill"}
        sweep = parse_sweep({"data": data, "n_shards": 2}, folder=tmp_path / folder)
        found.append(plan(sweep, stubs).votes[0].inputs["trained"].inputs["shards"].key)
    assert found[0] == found[1] != found[2]


def test_equal_runs_are_shared(stubs):
    """Rules share trained models, schemes share the centralised reference."""
    sweep = parse_sweep({"scheme": ["iid", "stratified"], "n_shards": [2, 4], "rule": ["any", "soft"], "seed": [0, 1]})
    runs = plan(sweep, stubs).runs
    # 2 schemes x 2 counts x 2 seeds, and one partition with one shard per seed
    assert {stage: len(found) for stage, found in runs.items()} == {"partition": 10, "train": 10, "vote": 16}


def test_a_new_rule_and_a_new_shard_count_add_only_their_own_runs(stubs):
    """A rule change never retrains; a new shard count trains only itself."""

    def keys_of(content):
        return {(run.stage, run.key) for runs in plan(parse_sweep(content), stubs).runs.values() for run in runs}

    base = keys_of({"n_shards": [2], "rule": ["any"]})
    rule = keys_of({"n_shards": [2], "rule": ["any", "soft"]}) - base
    assert [stage for stage, _ in rule] == ["vote"]
    count = keys_of({"n_shards": [2, 3], "rule": ["any"]}) - base
    assert sorted(stage for stage, _ in count) == ["partition", "train", "vote"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"n_shards": 5000}, "at most 1303 shards|at most 651 shards"),
        ({}, "n_shards is missing"),
        ({"scheme": "site", "n_shards": 2}, "site"),
        ({"data": "nhfs", "n_shards": 2}, "did you mean 'nhefs'"),
        ({"data": {"path": "gone.csv", "id": "a", "target": "b"}, "n_shards": 2}, "is not found"),
    ],
)
def test_what_the_data_cannot_hold_is_refused_before_any_run(stubs, content, said):
    """More shards than rows, no count, no site column, no such data."""
    with pytest.raises(FedlabError, match=said):
        plan(parse_sweep(content), stubs)


def test_a_notebook_must_take_what_the_sweep_sets(stubs):
    """papermill would only warn of a parameter that the notebook does not have."""
    parameters, work = STUBS["3_vote.ipynb"]
    write_notebook(stubs / "3_vote.ipynb", parameters.replace("rule = ", "rul = "), work)
    with pytest.raises(FedlabError, match=r"3_vote\.ipynb has no parameter rule"):
        plan(parse_sweep({"n_shards": 2}), stubs)
    write_notebook(stubs / "3_vote.ipynb", parameters)
    text = (stubs / "3_vote.ipynb").read_text().replace('"parameters"', '"params"')
    (stubs / "3_vote.ipynb").write_text(text)
    with pytest.raises(FedlabError, match="no cell tagged 'parameters'"):
        notebook_parameters(stubs / "3_vote.ipynb")


def test_what_cells_share_is_read_once(stubs, tmp_path, monkeypatch):
    """Twelve cells of one file: it is loaded and hashed once; a file that cannot be loaded is tried once."""
    from fedlab import records

    calls = []
    load = records.load_records
    monkeypatch.setattr(records, "load_records", lambda data: calls.append(data) or load(data))
    content = {"n_shards": [2, 3], "rule": ["any", "soft"], "seed": [0, 1, 2]}
    plan(parse_sweep(content), stubs)
    assert len(calls) == 1
    (tmp_path / "bad.csv").write_text("id,age,ill\n1,2,0\n1,3,1\n")
    data = {"path": "bad.csv", "id": "id", "target": "ill"}
    with pytest.raises(FedlabError, match="'id'"):
        plan(parse_sweep(content | {"data": data}, folder=tmp_path), stubs)
    assert len(calls) == 2


def test_records_of_another_quality_have_a_reference_of_their_own(stubs):
    """Clean cells share the centralised model; a faulty cell's is trained on its own organisations' rows, pooled."""
    noise = {"kind": "label_noise", "probability": [0.0, 0.4]}
    sweep = parse_sweep({"n_shards": 2, "quality": [None, noise], "scheme": ["iid", "stratified"]})
    votes = dict(
        zip([(cell.scheme, cell.quality is None) for cell in sweep.cells], plan(sweep, stubs).votes, strict=True)
    )
    central = {cell: vote.inputs["central"] for cell, vote in votes.items()}
    assert central["iid", True] == central["stratified", True] != central["iid", False] != central["stratified", False]
    for scheme in ("iid", "stratified"):
        faulty = central[scheme, False]
        assert (
            faulty.parameters["pooled"]
            and faulty.inputs["shards"] == votes[scheme, False].inputs["trained"].inputs["shards"]
        )
        assert faulty.inputs["shards"].parameters["quality"] == noise
        assert "pooled" not in central[scheme, True].parameters


def test_impossible_quality_is_refused_before_any_run(stubs):
    """Three probabilities for two organisations, a column that is none."""
    for quality, said in (
        ({"kind": "label_noise", "probability": [0, 0.1, 0.2]}, "probability has 3 numbers for 2 organisations"),
        ({"kind": "shift", "probability": 1, "columns": ["weight"], "factor": 2}, "weight"),
    ):
        with pytest.raises(FedlabError, match=said):
            plan(parse_sweep({"n_shards": 2, "quality": quality}), stubs)


def test_validation_changes_votes_only(stubs):
    """The same models, another share of the holdout set apart: other votes, no other run."""
    without, with_some = (plan(parse_sweep({"n_shards": 2, "validation": share}), stubs) for share in (0, 0.3))
    assert without.runs["train"] == with_some.runs["train"] and without.votes != with_some.votes


def test_a_split_from_a_file_counts_by_content_and_lies_beside_the_params_file(stubs, tmp_path):
    """The path may be relative; moving the file changes no key, editing it does; a missing one is named."""
    from fedlab.partition import export_assignment, split_records
    from fedlab.records import load_records

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    split = split_records(load_records("nhefs"), n_shards=3)
    export_assignment(split, tmp_path / "a" / "who.csv")

    def vote(folder, path):
        content = {"scheme": "from_file", "path": path, "n_shards": None, "min_rows": 1}
        return plan(parse_sweep(content, folder=folder), stubs).votes[0]

    first = vote(tmp_path / "a", "who.csv")
    shards = first.inputs["trained"].inputs["shards"]
    assert shards.parameters["scheme_options"] == {"path": str(tmp_path / "a" / "who.csv")}
    assert str(tmp_path / "a" / "who.csv") in shards.files
    (tmp_path / "b" / "other.csv").write_bytes((tmp_path / "a" / "who.csv").read_bytes())
    assert vote(tmp_path / "b", "other.csv") == first
    with pytest.raises(FedlabError, match=r"nowhere\.csv is not found"):
        vote(tmp_path / "a", "nowhere.csv")
    export_assignment(split_records(load_records("nhefs"), n_shards=3, seed=1), tmp_path / "b" / "other.csv")
    assert vote(tmp_path / "b", "other.csv") != first
