"""What an ONNX file holds, looked at before onnxruntime opens it: a few bytes may ask for any amount of memory.

The form is that of protocol buffers (https://protobuf.dev/programming-guides/encoding/), with the messages of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Of weights the sizes are read, never the numbers.
"""

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from slrcli.files import open_regular

MOST_DEPTH = 20  # of graphs in graphs
MOST_AXES = 64
MOST_FIELDS = 5_000_000
# What is no larger than what it is computed of. All else that needs no clip was computed when the file was made.
NEVER_GROWS = frozenset((
    "Cast", "Constant", "DequantizeLinear", "Flatten", "Identity", "Neg", "QuantizeLinear", "Reshape", "Shape", "Size",
    "Slice", "Sqrt", "Squeeze", "Transpose", "Unsqueeze",
))  # fmt: skip
NO_ONNX = "it is no ONNX file, damaged, or cut short"
EXTERNAL = 1  # `TensorProto.DataLocation`


def check_form(path: Path) -> None:
    """Look through a file for what onnxruntime would spend memory on without measure.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged; a tensor announces more numbers than it has, or has them in another file; the graph
            has functions, or lets something grow that does not depend on the clip.
    """
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _Form(data).model(Span(0, len(data)))
        except (AttributeError, IndexError, StopIteration, TypeError) as error:  # a number where a message should be
            raise ValueError(NO_ONNX) from error


class Span(NamedTuple):
    """Bytes of the file, which are a message, a text or numbers."""

    start: int
    end: int


class _Form:
    """The messages of a file. Each method takes what one of them spans."""

    def __init__(self, data: mmap.mmap):
        self.data, self.fields = data, 0

    def model(self, span: Span) -> None:
        parts = list(self.read(span))
        if any(number == 25 for number, _ in parts):
            raise ValueError("it has functions, which may call each other without end")
        for number, value in parts:
            if number == 7:
                self.graph(value, set(), 0)

    def graph(self, span: Span, known: set[str], depth: int) -> None:
        """`known` are the values of the graphs around it that depend on the clip."""
        if depth > MOST_DEPTH:
            raise ValueError("its graphs are nested too deeply")
        nodes: list[Span] = []
        constants: set[str] = set()
        inputs: set[str] = set()
        for number, value in self.read(span):
            if number == 1:
                nodes.append(value)
            elif number == 5:
                constants.add(self.tensor(value))
            elif number == 11:
                inputs.add(self.text(next(part for field, part in self.read(value) if field == 1)))
            elif number == 15:
                raise ValueError("it has sparse tensors, which may stand for any size")
        known = (known | inputs) - constants  # old files name their weights among the inputs, too
        for node in nodes:
            self.node(node, known, depth)

    def node(self, span: Span, known: set[str], depth: int) -> None:
        """Add what a node gives to what depends on the clip, if it does."""
        taken: list[str] = []
        given: list[str] = []
        graphs: list[Span] = []
        kind = ""
        for number, value in self.read(span):
            if number in (1, 2):
                (taken if number == 1 else given).append(self.text(value))
            elif number == 4:
                kind = self.text(value)
            elif number == 5:
                graphs += self.attribute(value)
        for graph in graphs:
            self.graph(graph, known, depth + 1)
        if not known.isdisjoint(taken):
            known.update(filter(None, given))  # a result that nobody wants has no name
        elif kind not in NEVER_GROWS:
            raise ValueError(f"the result of its node {given[0] if given else ''} ({kind}) does not depend on the clip")

    def attribute(self, span: Span) -> list[Span]:
        """The graphs in an attribute; tensors in it are checked."""
        graphs: list[Span] = []
        for number, value in self.read(span):
            if number in (5, 10):
                self.tensor(value)
            elif number in (6, 11):
                graphs.append(value)
            elif number in (22, 23):
                raise ValueError("it has sparse tensors, which may stand for any size")
        return graphs

    def tensor(self, span: Span) -> str:
        """The name of a tensor, all of whose numbers are there: the smallest type has two in a byte."""
        name, most = "", 2 * (span.end - span.start)
        dims: list[int] = []
        for number, value in self.read(span):
            if number == 1:
                dims += [value] if isinstance(value, int) else self.numbers(value)
            elif number == 8:
                name = self.text(value)
            elif number == 13 or (number == 14 and value == EXTERNAL):
                raise ValueError("it has weights in another file")
        if len(dims) > MOST_AXES:
            raise ValueError(f"the tensor {name} has {len(dims):,} axes")
        if math.prod(dims) > most:  # what is negative is enormous here
            raise ValueError(f"the tensor {name} announces {math.prod(dims):,} numbers and has {most // 2:,} bytes")
        return name

    # What messages are made of.

    def read(self, span: Span) -> Iterator[tuple[int, Any]]:
        """The fields of a message by their numbers: whole numbers, or what they span."""
        at = span.start
        while at < span.end:
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise ValueError(f"it has more than {MOST_FIELDS:,} parts")
            key, at = self.varint(at)
            kind, start = key & 7, at
            if kind == 0:
                value, at = self.varint(at)
                yield key >> 3, value
                continue
            if kind == 2:
                size, start = self.varint(at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(NO_ONNX)
            at = start + size
            if at > span.end:
                raise ValueError(NO_ONNX)
            yield key >> 3, Span(start, at)

    def varint(self, at: int) -> tuple[int, int]:
        """A number of up to 64 bits, and where it ends."""
        value = 0
        for place in range(10):
            byte = self.data[at + place]
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value, at + place + 1
        raise ValueError(NO_ONNX)

    def numbers(self, span: Span) -> list[int]:
        """Numbers packed one after the other."""
        found, at = [], span.start
        while at < span.end:
            value, at = self.varint(at)
            found.append(value)
        return found

    def text(self, span: Span) -> str:
        return self.data[span.start : span.end].decode("utf-8", "replace")
