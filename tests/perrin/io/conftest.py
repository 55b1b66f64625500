"""Small files of microscopes, laid out byte by byte where no package writes them.

They hold what the readers look at and nothing else; files of microscopes hold much more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest

_MAGIC = 0x0ABECEDA
_NAME_BYTES = 4072  # with header and time, pixels begin 4096 bytes after their chunk


def _write_lif(path: Path, images: dict[str, tuple[np.ndarray, str, dict[str, float]]]) -> None:
    """Write Leica's LIF: XML, then a block of memory for each image.

    Parameters
    ----------
    path
        The file.
    images
        By name: pixels, letters of the axes, and the step along each of them (metres, seconds).
    """
    identifiers = {"X": 1, "Y": 2, "Z": 3, "T": 4}
    elements, blocks = [], []
    for number, (name, (view, axes, step)) in enumerate(images.items()):
        data = np.ascontiguousarray(view)
        strides = dict(zip(axes, data.strides, strict=True))
        counts = dict(zip(axes, data.shape, strict=True))
        dimensions = "".join(
            f'<DimensionDescription DimID="{identifiers[axis]}" NumberOfElements="{counts[axis]}" '
            f'Origin="0" Length="{step[axis] * (counts[axis] - 1)!r}" '
            f'Unit="{"s" if axis == "T" else "m"}" BitInc="0" BytesInc="{strides[axis]}"/>'
            for axis in reversed(axes)
            if axis != "C"
        )
        bits = data.dtype.itemsize * 8
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{bits}" NameOfMeasured'
            f'Quantity="" Min="0" Max="1" Unit="" LUTName="Gray" IsLUTInverted="0" '
            f'BytesInc="{channel * strides.get("C", 0)}" BitInc="0"/>'
            for channel in range(counts.get("C", 1))
        )
        elements.append(
            f'<Element Name={quoteattr(name)} Visibility="1" UniqueID="{number}"><Data><Image>'
            f"<ImageDescription><Channels>{channels}</Channels><Dimensions>{dimensions}"
            f"</Dimensions></ImageDescription></Image></Data><Memory Size="
            f'"{data.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        blocks.append((f"MemBlock_{number}", data.tobytes()))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project" UniqueID="p"><Children>'
        f"{''.join(elements)}</Children></Element></LMSDataContainerHeader>"
    )
    with path.open("wb") as file:
        file.write(struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)))
        file.write(xml.encode("utf-16-le"))
        for name, data in blocks:
            head = struct.pack("<BQBI", 0x2A, len(data), 0x2A, len(name))
            head += name.encode("utf-16-le")
            file.write(struct.pack("<II", 0x70, len(head)) + head + data)


def _write_nd2(
    path: Path, data: np.ndarray, *, period: float, step: float, measured: bool = True
) -> None:
    """Write Nikon's ND2, version 2.0: chunks, of which XML says what they are, and a map of them.

    Parameters
    ----------
    path
        The file.
    data
        ``(T, Y, X, C)``.
    period
        Milliseconds between frames; frames were in truth 1 % later.
    step
        Micrometres per pixel.
    measured
        Whether the file says when its frames were in truth.
    """
    n_frames, height, width, n_channels = data.shape

    def xml(name: str, **values: object) -> bytes:
        kinds = {int: "lx_uint32", float: "double", str: "CLxStringW", bool: "bool"}
        inner = "".join(
            value
            if isinstance(value, _Xml)
            else f'<{key} runtype="{kinds[type(value)]}" value="{str(value).lower()}"/>'
            for key, value in values.items()
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><variant version="1.0"><no_name '
            f'runtype="CLxListVariant"><{name} runtype="CLxListVariant">{inner}</{name}>'
            "</no_name></variant>"
        ).encode()

    attributes = xml(
        "SLxImageAttributes", uiWidth=width, uiWidthBytes=width * n_channels * data.itemsize,
        uiHeight=height, uiComp=n_channels, uiBpcInMemory=8 * data.itemsize,
        uiBpcSignificant=8 * data.itemsize, uiSequenceCount=n_frames, uiTileWidth=width,
        uiTileHeight=height, eCompression=2, dCompressionParam=1.0, ePixelType=1,
    )  # fmt: skip
    differences = (
        f'<dAvgPeriodDiff runtype="double" value="{1.01 * period}"/>'
        f'<dMaxPeriodDiff runtype="double" value="{1.02 * period}"/>'
        f'<dMinPeriodDiff runtype="double" value="{period}"/>'
    )
    experiment = xml(
        "SLxExperiment", eType=1, wsApplicationDesc="",
        uLoopPars=_Xml(
            '<uLoopPars runtype="CLxListVariant">'
            f'<uiCount runtype="lx_uint32" value="{n_frames}"/><dStart runtype="double" value="0"/>'
            f'<dPeriod runtype="double" value="{period}"/>'
            f'<dDuration runtype="double" value="{n_frames * period}"/>'
            f"{differences if measured else ''}</uLoopPars>"
        ),
        pItemValid=_Xml(""), uiRepeatCount=0,
    )  # fmt: skip
    sequence = xml(
        "SLxPictureMetadata", dCalibration=step, bCalibrated=True, dAspect=1.0, dTimeMSec=0.0,
        dZStep=1.0,
        sPicturePlanes=_Xml(
            '<sPicturePlanes runtype="CLxListVariant">'
            f'<uiCount runtype="lx_uint32" value="{n_channels}"/>'
            f'<uiCompCount runtype="lx_uint32" value="{n_channels}"/>'
            '<sPlaneNew runtype="CLxListVariant">'
            + "".join(
                f'<a{channel} runtype="CLxListVariant">'
                f'<uiSampleIndex runtype="lx_uint32" value="{channel}"/>'
                f'<uiCompCount runtype="lx_uint32" value="1"/>'
                '<pFluorescentProbe runtype="CLxListVariant">'
                '<m_uiColor runtype="lx_uint32" value="1"/></pFluorescentProbe>'
                f'</a{channel}>'
                for channel in range(n_channels)
            )
            + "</sPlaneNew></sPicturePlanes>"
        ),
    )  # fmt: skip
    chunks = {
        "ImageAttributes!": attributes,
        "ImageMetadata!": experiment,
        "ImageMetadataSeq|0!": sequence,
    }
    for number, frame in enumerate(data):
        time = struct.pack("<d", number * period)
        chunks[f"ImageDataSeq|{number}!"] = time + np.ascontiguousarray(frame).tobytes()
    with path.open("wb") as file:
        name = b"ND2 FILE SIGNATURE CHUNK NAME01!"
        file.write(struct.pack("<IIQ32s64s", _MAGIC, 32, 64, name, b"Ver2.0"))
        places = b""
        for key, content in chunks.items():
            where = file.tell()
            head = struct.pack("<IIQ", _MAGIC, _NAME_BYTES, len(content))
            file.write(head + key.encode().ljust(_NAME_BYTES, b"\0") + content)
            places += key.encode() + struct.pack("<QQ", where, len(content))
        end = b"ND2 CHUNK MAP SIGNATURE 0000001!"
        where = file.tell()
        places += end + struct.pack("<Q", where)
        name = b"ND2 FILEMAP SIGNATURE NAME 0001!"
        file.write(struct.pack("<IIQ", _MAGIC, len(name), len(places)) + name + places)


@pytest.fixture(scope="session")
def write_lif() -> Callable[..., None]:
    """A function that writes a LIF file."""
    return _write_lif


@pytest.fixture(scope="session")
def write_nd2() -> Callable[..., None]:
    """A function that writes an ND2 file."""
    return _write_nd2


class _Xml(str):
    """Text that is XML already."""
