"""Errors: what a damaged file causes, said in one sentence."""

import binascii
import csv
import json
import lzma
import struct
import tokenize
import zipfile
import zlib

import pytest
from safetensors import SafetensorError

from slrcli.errors import CheckpointError, SlrError, shortened, understood

DAMAGE = [
    KeyError("batches"), TypeError("x"), ValueError("x"), OverflowError("x"), RecursionError("x"), IndexError("x"),
    EOFError(), SyntaxError("x"), AttributeError("x"), RuntimeError("x"), UnicodeDecodeError("utf-8", b"a", 0, 1, "x"),
    lzma.LZMAError("x"), zlib.error("x"), struct.error("x"), tokenize.TokenError("x"), zipfile.BadZipFile("x"),
    binascii.Error("x"), csv.Error("x"), FileNotFoundError(2, "x"), SafetensorError("x"),
    type("OldSafetensorError", (Exception,), {"__module__": "safetensors_rust"})("x"),  # of older versions
]  # fmt: skip


@pytest.mark.parametrize("error", DAMAGE, ids=lambda error: type(error).__name__)
def test_whatever_a_damaged_file_causes_names_the_file(error):
    with (
        pytest.raises(CheckpointError) as caught,
        understood("It cannot be read", "a.json", "Mend it.", CheckpointError),
    ):
        raise error
    assert caught.value.what.startswith("It cannot be read: ") and caught.value.where == "a.json"


def test_what_is_no_damage_goes_on(tmp_path):
    for error in (SlrError("own"), KeyboardInterrupt(), MemoryError(), ImportError("x")):
        with pytest.raises(type(error)) as caught, understood("x", "y"):
            raise error
        assert caught.value is error


def test_long_texts_keep_their_beginning_and_their_end():
    error = SlrError(f"The id {'x' * 100_000} is long.", "y" * 100_000, "z" * 100_000)
    assert len(str(error)) < 7_000 and error.what.startswith("The id x") and error.what.endswith(" is long.")
    assert shortened("abc", 3) == "abc" and len(shortened("a" * 50, 20)) == 20


def test_a_missing_key_is_called_missing():
    with pytest.raises(SlrError, match="'a' is missing"), understood("It cannot be read", "a.json"):
        json.loads("{}")["a"]
