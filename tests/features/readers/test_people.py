"""Where people are: the quantiles of many frames at once are those that NumPy computes of each."""

import numpy as np
import pytest

from slrcli.features.readers.people import FEW, INNER, places_of


def place_of(person, body):
    """Middle and size of one person, by NumPy's own quantiles of the points that count."""
    known = [point for point in person[body, :2] if np.isfinite(point).all()]
    if len(known) < FEW:
        known = [point for point in person[:, :2] if np.isfinite(point).all()]
    if not known:
        return np.zeros(2), 0.0
    low, high = np.quantile(known, INNER, axis=0)
    return np.median(known, axis=0), np.linalg.norm(high - low) / (INNER[1] - INNER[0]) or 1e-6


@pytest.mark.parametrize("body", [slice(None), slice(2, 9)])
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_middles_and_sizes_are_quantiles_of_what_is_seen(body, missing):
    rng = np.random.default_rng(4)
    persons = rng.normal(200, 50, (40, 12, 3)).astype(np.float32)
    persons[rng.random((40, 12)) < missing] = np.nan
    persons[3], persons[7] = np.nan, persons[7, 0]  # nobody, and all points in one place
    middles, sizes = places_of(persons, body)
    for person, middle, size in zip(persons, middles, sizes, strict=True):
        wanted = place_of(person.astype(np.float64), body)
        np.testing.assert_allclose(middle, wanted[0], rtol=1e-12)
        assert size == pytest.approx(wanted[1], rel=1e-9)
    assert sizes[3] == 0 < sizes[7] or np.isnan(persons[7]).all()
