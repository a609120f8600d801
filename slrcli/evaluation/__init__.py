"""Recognisers and what they are worth: scored, tuned, calibrated, compared with what was exported of them."""
