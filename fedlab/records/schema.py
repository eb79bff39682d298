"""The schema: which columns of a table are identifier, features and target, and what the others are for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fedlab.errors import FedlabError, unknown_name
from fedlab.files import plain


@dataclass(frozen=True)
class Schema:
    """The roles of a table's columns.

    Parameters
    ----------
    id : str
        Column that identifies the row. It never reaches a model.
    features : sequence of str
        Columns that models learn from, in this order.
    target : str
        Column that holds the class.
    sensitive : sequence of str, optional
        Columns by which fairness is measured; they may be features as well.
    site : str, optional
        Column that says where the row comes from (a hospital). A feature only if listed among `features`.
    group : str, optional
        Column whose equal values belong together (a patient's encounters): no split parts them. Never a
        feature.
    positive : object, optional
        The class that sensitivity, AUC and the rule ``any`` are about; by default the greatest class.

    Raises
    ------
    FedlabError
        If a name is empty or listed twice, or one column is given two roles that exclude each other.

    Examples
    --------
    >>> schema = Schema("PatientID", ["Age", "Diabetic"], "Disease", sensitive=["Age"], site="Hospital")
    >>> schema.columns
    ('PatientID', 'Age', 'Diabetic', 'Disease', 'Hospital')
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    id: str
    features: tuple[str, ...]
    target: str
    sensitive: tuple[str, ...] = ()
    site: str | None = None
    group: str | None = None
    positive: Any = None

    def __post_init__(self) -> None:
        for role in ("features", "sensitive"):
            object.__setattr__(self, role, _names(role, getattr(self, role)))
        object.__setattr__(self, "positive", plain(self.positive))
        for role in ("id", "target", "site", "group"):
            name = getattr(self, role)
            optional = role in ("site", "group")
            if not (optional and name is None) and not (isinstance(name, str) and name.strip()):
                raise FedlabError(f"schema: {role} is {name!r}; give the name of a column, as text")
        if not self.features:
            raise FedlabError("schema: features is empty; list at least one column that models may learn from")
        self._check_roles()

    def _check_roles(self) -> None:
        for role in ("id", "target", "group"):
            name = getattr(self, role)
            if name in self.features:
                raise FedlabError(
                    f"schema: {name!r} is both {role} and a feature; take it out of features "
                    f"(the {role} never reaches a model)"
                )
        for one, other in (
            ("id", "target"),
            ("id", "group"),
            ("id", "site"),
            ("target", "group"),
            ("target", "site"),
        ):
            if getattr(self, one) == getattr(self, other):
                raise FedlabError(
                    f"schema: {getattr(self, one)!r} is both {one} and {other}; name a different column for each"
                )
        for role in ("id", "target"):
            if getattr(self, role) in self.sensitive:
                raise FedlabError(
                    f"schema: {getattr(self, role)!r} is both {role} and sensitive; take it out of sensitive"
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that the schema names, once each: id, features, target, site, group, sensitive."""
        named = (self.id, *self.features, self.target, self.site, self.group, *self.sensitive)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain JSON-able values."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Schema":
        """Build a schema from what `to_dict` returned, or from a user's mapping.

        Raises
        ------
        FedlabError
            If a key is unknown or one of ``id``, ``features``, ``target`` is missing.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("schema key", key, known)
        for key in ("id", "features", "target"):
            if key not in values:
                raise FedlabError(f"schema: {key} is missing; give at least id, features and target")
        return cls(**values)


def _names(role: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, list | tuple):
        raise FedlabError(f"schema: {role} is {given!r}; give a list of column names, such as [Age, Diabetic]")
    for name in given:
        if not (isinstance(name, str) and name.strip()):
            raise FedlabError(f"schema: {role} holds {name!r}; each entry is the name of a column, as text")
        if given.count(name) > 1:
            raise FedlabError(f"schema: {role} holds {name!r} {given.count(name)} times; list it once")
    return tuple(given)
