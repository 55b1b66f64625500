"""Forms show what the parameter models say, and give back exactly what was put in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_perrin._forms import ParameterForm, RowLabel, Section
from perrin.errors import InputError
from perrin.localization import TrackpyDetector
from perrin.parameters import Parameters, parameter
from perrin.pipeline import Recipe
from perrin.tracks import Calibration


class Round(Parameters):
    """A part with one field."""

    kind: Literal["round"] = "round"
    radius: float = parameter(2.0, "Radius.", unit="px", gt=0)


class Square(Parameters):
    """Another part."""

    kind: Literal["square"] = "square"
    edge: int = parameter(3, "Edge.", unit="px", ge=1, le=9)


class Everything(Parameters):
    """Every kind of field there is."""

    count: int = parameter(4, "How many.", label="Count", ge=1, le=10, multiple_of=2)
    share: float = parameter(0.5, "Which share.", ge=0, le=1)
    limit: float | None = parameter(None, "No limit if empty.", unit="µm", label="Limit", gt=0)
    most: int | None = parameter(None, "All if empty.", ge=1)
    way: Literal["fast", "slow"] = parameter("slow", "Which way.")
    wanted: bool = parameter(True, "Whether at all.")
    name: str = parameter("spot", "A name.", advanced=True)
    lags: tuple[int, ...] = parameter((1, 2), "Lag times.", advanced=True)
    shape: Annotated[Round | Square, Field(discriminator="kind")] = Field(
        Round(), description="Which shape."
    )


@pytest.mark.parametrize("model", [Recipe, Calibration, TrackpyDetector, Everything])
def test_a_fresh_form_gives_the_defaults(qtbot: Any, model: type[Parameters]) -> None:
    form = ParameterForm(model)
    qtbot.addWidget(form)
    assert form.parameters() == model()


def test_every_kind_of_value_comes_back_as_it_was(qtbot: Any) -> None:
    form = ParameterForm(Everything)
    qtbot.addWidget(form)
    given_values = Everything(
        count=8, share=1 / 3, limit=1e-4, most=7, way="fast", wanted=False, name="cell",
        lags=(1, 5, 9), shape=Square(edge=5),
    )  # fmt: skip
    form.set_parameters(given_values)
    assert form.parameters() == given_values
    form.set_parameters(Everything())
    assert form.parameters() == Everything()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pixel_size=st.floats(1e-6, 1e6), frame_interval=st.none() | st.floats(1e-6, 1e6))
def test_no_digit_is_lost(qtbot: Any, pixel_size: float, frame_interval: float | None) -> None:
    form = ParameterForm(Calibration)
    form.set_parameters(Calibration(pixel_size=pixel_size, frame_interval=frame_interval))
    assert form.parameters().pixel_size == pixel_size
    assert form.parameters().frame_interval == frame_interval
    form.deleteLater()


def test_labels_tooltips_and_ranges_come_from_the_model(qtbot: Any) -> None:
    form = ParameterForm(Everything)
    qtbot.addWidget(form)
    labels = [label.text() for label in form.findChildren(RowLabel)]
    assert "Count" in labels
    assert "Limit (µm)" in labels
    assert form.fields["limit"].native.toolTip() == "No limit if empty. Unit: µm."
    count = form.fields["count"].native
    assert (count.minimum(), count.maximum(), count.singleStep()) == (1, 10, 2)
    share = form.fields["share"].native
    assert (share.minimum(), share.maximum()) == (0, 1)
    assert form.fields["limit"].native.text() == "not set"


def test_advanced_fields_are_folded_until_asked_for(qtbot: Any) -> None:
    form = ParameterForm(Everything)
    qtbot.addWidget(form)
    form.show()
    name = form.fields["name"].native
    assert not name.isVisible()
    (more,) = [part for part in form.findChildren(Section) if part.button.text() == "More"]
    qtbot.mouseClick(more.button, Qt.MouseButton.LeftButton)
    assert name.isVisible()


def test_a_value_that_is_not_allowed_gives_a_sentence_with_the_field(qtbot: Any) -> None:
    form = ParameterForm(TrackpyDetector)
    qtbot.addWidget(form)
    form.fields["diameter"].value = 8
    with pytest.raises(InputError, match=r"diameter.*odd"):
        form.parameters()


@pytest.mark.parametrize("name", ["diameter", "diameter_z"])
def test_the_buttons_lead_from_one_allowed_value_to_the_next(qtbot: Any, name: str) -> None:
    form = ParameterForm(TrackpyDetector)
    qtbot.addWidget(form)
    form.show()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down):
        qtbot.keyClick(form.fields[name].native, key)
        assert getattr(form.parameters(), name) % 2 == 1


def test_typing_a_comma_for_the_decimal_point(qtbot: Any) -> None:
    form = ParameterForm(Calibration)
    qtbot.addWidget(form)
    form.show()
    box = form.fields["pixel_size"].native
    box.selectAll()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClicks(box, "0,16")
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert form.parameters().pixel_size == 0.16


def test_choosing_another_kind_shows_its_fields(qtbot: Any) -> None:
    form = ParameterForm(Everything, unfolded=("shape",))
    qtbot.addWidget(form)
    form.show()
    part = form.parts["shape"]
    assert form.parameters().shape == Round()
    with qtbot.waitSignal(form.changed):
        qtbot.keyClick(part.choice.native, Qt.Key.Key_Down)
    assert form.parameters().shape == Square()


def test_text_that_is_no_list_is_refused(qtbot: Any) -> None:
    form = ParameterForm(Everything)
    qtbot.addWidget(form)
    form.fields["lags"].native.setText("[1, 2")
    with pytest.raises(InputError, match="write lists as"):
        form.parameters()


def test_typing_a_whole_number_digit_by_digit(qtbot: Any) -> None:
    form = ParameterForm(TrackpyDetector)
    qtbot.addWidget(form)
    form.show()
    box = form.fields["diameter"].native
    box.selectAll()
    qtbot.keyClicks(box, "11")
    assert form.parameters().diameter == 11


@pytest.mark.parametrize("angle", [120, -120])
@pytest.mark.parametrize("name", ["count", "share", "limit", "way", "shape"])
def test_the_wheel_changes_nothing_and_is_left_to_the_panel(
    qtbot: Any, name: str, angle: int
) -> None:
    form = ParameterForm(Everything, unfolded=("shape",))
    qtbot.addWidget(form)
    form.show()
    field = form.parts[name].choice if name in form.parts else form.fields[name]
    middle = QPointF(field.native.rect().center())
    turn = QWheelEvent(
        middle, field.native.mapToGlobal(middle), QPoint(), QPoint(0, angle),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field.native, turn)
    assert not turn.isAccepted()
    assert form.parameters() == Everything()
