"""Layouts: named groups of points, as data in TOML files beside this one.

`values` reads what stands in such a file, `group` is a group of points, `layout` the whole.
"""

from slrcli.features.layout.layout import (
    AXES,
    CONFIDENCES,
    Group,
    Layout,
    generic_layout,
    guess_layout,
    layouts_of_width,
    list_layouts,
    load_layout,
)

__all__ = [
    "AXES",
    "CONFIDENCES",
    "Group",
    "Layout",
    "generic_layout",
    "guess_layout",
    "layouts_of_width",
    "list_layouts",
    "load_layout",
]
