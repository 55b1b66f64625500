"""The base of every parameter model.

A parameter is written once, as a field of a frozen pydantic model. Command-line options, widget
fields, the saved recipe and the documentation are derived from that field.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perrin.errors import InputError

__all__ = ["Parameters", "parameter"]


def parameter(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    label: str | None = None,
    advanced: bool = False,
    **constraints: Any,
) -> Any:
    """Declare one field of a :class:`Parameters` model.

    Parameters
    ----------
    default
        The value used unless another is given.
    description
        One sentence that says what the parameter means; it becomes the tooltip and the help text.
    unit
        Unit of the value as shown to people, for example ``"px"`` or ``"s"``.
    label
        Short name shown beside the field; the field's own name if not given.
    advanced
        Whether a window may fold the field away.
    **constraints
        Passed to :func:`pydantic.Field`: ``ge``, ``gt``, ``le``, ``lt``, ``multiple_of``.
    """
    extra: dict[str, Any] = {"advanced": advanced}
    if unit is not None:
        extra["unit"] = unit
    return Field(
        default, description=description, title=label, json_schema_extra=extra, **constraints
    )


class Parameters(BaseModel):
    """Immutable, validated parameters of one step."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build the model, turning pydantic's report into one readable :class:`InputError`."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise InputError(_sentence(cls.__name__, error)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read the model from YAML text.

        Raises
        ------
        InputError
            If the text is not YAML, not a mapping, or has unknown or invalid fields.
        """
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"This is not valid YAML: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"A {cls.__name__} file must hold 'name: value' lines.")
        return cls.checked(**values)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the model from a YAML file.

        Raises
        ------
        InputError
            If the file cannot be read, or does not hold such a model. The message names the file
            and the field.
        """
        path, what = Path(path), cls.__name__.lower()
        try:
            return cls.from_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"The {what} {path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError:
            raise InputError(f"{path} is not a text file; give a {what} (YAML).") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def to_yaml(self) -> str:
        """Write the model as YAML text, every field included."""
        values = self.model_dump(mode="json")
        return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _sentence(name: str, error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        where = ".".join(str(step) for step in item["loc"]) or name
        given = "" if isinstance(item.get("input"), dict) else f" (given: {item.get('input')!r})"
        parts.append(f"{where}: {item['msg']}{given}")
    return f"{name} cannot be used: " + "; ".join(parts) + "."
