"""A drawing of a layout: a panel a group with its points at rest, what joins them, their numbers and names.

`rest` knows where points of a body lie, `spread` finds places for others by what joins them, `panels` makes shapes of
them, `svg` and `png` write these.
"""
