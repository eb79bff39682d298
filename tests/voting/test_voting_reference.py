"""docs/rules.md is what the registry of rules says."""

import importlib.util
from pathlib import Path

from fedlab.voting import RULES

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/rules_reference.py"


def script():
    """Load the script that writes the page."""
    spec = importlib.util.spec_from_file_location("rules_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    """The page in docs/ is the one that the script writes: run `python scripts/rules_reference.py`."""
    module = script()
    assert module.PATH.read_text("utf-8") == module.reference()


def test_every_rule_has_a_section_with_an_example():
    """Each registered rule has its section, formula, when to use it, and verdicts on three records."""
    sections = script().reference().split("\n## ")
    for name in RULES:
        (section,) = [one for one in sections if one.startswith(f"{name}\n")]
        assert RULES.get(name).formula in section
        assert "**When**" in section
        assert section.count("\n| 3 | ") == (name not in ("glad", "mace"))
