"""A few clips, to be learnt by heart: what can learn must."""
