"""Input widgets for single values: exact numbers, choices, text."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo
from qtpy.QtCore import QLocale, QObject, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

from perrin.errors import InputError

__all__ = ["Field", "lowest", "make_field", "without_none"]

_NOT_SET = "not set"
_INT_LIMIT = 2**31 - 1
_FLOAT_LIMIT = 1e12


class Field(QObject):
    """One value a person can edit, whatever the widget behind it."""

    changed = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.widget = widget

    def get(self) -> Any:
        """Return the value as the parameter model expects it."""
        raise NotImplementedError

    def put(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError


class _NoWheel:
    """Let the wheel scroll the panel: a passing pointer must not change a parameter."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()


class _IntBox(_NoWheel, QSpinBox):
    pass


class _FloatBox(_NoWheel, QDoubleSpinBox):
    """A number box that shows six digits and keeps all of them.

    A pixel size of 1/2.85 µm is not 0.350877 µm; results must not depend on whether a value was
    read from a file or passed through this box.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setDecimals(15)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self._exact: float | None = None

    def textFromValue(self, value: float) -> str:
        return f"{value:.6g}"

    def valueFromText(self, text: str | None) -> float:
        try:
            return float((text or "").replace(",", "."))
        except ValueError:
            return self.minimum()

    def validate(self, text: str | None, position: int) -> Any:
        # The comma is the decimal key of many keyboards.
        return super().validate((text or "").replace(",", "."), position)

    def put_exact(self, value: float) -> None:
        self._exact = value
        self.setValue(value)

    def get_exact(self) -> float:
        shown = self.value()
        if self._exact is not None and self.textFromValue(self._exact) == self.textFromValue(shown):
            return self._exact
        return shown


class _NumberField(Field):
    def __init__(
        self, box: _IntBox | _FloatBox, info: FieldInfo, optional: bool, step: int = 1
    ) -> None:
        super().__init__(box)
        self._box, self._optional = box, optional
        limits = dict(_constraints(info))
        whole = isinstance(box, _IntBox)
        largest = _INT_LIMIT if whole else _FLOAT_LIMIT
        low = limits.get("ge", limits.get("gt", -largest))
        high = limits.get("le", limits.get("lt", largest))
        if whole:
            low += 1 if "gt" in limits else 0
            high -= 1 if "lt" in limits else 0
        if optional:
            # The lowest position of the box stands for "not set".
            low = low if "gt" in limits and not whole else low - step
            box.setSpecialValueText(_NOT_SET)
        if isinstance(box, _IntBox):
            box.setRange(int(low), int(high))
            box.setSingleStep(int(limits.get("multiple_of", step)))
        else:
            box.setRange(float(low), float(high))
        box.valueChanged.connect(lambda _value: self.changed.emit())

    def get(self) -> int | float | None:
        if self._optional and self._box.value() == self._box.minimum():
            return None
        return self._box.get_exact() if isinstance(self._box, _FloatBox) else self._box.value()

    def put(self, value: float | None) -> None:
        if isinstance(self._box, _FloatBox):
            self._box.put_exact(self._box.minimum() if value is None else float(value))
        else:
            self._box.setValue(self._box.minimum() if value is None else int(value))


class _BoolField(Field):
    def __init__(self) -> None:
        box = QCheckBox()
        super().__init__(box)
        self._box = box
        box.toggled.connect(lambda _on: self.changed.emit())

    def get(self) -> bool:
        return self._box.isChecked()

    def put(self, value: bool) -> None:
        self._box.setChecked(bool(value))


class _Choice(_NoWheel, QComboBox):
    pass


class _ChoiceField(Field):
    def __init__(self, choices: tuple[Any, ...]) -> None:
        box = _Choice()
        super().__init__(box)
        self._box, self._choices = box, choices
        box.addItems([_NOT_SET if choice is None else str(choice) for choice in choices])
        box.currentIndexChanged.connect(lambda _index: self.changed.emit())

    def get(self) -> Any:
        return self._choices[self._box.currentIndex()]

    def put(self, value: Any) -> None:
        self._box.setCurrentIndex(self._choices.index(value))


class _TextField(Field):
    """Text for ``str``, YAML for everything that has no widget of its own (lists, pairs)."""

    def __init__(self, as_yaml: bool) -> None:
        box = QLineEdit()
        super().__init__(box)
        self._box, self._as_yaml = box, as_yaml
        box.textChanged.connect(lambda _text: self.changed.emit())

    def get(self) -> Any:
        text = self._box.text().strip()
        if not self._as_yaml:
            return text
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"'{text}' is not a value; write lists as [1, 2, 3].") from None

    def put(self, value: Any) -> None:
        if not self._as_yaml:
            self._box.setText("" if value is None else str(value))
            return
        plain = list(value) if isinstance(value, tuple) else value
        text = "" if value is None else yaml.safe_dump(plain, default_flow_style=True)
        self._box.setText(text.removesuffix("...\n").strip())


def without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without ``None``, and whether ``None`` was allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        kept = tuple(part for part in get_args(annotation) if part is not type(None))
        if len(kept) < len(get_args(annotation)):
            return Union[kept], True  # noqa: UP007 - the parts are known only at run time
    return annotation, False


def lowest(info: FieldInfo) -> int | None:
    """Return the lowest whole number that a field allows, if it has one."""
    limits = dict(_constraints(info))
    if "ge" in limits:
        return int(limits["ge"])
    return int(limits["gt"]) + 1 if "gt" in limits else None


def make_field(info: FieldInfo, *, step: int = 1) -> Field:
    """Return the input widget for one field of a parameter model.

    Parameters
    ----------
    info
        The field.
    step
        By how much the buttons of a whole number change it.
    """
    annotation, optional = without_none(info.annotation)
    field: Field
    if get_origin(annotation) is Literal:
        field = _ChoiceField((None,) * optional + get_args(annotation))
    elif annotation is bool and not optional:
        field = _BoolField()
    elif annotation is int:
        field = _NumberField(_IntBox(), info, optional, step)
    elif annotation is float:
        field = _NumberField(_FloatBox(), info, optional)
    else:
        field = _TextField(as_yaml=annotation is not str or optional)
    field.put(info.get_default(call_default_factory=True))
    return field


def _constraints(info: FieldInfo) -> Iterator[tuple[str, float]]:
    for item in info.metadata:
        match item:
            case annotated_types.Ge(ge):
                yield "ge", float(ge)  # type: ignore[arg-type]
            case annotated_types.Gt(gt):
                yield "gt", float(gt)  # type: ignore[arg-type]
            case annotated_types.Le(le):
                yield "le", float(le)  # type: ignore[arg-type]
            case annotated_types.Lt(lt):
                yield "lt", float(lt)  # type: ignore[arg-type]
            case annotated_types.MultipleOf(multiple):
                yield "multiple_of", float(multiple)  # type: ignore[arg-type]


def _extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
