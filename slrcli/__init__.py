"""slrcli: continuous sign-language recognisers from landmarks, as a library. `slr` is its command line."""

__version__ = "0.1.0"
