"""Command-line options made from the fields of parameter models.

A parameter is written once, in its model; here it becomes an option with its type, range, unit,
default and help.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import annotated_types
import click
import yaml
from pydantic.fields import FieldInfo

from perrin.parameters import Parameters

__all__ = ["SectionedCommand", "YamlValue", "add_options", "changes_in", "models_in"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click have no type there to subscript
    _ParamType = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])


class _Field(NamedTuple):
    step: str
    name: str
    info: FieldInfo

    @property
    def key(self) -> str:
        """Name under which click hands the value over."""
        return f"{self.step}__{self.name}"


class _FieldOption(click.Option):
    """An option that belongs to a section of the help."""

    section: str | None = None


class SectionedCommand(click.Command):
    """A command whose help groups the options by step."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of each step under its own heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for option in self.get_params(ctx):
            if not isinstance(option, click.Option):
                continue  # the help says what an argument is
            record = option.get_help_record(ctx)
            if record is not None:
                section = getattr(option, "section", None) or "Options"
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class YamlValue(_ParamType):
    """A value that may be a number or several: ``11``, ``9,11,11`` or ``[9, 11, 11]``."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text; the model checks what comes of it."""
        if not isinstance(value, str):
            return value
        try:
            return yaml.safe_load(f"[{value}]" if "," in value and "[" not in value else value)
        except yaml.YAMLError:
            self.fail(f"{value!r} is not a value.", param, ctx)


def models_in(annotation: Any) -> list[type[Parameters]]:
    """List the parameter models that a field's type allows."""
    if get_origin(annotation) is Annotated:
        return models_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in models_in(part)]
    if isinstance(annotation, type) and issubclass(annotation, Parameters):
        return [annotation]
    return []


def add_options(
    whole: type[Parameters], *steps: str, defaults: Parameters | None = None
) -> Callable[[Command], Command]:
    """Decorate a click command with an option for every field of some steps of a model.

    Parameters
    ----------
    whole
        The model: its fields are steps, each a parameter model (or a union of them); or, with no
        ``steps`` given, a model whose own fields become options.
    *steps
        Which fields of ``whole``; the names of options are the same whichever are chosen.
    defaults
        Where the defaults that the help shows are read; ``whole()`` if not given.

    Notes
    -----
    An option is called by its field (``--search-range``), with the step before it
    (``--detector-threshold``) where two steps share a name or the step can be switched off
    (``--drift --drift-smoothing 5``). Options that are not given stay out of :func:`changes_in`,
    so that the values of a recipe file show through.
    """
    shown = defaults if defaults is not None else whole()

    def decorate(command: Command) -> Command:
        for field, flag in reversed(_named(whole)):
            if not steps or field.step in steps:
                section = whole.model_fields[field.step].title if field.step else None
                part = getattr(shown, field.step) if field.step else shown
                default = getattr(part, field.name, field.info.default)
                option = _option(field, flag, default)
                option.section = f"{section} options" if section else None
                _attach(command, option)
        return command

    return decorate


def changes_in(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Collect the options that were given as ``{step: {field: value}}``."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        step, separator, name = key.partition("__")
        if separator and value is not None:
            changes.setdefault(step, {})[name] = value
    return changes


def _attach(command: Any, option: click.Option) -> None:
    if isinstance(command, click.Command):
        command.params.insert(0, option)
    else:  # not a command yet: click's own protocol for decorators
        command.__dict__.setdefault("__click_params__", []).append(option)


def _fields(whole: type[Parameters]) -> Iterator[_Field]:
    for step, outer in whole.model_fields.items():
        models = models_in(outer.annotation)
        if not models and not _is_fixed(outer.annotation):
            yield _Field("", step, outer)
        if len(models) > 1:
            yield _Field(step, "kind", _choice(outer, models))
        seen: set[str] = set()
        for model in models:
            for name, info in model.model_fields.items():
                if name not in seen and not _is_fixed(info.annotation):
                    seen.add(name)
                    yield _Field(step, name, info)


def _choice(outer: FieldInfo, models: Iterable[type[Parameters]]) -> FieldInfo:
    """Describe the choice between models as a field."""
    kinds = tuple(model.model_fields["kind"].default for model in models)
    annotation: Any = Literal[kinds]
    return FieldInfo(annotation=annotation, description=outer.description)


def _named(whole: type[Parameters]) -> list[tuple[_Field, str]]:
    fields = list(_fields(whole))
    names = [field.name for field in fields]
    optional = {field.step for field in fields if field.name == "enabled"}
    flags = []
    for field in fields:
        if field.name == "enabled" and field.step:
            name = field.step  # --drift rather than --enabled
        elif field.name == "kind":
            name = field.step  # --detector rather than --kind
        elif field.step in optional or names.count(field.name) > 1:
            name = f"{field.step}_{field.name}"
        else:
            name = field.name
        flags.append(name.replace("_", "-"))
    return list(zip(fields, flags, strict=True))


def _is_fixed(annotation: Any) -> bool:
    """Whether a field is a tag with one possible value."""
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def _option(field: _Field, flag: str, default: Any) -> _FieldOption:
    annotation = _without_none(field.info.annotation)
    extra = field.info.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    said = _said(default)
    remarks = [part for part in (unit, f"default: {said}" if said else None) if part]
    text = (field.info.description or "") + (
        f"  [{', '.join(map(str, remarks))}]" if remarks else ""
    )
    if annotation is bool:
        return _FieldOption([f"--{flag}/--no-{flag}", field.key], default=None, help=text)
    kind = _click_type(annotation, field.info.metadata)
    metavar = None if isinstance(kind, click.Choice) else _metavar(annotation)
    return _FieldOption(
        [f"--{flag}", field.key], type=kind, default=None, help=text, metavar=metavar
    )


def _said(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, (tuple, list)):
        return ",".join(map(_said, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0] if len(parts) == 1 else annotation
    return annotation


def _metavar(annotation: Any) -> str:
    return {int: "N", float: "NUMBER", str: "TEXT"}.get(annotation, "VALUE")


def _click_type(annotation: Any, metadata: Iterable[Any]) -> _ParamType:
    if get_origin(annotation) is Literal:
        return click.Choice([str(value) for value in get_args(annotation)])
    if annotation not in (int, float):
        return click.STRING if annotation is str else YamlValue()
    limits: dict[str, Any] = {}
    for constraint in metadata:
        match constraint:
            case annotated_types.Ge(ge=low):
                limits |= {"min": low}
            case annotated_types.Gt(gt=low):
                limits |= {"min": low, "min_open": True}
            case annotated_types.Le(le=high):
                limits |= {"max": high}
            case annotated_types.Lt(lt=high):
                limits |= {"max": high, "max_open": True}
    # click refuses open ends for whole numbers; the model checks them.
    if annotation is int:
        return click.IntRange(**{k: v for k, v in limits.items() if not k.endswith("open")})
    return click.FloatRange(**limits) if limits else click.FLOAT
