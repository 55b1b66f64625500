"""A form made from a parameter model: every label, range and tooltip comes from the model."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from magicgui.widgets import ComboBox
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._fields import ignore_wheel, limits, make_field, without_none
from perrin.errors import InputError
from perrin.parameters import Parameters

__all__ = ["ParameterForm", "RowLabel", "Section", "fill_with_page", "form_layout", "unit_of"]

P = TypeVar("P", bound=Parameters)

_LABEL_CHARACTERS = 25


def form_layout(parent: QWidget | None = None) -> QFormLayout:
    """Return an empty form layout in the one style of Perrin's panels."""
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    layout.setHorizontalSpacing(10)
    layout.setVerticalSpacing(4)
    return layout


class RowLabel(QLabel):
    """A label as wide as those of all other rows, so that inputs line up."""

    def sizeHint(self) -> QSize:
        """Return the common width, or more where the text needs it."""
        hint = super().sizeHint()
        # Asked for after the theme has set the font, unlike a minimum width set once.
        common = self.fontMetrics().averageCharWidth() * _LABEL_CHARACTERS
        return QSize(max(hint.width(), common), hint.height())

    def minimumSizeHint(self) -> QSize:
        """Return the same as :meth:`sizeHint`."""
        return self.sizeHint()


class Section(QWidget):
    """A heading that folds what is below it.

    Parameters
    ----------
    title
        Text of the heading.
    content
        What is folded.
    is_open
        Whether the content is seen at first.
    """

    def __init__(self, title: str, content: QWidget, *, is_open: bool = False) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # Folding is no decoration here: the theme's flat tool button has no frame of its own.
        self.button.setStyleSheet("QToolButton { border: none; background: none; padding: 2px; }")
        self.content = content
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self.button.toggled.connect(self._fold)
        self.button.setChecked(is_open)
        self._fold(is_open)

    def _fold(self, is_open: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.content.setVisible(is_open)


class ParameterForm(QWidget, Generic[P]):
    """Edit a parameter model.

    Parameters
    ----------
    model
        The model; nested models and unions of models become sections of their own.
    skip
        Names of fields not to show; they keep their default.
    unfolded
        Names of nested models whose section is open at first.

    Notes
    -----
    Fields marked ``advanced`` are folded away. A field with a single possible value (the ``kind``
    of a detector) is not shown.
    """

    changed = Signal()

    def __init__(
        self, model: type[P], *, skip: tuple[str, ...] = (), unfolded: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._model, self._unfolded = model, unfolded
        self.fields: dict[str, ValueWidget[Any]] = {}
        self.parts: dict[str, ParameterForm[Any] | _UnionForm] = {}
        self._layout = form_layout(self)
        advanced = QWidget()
        advanced_layout = form_layout(advanced)
        for name, info in model.model_fields.items():
            if name in skip or _is_constant(info):
                continue
            folded = bool(_extra(info).get("advanced"))
            self._add(name, info, advanced_layout if folded else self._layout)
        self._n_advanced = advanced_layout.rowCount()
        if self._n_advanced:
            self._layout.addRow(Section("More", advanced))
        else:
            advanced.deleteLater()

    def parameters(self) -> P:
        """Return the validated model.

        Raises
        ------
        InputError
            With a sentence that names the field and what is wrong with it.
        """
        values = {name: field.value for name, field in self.fields.items()}
        values |= {name: part.parameters() for name, part in self.parts.items()}
        return self._model.checked(**values)

    def set_parameters(self, parameters: P) -> None:
        """Show the values of a model."""
        for name, field in self.fields.items():
            field.value = getattr(parameters, name)
        for name, part in self.parts.items():
            part.set_parameters(getattr(parameters, name))

    def add_note(self, note: QLabel) -> None:
        """Show a line of text below the fields that are not folded away."""
        self._layout.insertRow(len(self.fields) - self._n_advanced, note)

    def _add(self, name: str, info: FieldInfo, layout: QFormLayout) -> None:
        title = info.title or name.replace("_", " ").capitalize()
        models = _models_in(info.annotation)
        if models:
            part = ParameterForm(models[0]) if len(models) == 1 else _UnionForm(models)
            part.changed.connect(self.changed)
            if isinstance(default := info.get_default(call_default_factory=True), Parameters):
                part.set_parameters(default)
            self.parts[name] = part
            section = Section(title, part, is_open=name in self._unfolded)
            section.button.setToolTip(_tooltip(info))
            layout.addRow(section)
            return
        field = make_field(info, step=_step(self._model, name, info))
        field.changed.connect(lambda: self.changed.emit())
        self.fields[name] = field
        unit = unit_of(info)
        label = RowLabel(f"{title} ({unit})" if unit else title)
        for widget in (label, field.native):
            widget.setToolTip(_tooltip(info))
        field.native.setAccessibleName(title)
        layout.addRow(label, field.native)


class _UnionForm(QWidget):
    """One of several models of a kind: a choice, and the form of the model chosen."""

    changed = Signal()

    def __init__(self, models: tuple[type[Parameters], ...]) -> None:
        super().__init__()
        self._models = models
        self._forms = [ParameterForm(model) for model in models]
        kinds = [(_kind_of(model), index) for index, model in enumerate(models)]
        self.choice = ComboBox(choices=kinds)
        ignore_wheel(self.choice.native)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.choice.native)
        for form in self._forms:
            layout.addWidget(form)
            form.changed.connect(self.changed)
        self.choice.changed.connect(self._show)
        self._show(0)

    @property
    def form(self) -> ParameterForm[Any]:
        """The form of the model chosen."""
        index: int = self.choice.value
        return self._forms[index]

    def parameters(self) -> Parameters:
        parameters: Parameters = self.form.parameters()
        return parameters

    def set_parameters(self, parameters: Parameters) -> None:
        index = self._models.index(type(parameters))
        self.choice.value = index
        self._forms[index].set_parameters(parameters)

    def _show(self, index: int) -> None:
        for number, form in enumerate(self._forms):
            form.setVisible(number == index)
        self.changed.emit()


def _step(model: type[Parameters], name: str, info: FieldInfo) -> int:
    """Return 2 for whole numbers that must be odd (or even), so that no click leads to an error."""
    if without_none(info.annotation)[0] is not int:
        return 1
    start = limits(info).get("ge") if info.default is None else info.default
    if not isinstance(start, int):
        return 1
    for step in (1, 2):
        try:
            model.checked(**{name: start + step})
        except InputError:
            continue
        return step
    return 1


def _models_in(annotation: Any) -> tuple[type[Parameters], ...]:
    plain, optional = without_none(annotation)
    parts = get_args(plain) if not isinstance(plain, type) else (plain,)
    # Annotated[Union[...], discriminator]
    if parts and get_origin(parts[0]) is not None and get_args(parts[0]):
        parts = get_args(parts[0])
    models = tuple(p for p in parts if isinstance(p, type) and issubclass(p, Parameters))
    return () if optional or len(models) < len(parts) else models


def _is_constant(info: FieldInfo) -> bool:
    return get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1


def _kind_of(model: type[Parameters]) -> str:
    info = model.model_fields.get("kind")
    return model.__name__ if info is None else str(info.default)


def _extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def unit_of(info: FieldInfo) -> str:
    """Return the unit of a field, or an empty string."""
    return str(_extra(info).get("unit", ""))


def _tooltip(info: FieldInfo) -> str:
    unit = unit_of(info)
    text = info.description or ""
    return f"{text} Unit: {unit}." if unit else text


def fill_with_page(widget: QWidget, page: QWidget, scroll: QScrollArea) -> None:
    """Let a page fill a widget, scrolled from top to bottom where there is too little room."""
    scroll.setWidget(page)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    outer = QVBoxLayout(widget)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(scroll)
