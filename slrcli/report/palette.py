"""Colours of the parts of a body, which take them in turn, on a light and on a dark ground; red, green, blue each."""

Colour = tuple[int, int, int]

LIGHT: tuple[Colour, ...] = (
    (63, 95, 143), (11, 122, 59), (179, 54, 27), (138, 90, 0), (122, 63, 160), (15, 115, 135),
)  # fmt: skip
DARK: tuple[Colour, ...] = (
    (143, 178, 232), (99, 207, 138), (255, 146, 119), (227, 179, 65), (201, 155, 240), (92, 200, 218),
)  # fmt: skip


def as_hex(colour: Colour) -> str:
    """`#rrggbb`."""
    return "#" + "".join(f"{value:02x}" for value in colour)
