"""The documents: what they tell a user to type works, and lists that stand in several places agree."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import fedlab
from fedlab.evidence import ROW_COLUMNS
from fedlab.sweep.params import Cell, parse_sweep
from fedlab.voting import Ballots, vote

ROOT = Path(__file__).parent.parent
RULES = re.search(r"```python\n# my_rules.py.*?```", (ROOT / "docs/params.md").read_text(), re.S)


def names(requirements):
    """Return the names in a list of requirements."""
    return {re.split(r"[<>=!~ ;\[]", text, maxsplit=1)[0].lower() for text in requirements}


def pins(path):
    """Return name -> set of versions of a lock file."""
    found = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / path).read_text(), re.M):
        found.setdefault(name.lower(), set()).add(version)
    return found


@pytest.fixture
def project():
    """Give what pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lock_files_hold_every_dependency_with_hashes_and_no_index(project):
    """Direct dependencies are pinned; every pin has a hash; no address of any registry; the test lock adds only."""
    lock, test_lock = pins("requirements.lock"), pins("requirements-test.lock")
    extras = project["optional-dependencies"]
    assert names(project["dependencies"]) | names(extras["build"]) <= lock.keys()
    assert names(extras["test"]) <= test_lock.keys()
    assert {name: test_lock[name] for name in lock} == lock
    for path in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / path).read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text
        entries = re.split(r"\n(?=[A-Za-z0-9])", text)
        assert all("--hash=sha256:" in entry for entry in entries)


def test_the_conda_environment_is_the_lock_file(project):
    """environment.yml is what the generator makes, holds the same pins, and gives a reason on each line."""
    done = subprocess.run([sys.executable, ROOT / "scripts/environment.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (ROOT / "environment.yml").read_text()
    listed = yaml.safe_load(text)["dependencies"][-1]["pip"]
    found = {}
    for name, version in (re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line).groups() for line in listed):
        found.setdefault(name.lower(), set()).add(version)
    assert found == pins("requirements.lock")
    lines = [line for line in text.splitlines() if line.lstrip().startswith("- ") and "conda-forge" not in line]
    assert all(re.search(r"  # \S|pip:$", line) for line in lines)


def test_every_direct_dependency_has_its_reason_and_is_used(project):
    """docs/dependencies.md names each, and none that is not asked for."""
    extras = project["optional-dependencies"]
    told = set(re.findall(r"^\| ([a-z0-9-]+) \| .+ \| .+ \|$", (ROOT / "docs/dependencies.md").read_text(), re.M))
    assert told - {"package"} == names(project["dependencies"]) | names(extras["build"]) | names(extras["test"])


def test_versions_agree(project):
    """pyproject.toml, the package and CITATION.cff say one version."""
    assert project["version"] == fedlab.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == fedlab.__version__


def test_links_between_documents_lead_somewhere():
    """Every relative link in the Markdown files names a file that is there."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    assert len(files) > 5
    for file in files:
        for link in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
            assert "://" in link or (file.parent / link).exists(), f"{file.name}: {link}"


def test_every_key_and_column_is_explained():
    """docs/params.md has each key of a cell; docs/results.md each measured column, by its stem."""
    text = (ROOT / "docs/params.md").read_text()
    options = {"scheme_options", "rule_options"}
    assert [name for name in Cell.model_fields if f"| `{name}" not in text and name not in options] == []
    told = (ROOT / "docs/results.md").read_text()
    stems = [re.sub(r"_(low|high|mean|best|worst)$", "", name) for name in ROW_COLUMNS]
    stems = [re.sub(r"^(centralised|pooled_trees)_.*", r"\1_", stem) for stem in stems]
    assert [stem for stem in stems if f"`{stem}" not in told] == []


def test_the_params_files_in_the_documents_are_valid(tmp_path, monkeypatch):
    """Each YAML block of README and docs/params.md that is a params file expands to cells."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_rules.py").write_text(RULES[0].removeprefix("```python\n").removesuffix("```"))
    (tmp_path / "my_models.py").write_text("from sklearn.dummy import DummyClassifier as MyClassifier\n")
    blocks = []
    for file in ("README.md", "docs/params.md"):
        blocks += re.findall(r"```yaml\n(.*?)```", (ROOT / file).read_text(), re.S)
    assert len(blocks) >= 4
    for block in blocks:
        for text in [block] if block.count("\nmodel:") < 2 else block.splitlines():
            content = yaml.safe_load(text)
            assert parse_sweep({"n_shards": 2} | content).cells


def test_the_rule_in_the_documents_votes(tmp_path, monkeypatch):
    """my_rules.py of docs/params.md, named by import path: the extremes do not count."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_doc_rules.py").write_text(RULES[0].removeprefix("```python\n").removesuffix("```"))
    sure = [0.9, 0.4, 0.4, 0.4, 0.0]
    probabilities = np.array([[[1 - p, p]] for p in sure])
    ballots = Ballots((probabilities[:, :, 1] > 0.5).astype(int), probabilities, np.array([0, 1]), tuple("abcde"))
    verdict = vote(ballots, "my_doc_rules:my_rule", trim=0.2)
    assert verdict.scores[0].tolist() == pytest.approx([0.6, 0.4])


@pytest.mark.slow
def test_own_data_model_and_rule_run_as_the_readme_says(tmp_path):
    """The README's my.yaml with a file, text classes, a missing value and an own rule: results for every cell."""
    rng = np.random.default_rng(0)
    lines = ["PatientID,Age,Diabetic,BloodPressureLevel,Disease"]
    for number in range(400):
        age = int(rng.integers(20, 90))
        ill = "yes" if rng.random() < age / 100 else "no"
        lines.append(f"p{number},{age},{rng.integers(2)},{'' if number == 3 else rng.integers(90, 180)},{ill}")
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "my_rules.py").write_text(RULES[0].removeprefix("```python\n").removesuffix("```"))
    readme = re.search(r"```yaml\n(# my.yaml.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    content = yaml.safe_load(readme) | {"n_shards": [2, 3], "seed": 0}
    content["model"]["max_iter"] = 5
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(content))
    words = [sys.executable, "-m", "fedlab.cli", "sweep", "my.yaml", "--notebooks", str(ROOT / "notebooks")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "6 of 6 cells" in done.stdout, done.stdout + done.stderr
    rows = (tmp_path / "results/my/results.csv").read_text().splitlines()
    assert len(rows) == 7 and all("HistGradientBoostingClassifier(max_iter=5)" in row for row in rows[1:])
    assert sum("my_rules:my_rule" in row for row in rows) == 2
    shutil.rmtree(tmp_path / "results")
