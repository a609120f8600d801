"""A sheet as PNG on a light ground, drawn by Pillow (the extra `pictures`)."""

from io import BytesIO

from slrcli.errors import DependencyError
from slrcli.report.palette import LIGHT, Colour
from slrcli.report.sheet.panels import Sheet

SCALE = 2  # pixels of the picture for one of the sheet
FINE = 2  # drawn so many times larger and made smaller again, which smooths the edges
INK, FAINT, GROUND = (27, 31, 36), (87, 96, 106), (255, 255, 255)


def png(drawn: Sheet) -> bytes:
    """The file.

    Raises:
        DependencyError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        fix = "pip install 'slrcli[pictures]', or write .svg, which needs nothing"
        raise DependencyError("a PNG needs the library Pillow, which is not installed", "--picture", fix) from error
    size = round(drawn.width * SCALE), round(drawn.height * SCALE)
    large = Image.new("RGB", (size[0] * FINE, size[1] * FINE), GROUND)
    _shapes(ImageDraw.Draw(large), drawn, SCALE * FINE)
    picture = large.resize(size, Image.Resampling.BOX)
    pen = ImageDraw.Draw(picture)
    fonts = {number: ImageFont.load_default(number * SCALE) for number in {text.size for text in drawn.texts}}
    for text in drawn.texts:
        x, y = (SCALE * value for value in text.place)
        colour = _colour(text.part) if text.part >= 0 else FAINT if text.faint else INK
        pen.text((x, y), text.text, colour, fonts[text.size], anchor="ms" if text.middle else "ls")
    out = BytesIO()
    picture.quantize(64, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _colour(part: int) -> Colour:
    return LIGHT[part % len(LIGHT)] if part >= 0 else INK


def _shapes(pen, drawn: Sheet, unit: int) -> None:
    """Lines and dots, `unit` pixels for one of the sheet."""
    for line in drawn.lines:
        ends = [unit * value for value in (*line.start, *line.end)]
        pen.line(ends, fill=_colour(line.part), width=round(1.6 * unit))
    for dot in drawn.dots:
        colour = _colour(dot.part)
        for radius, fill in ((6.0, None), (3.0, colour if dot.full else GROUND)):
            if radius < 6 or dot.ring:
                x, y = dot.place
                box = [unit * value for value in (x - radius, y - radius, x + radius, y + radius)]
                pen.ellipse(box, fill=fill, outline=colour, width=round(1.3 * unit))
