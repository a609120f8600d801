"""Pictures of one clip: its skeleton in motion, and over time what is seen of it and how fast it moves.

`skeleton` says where the points are and which lines join them, `timeline` what is seen and how fast, `html` makes a
page of it that loads nothing, `gif` an animation.
"""
