"""Make docs/images/tour.gif: the window's pictures one after the other, each with a line.

The pictures are those that the ``screenshot*.py`` beside it made; ``make screenshot`` does it all.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
STEPS = {
    "preview": "1. Find: spots are shown while parameters are chosen, or suggested from the movie",
    "window": "2. Track and analyse: which kind of motion, how anomalous, how fast",
    "inspect": "3. Inspect: click a track and see what it is and why; sort, filter, curate",
    "population": "4. Look at all together: what is selected here is selected everywhere",
    "statistics": "5. Measure: averages, ergodicity, states, conditions compared",
}
WIDTH, CAPTION = 1200, 56
SECONDS = 4
BACKGROUND, TEXT = "#262930", "#f0f1f2"


def frame(name: str, caption: str) -> Image.Image:
    """Return one picture above its line."""
    with Image.open(IMAGES / f"{name}.png") as picture:
        height = round(picture.height * WIDTH / picture.width)
        shown = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (WIDTH, height + CAPTION), BACKGROUND)
    whole.paste(shown)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 24)
    middle = (WIDTH // 2, height + CAPTION // 2)
    ImageDraw.Draw(whole).text(middle, caption, TEXT, font, anchor="mm")
    return whole


def main() -> None:
    """Put the steps together."""
    frames = [frame(name, caption) for name, caption in STEPS.items()]
    height = max(each.height for each in frames)
    frames = [each.crop((0, each.height - height, WIDTH, each.height)) for each in frames]
    few = [each.quantize(128, dither=Image.Dither.NONE) for each in frames]
    few[0].save(
        IMAGES / "tour.gif", save_all=True, append_images=few[1:], duration=1000 * SECONDS, loop=0
    )


if __name__ == "__main__":
    main()
