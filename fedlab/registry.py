"""How schemes, rules, models, cohorts and formats are found: by registered name or by import path."""

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from fedlab.errors import FedlabError, unknown_name

T = TypeVar("T")
_PATH = re.compile(r"^[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*|\.[A-Za-z_]\w*)$")


def is_import_path(name: str) -> bool:
    """Say whether a name is an import path (``pkg.module:attr`` or ``pkg.module.Class``), not a registered name.

    Examples
    --------
    >>> is_import_path("mymodule:my_rule"), is_import_path("majority")
    (True, False)
    """
    return bool(_PATH.match(name))


def split_import_path(path: str) -> tuple[str, str]:
    """Split an import path into the module and the attribute in it.

    Examples
    --------
    >>> split_import_path("mymodule:my_rule"), split_import_path("sklearn.svm.SVC")
    (('mymodule', 'my_rule'), ('sklearn.svm', 'SVC'))
    """
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    return module, attribute


def import_object(path: str, kind: str) -> Any:
    """Import the object that ``pkg.module:attr`` or ``pkg.module.Class`` names.

    Parameters
    ----------
    path : str
        The import path.
    kind : str
        What it should be, for the error message.

    Returns
    -------
    object
        What the path names.

    Raises
    ------
    FedlabError
        If the module cannot be imported or has no such attribute.
    """
    module_name, attribute = split_import_path(path)
    # Last, so that a file of the user's cannot take the place of a library: where a sweep says his modules are.
    for folder in filter(None, os.environ.get("FEDLAB_IMPORT_FROM", "").split(os.pathsep)):
        if folder not in sys.path:
            sys.path.append(folder)
    try:
        found = importlib.import_module(module_name)
    except ImportError as error:
        raise FedlabError(
            f"{kind} {path!r}: module {module_name!r} cannot be imported ({error}); "
            f"put {module_name.split('.')[0]}.py beside the params file or in the folder you run from, "
            "or install the package that holds it"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(found) if not name.startswith("_")]
            raise unknown_name(f"{kind} {path!r}: {module_name!r} has no attribute; name", part, public[:40])
        found = getattr(found, part)
    return found


class Registry(Generic[T]):
    """A named collection that user code can extend by import path.

    Parameters
    ----------
    kind : str
        What the entries are, in the singular, for error messages: ``"rule"``, ``"scheme"``.

    Examples
    --------
    >>> colours = Registry("colour")
    >>> @colours.register("red")
    ... def red(): return "#f00"
    >>> colours.get("red")()
    '#f00'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its argument under ``name``; a name is taken once."""

        def decorate(entry: T) -> T:
            if name in self._entries:
                raise FedlabError(f"{self.kind} {name!r} is registered twice; choose another name")
            self._entries[name] = entry
            return entry

        return decorate

    def get(self, name: str) -> T:
        """Return the entry of a registered name, or the object that an import path names.

        Raises
        ------
        FedlabError
            If the name is neither.
        """
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        if isinstance(name, str) and is_import_path(name):
            return import_object(name, self.kind)
        raise unknown_name(self.kind, name, self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
