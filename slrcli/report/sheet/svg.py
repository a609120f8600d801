"""A sheet as SVG: letters stay letters, and the colours follow the reader's choice of light or dark."""

from slrcli.report.page.markup import Markup, tag
from slrcli.report.palette import DARK, LIGHT, as_hex
from slrcli.report.sheet.panels import Dot, Line, Sheet, Text

INK = {"light": ("#1b1f24", "#57606a", "#ffffff"), "dark": ("#e6edf3", "#9aa5b1", "#0f1318")}  # text, faint, ground


def svg(drawn: Sheet) -> bytes:
    """The file. Every text is escaped; it loads nothing."""
    shapes = [*map(_line, drawn.lines), *map(_dot, drawn.dots), *map(_text, drawn.texts)]
    root = tag(
        "svg",
        tag("title", drawn.title),
        tag("style", Markup(_style())),
        tag("rect", width="100%", height="100%", class_="ground"),
        *shapes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {drawn.width:.0f} {drawn.height:.0f}",
        width=f"{drawn.width:.0f}",
        height=f"{drawn.height:.0f}",
        role="img",
    )
    return (root + "\n").encode("utf-8")


def _style() -> str:
    def rules(scheme: str, colours: tuple) -> str:
        ink, faint, ground = INK[scheme]
        parts = "".join(f"--c{number}:{as_hex(colour)};" for number, colour in enumerate(colours))
        return f":root{{--ink:{ink};--faint:{faint};--ground:{ground};{parts}}}"

    parts = "".join(f".c{number}{{--c:var(--c{number})}}" for number in range(len(LIGHT)))
    return (
        f"{rules('light', LIGHT)}@media (prefers-color-scheme:dark){{{rules('dark', DARK)}}}{parts}"
        "svg{--c:var(--ink)}.ground{fill:var(--ground)}line{stroke:var(--c);stroke-width:1.6;stroke-linecap:round}"
        "circle{fill:var(--ground);stroke:var(--c);stroke-width:1.3}.full{fill:var(--c)}.ring{fill:none}"
        "text{font-family:system-ui,'DejaVu Sans',sans-serif;fill:var(--c)}.faint{fill:var(--faint)}"
    )


def _part(part: int) -> str:
    return f"c{part % len(LIGHT)}" if part >= 0 else ""


def _line(line: Line) -> Markup:
    (x1, y1), (x2, y2) = line.start, line.end
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=_part(line.part))


def _dot(dot: Dot) -> Markup:
    x, y = map(float, dot.place)
    point = tag("circle", cx=x, cy=y, r="3", class_=f"{_part(dot.part)}{' full' if dot.full else ''}".strip() or None)
    if not dot.ring:
        return point
    return Markup(tag("circle", cx=x, cy=y, r="6", class_=f"{_part(dot.part)} ring".strip()) + point)


def _text(text: Text) -> Markup:
    x, y = map(float, text.place)
    classes = f"{_part(text.part)}{' faint' if text.faint else ''}".strip() or None
    return tag(
        "text", text.text, x=x, y=y, font_size=str(text.size), class_=classes,
        text_anchor="middle" if text.middle else None, font_weight="600" if text.part >= 0 else None,
    )  # fmt: skip
