"""Input widgets for single values: magicgui's, and a number box that is exact or not set."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, Union, cast, get_args, get_origin

from magicgui.backends._qtpy import widgets as backend
from magicgui.widgets import LiteralEvalLineEdit, create_widget
from magicgui.widgets.bases import RangedWidget, ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QLocale, QObject
from qtpy.QtWidgets import QDoubleSpinBox, QWidget

from perrin.errors import InputError

__all__ = ["ignore_wheel", "limits", "make_field", "without_none"]

_LARGEST = {int: 2**31 - 1, float: 1e12}


class _Box(QDoubleSpinBox):
    """Shows six digits of a number and keeps all of them.

    A pixel size of 1/2.85 µm is not 0.350877 µm; results must not depend on whether a value was
    read from a file or passed through this box.
    """

    _exact = 0.0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setLocale(QLocale.c())
        self.setDecimals(15)

    def textFromValue(self, value: float) -> str:
        return f"{value:.{6 if self.decimals() else 15}g}"

    def valueFromText(self, text: str | None) -> float:
        try:
            return float((text or "").replace(",", "."))
        except ValueError:
            return self.minimum()

    def validate(self, text: str | None, position: int) -> Any:
        # The comma is the decimal key of many keyboards.
        return super().validate((text or "").replace(",", "."), position)

    def value(self) -> float:
        shown = super().value()
        same = self.textFromValue(self._exact) == self.textFromValue(shown)
        return self._exact if same else shown

    def setValue(self, value: float) -> None:
        self._exact = value
        super().setValue(value)


class _Number(RangedWidget[Any]):
    """A number or ``None``, which is the lowest position of the box.

    magicgui's own boxes know no ``None``, and the one for whole numbers corrects the first "1" of
    "11" to the minimum while the second is being typed.
    """

    def __init__(self, info: FieldInfo, step: int) -> None:
        kind, optional = without_none(info.annotation)
        largest, said = _LARGEST[kind], limits(info)
        # A strict bound can be shown: there the model refuses, or it stands for "not set".
        low = said.get("ge", said.get("gt", -largest))
        super().__init__(
            # No public way leads to a magicgui widget around a box of one's own.
            widget_type=backend.QBaseRangedWidget,
            backend_kwargs={"qwidg": _Box},
            min=low - step if optional and "gt" not in said else low,
            max=said.get("le", said.get("lt", largest)),
            step=said.get("multiple_of", step) if kind is int else None,
            nullable=optional,
        )
        self.native.setDecimals(0 if kind is int else 15)
        self.native.setSpecialValueText("not set" if optional else "")

    def get_value(self) -> Any:
        value = super().get_value()
        if self._nullable and value == self.min:
            return None
        return value if self.native.decimals() else int(value)

    def set_value(self, value: float | None) -> None:
        super().set_value(self.min if value is None else value)


class _Values(LiteralEvalLineEdit):
    """Several values, written as in Python."""

    def get_value(self) -> Any:
        try:
            return super().get_value()
        except (SyntaxError, ValueError):
            text = self.native.text()
            raise InputError(f"'{text}' is not a value; write lists as [1, 2, 3].") from None


class _NoWheel(QObject):
    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()
        return True


def ignore_wheel(widget: QWidget) -> None:
    """Let the wheel scroll the panel: a passing pointer must not change a parameter."""
    widget.installEventFilter(_NoWheel(widget))


def without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without ``None``, and whether ``None`` was allowed."""
    parts = get_args(annotation)
    if types.NoneType not in parts:
        return annotation, False
    return Union[tuple(part for part in parts if part is not types.NoneType)], True  # noqa: UP007


def limits(info: FieldInfo) -> dict[str, Any]:
    """Return the ``ge``, ``gt``, ``le``, ``lt`` and ``multiple_of`` of a field, where stated."""
    items: list[Any] = [item for item in info.metadata if dataclasses.is_dataclass(item)]
    return {name: limit for item in items for name, limit in dataclasses.asdict(item).items()}


def make_field(info: FieldInfo, *, step: int = 1) -> ValueWidget[Any]:
    """Return the input widget for one field of a parameter model.

    Parameters
    ----------
    info
        The field.
    step
        By how much the buttons of a whole number change it.
    """
    kind, _optional = without_none(info.annotation)
    field: ValueWidget[Any]
    if kind in _LARGEST:
        field = _Number(info, step)
    elif kind in (bool, str) or get_origin(kind) is Literal:
        field = cast(ValueWidget[Any], create_widget(annotation=info.annotation))
    else:
        field = _Values()
    ignore_wheel(field.native)
    field.value = info.get_default(call_default_factory=True)
    return field
