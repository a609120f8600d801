"""What `slr layout --picture` does: draw a layout."""

from pathlib import Path

from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout
from slrcli.files import atomic_write_bytes
from slrcli.report.sheet.panels import sheet
from slrcli.report.sheet.png import png
from slrcli.report.sheet.svg import svg

PICTURES = {".svg": svg, ".png": png}


def picture(layout: Layout, out: Path) -> int:
    """Draw the points of a layout, what joins them, their numbers and names; the size of the file in bytes.

    Raises:
        UsageError: the file is neither .svg nor .png.
        DataError: no point of the layout has a place in space.
        DependencyError: a PNG needs Pillow.
    """
    write = PICTURES.get(out.suffix.lower())
    if write is None:
        raise UsageError(
            f"{out.name} is no picture that can be drawn", "--picture", f"end it in {' or '.join(PICTURES)}"
        )
    drawn = sheet(layout)
    if drawn is None:
        raise DataError(f"nothing of the layout {layout.name} can be drawn: none of its points has a place in space")
    data = write(drawn)
    atomic_write_bytes(out, data)
    return len(data)
