"""A few clips to be memorised: every sound model can."""
