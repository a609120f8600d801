"""What the demonstration says of itself."""

from slrcli.demo.demo import what_it_proves


def test_the_smallest_demo_says_that_it_proves_nothing_but_that_everything_runs():
    said = what_it_proves(small=True, epochs=2)
    assert (
        "proves nothing but that everything runs" in said and "2 epochs" in said and "the figure means nothing" in said
    )
    assert "proves nothing" not in what_it_proves(small=False, epochs=16)
