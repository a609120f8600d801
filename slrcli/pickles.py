"""Reads pickles as data: nothing is imported, nothing is called, and no object but plain values is made.

A pickle is a program for a small machine. This machine knows how to make dict, list, tuple, text, bytes and numbers,
and the few calls by which arrays of numpy and tensors of torch are put together; `Array` stands for these, which is
checked and laid over the bytes of the file without a copy. Any other name is refused before anything is done with it.

The instructions are those of https://github.com/python/cpython/blob/main/Lib/pickletools.py. A tensor is pickled as a
call with a file of `torch.save` in it, in the form that torch had before it wrote archives; it is read by the same
machine (https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, `_legacy_load`).
"""

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_STEPS = 12_000_000  # instructions; each makes at most one object
MOST_MADE = 256 << 20  # bytes of what one byte of a pickle makes: containers, marks, places in the memo
MOST_COPIED = 64 << 20  # bytes that are copied, beyond twice those of the pickle
MOST_LINE = 1 << 30  # bytes of a text that ends with its line
KEYS = (str, int, bytes, float, bool)  # a tuple in tuples takes for ever to hash

Buffer = bytes | bytearray | memoryview


class Refused(ValueError):
    """The pickle asks for something that data do not need."""


class Damaged(ValueError):
    """The bytes are no pickle, or one that was cut short."""


@dataclass(frozen=True)
class Name:
    """One of the names that are admitted; it stands for itself and calls nothing."""

    module: str
    name: str


@dataclass(eq=False)
class Kind:
    """The type of the numbers of an array, as numpy pickles it."""

    code: str
    order: str = "="

    @property
    def dtype(self) -> np.dtype:
        """The type; a ValueError if it is none of numbers or texts."""
        if not _NUMBERS.fullmatch(self.code) and not _TEXTS.fullmatch(self.code):
            raise Refused(f"The pickle holds an array of {self.code!r}, not of numbers")
        return np.dtype(self.code).newbyteorder("=" if self.order == "|" else self.order)  # type: ignore[arg-type]


@dataclass(eq=False)
class Array:
    """An array or a tensor, still in the bytes that hold it.

    Attributes:
        shape: its axes.
        kind: the type of its numbers.
        data: the bytes; None for an array of objects.
        fortran: whether the first axis is the fastest.
        items: the elements of an array of objects, one after the other.
        strides: of a tensor, in numbers.
        offset: of a tensor's first number.
        half: whether the numbers are the upper halves of float32 (bfloat16).
    """

    shape: tuple[int, ...] = ()
    kind: Kind = field(default_factory=lambda: Kind("f4"))
    data: Buffer | None = None
    fortran: bool = False
    items: list[Any] | None = None
    strides: tuple[int, ...] | None = None
    offset: int = 0
    half: bool = False

    @property
    def is_numbers(self) -> bool:
        """Whether it holds numbers."""
        return self.data is not None and _NUMBERS.fullmatch(self.kind.code) is not None

    def numpy(self) -> np.ndarray:
        """The numbers, as a read-only array over the bytes wherever their type allows it.

        Raises:
            ValueError: it holds no numbers.
        """
        if self.data is None:
            raise Refused("The pickle holds an array of objects, not of numbers")
        flat = np.frombuffer(self.data, self.kind.dtype)
        if self.strides is not None:
            steps = [step * flat.itemsize for step in self.strides]
            found = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps, writeable=False)
        else:
            found = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return np.left_shift(found, 16, dtype=np.uint32).view(np.float32) if self.half else found

    def check(self) -> "Array":
        """Itself, if it has as many bytes as its shape and type say; ValueError otherwise."""
        if not isinstance(self.shape, tuple) or not all(_is_count(length) for length in self.shape):
            raise Damaged("an array has no shape")
        numbers = math.prod(self.shape)
        if self.items is not None:
            there, wanted = len(self.items), numbers
        elif self.data is None:
            raise Damaged("an array has no values")
        elif self.strides is None:
            there, wanted = len(self.data), numbers * self.kind.dtype.itemsize
        else:
            there, wanted = len(self.data) // self.kind.dtype.itemsize, self._reach(numbers)
        if there != wanted if self.strides is None else there < wanted:
            raise Damaged(f"an array of the shape {self.shape} needs {wanted:,} values and has {there:,}")
        return self

    def _reach(self, numbers: int) -> int:
        """How many numbers a tensor needs to lie there: those up to its last one, and no number twice."""
        strides = self.strides or ()
        sound = len(strides) == len(self.shape) and all(map(_is_count, strides)) and _is_count(self.offset)
        if not sound or len(self.shape) > 32:
            raise Damaged("a tensor has no strides")
        last = sum((length - 1) * step for length, step in zip(self.shape, strides, strict=True)) if numbers else -1
        return max(self.offset + last + 1, numbers)


@dataclass(frozen=True)
class Storage:
    """The numbers of a tensor, one after the other."""

    kind: str
    data: Buffer


def load(data: Any, needed_by: str = "a file of arrays") -> Any:
    """What a pickle holds: plain values, and `Array` for arrays and tensors.

    Args:
        data: its bytes, or a file mapped into memory; arrays lie over them.
        needed_by: what the pickle is taken for, for messages.

    Raises:
        Refused: it asks for anything else.
        Damaged: it is no pickle, cut short, or goes on without end.
    """
    found = _Machine(memoryview(data), needed_by, _CALLS).run()
    _check_sharing(found)
    return found


_NUMBERS = re.compile(r"[<>=|]?[fiub][1248]?")
_TEXTS = re.compile(r"[<>=|]?[US]\d{1,4}")
_STORAGES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "u2", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "b1",
}  # fmt: skip
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # with which files of `torch.save` begin


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _parts(value: Any) -> Iterable[Any]:
    """What a container holds; nothing for any other value."""
    if type(value) is dict:
        return value.values()
    if type(value) is Array:
        return value.items or ()
    return value if type(value) in (list, tuple) else ()


def _check_sharing(root: Any) -> None:
    """Damaged for a value that lies in itself, or whose parts share parts until they count more than anyone needs.

    A list that holds ten times a list that holds ten times a list costs nothing until it is written out or copied.
    """
    sizes: dict[int, int] = {}
    within: set[int] = set()
    left = [(root, False)]
    while left:
        value, counted = left.pop()
        key = id(value)
        if counted:
            within.discard(key)
            sizes[key] = 1 + sum(sizes.get(id(part), 1) for part in _parts(value))
            if sizes[key] > MOST_STEPS:
                raise Damaged("its parts are shared without end")
        elif key in within:
            raise Damaged("a value lies in itself")
        elif key not in sizes and _parts(value):
            within.add(key)
            left.append((value, True))
            left += [(part, False) for part in _parts(value) if _parts(part)]


class _Machine:
    """The machine, at some place in some bytes.

    Args:
        data: the bytes.
        needed_by: for messages.
        names: what may be asked for, with what each does; None for names that only stand for themselves.
        steps: instructions that were carried out before, by the machine that this one was called from.
    """

    def __init__(self, data: memoryview, needed_by: str, names: Mapping[Name, Any], steps: int = 0):
        self.data, self.needed_by, self.names, self.steps = data, needed_by, names, steps
        self.at = self.copied = self.made = 0

    def run(self) -> Any:
        """The value of the pickle that begins here; the next one begins behind it."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        try:
            while (code := self.take(1)[0]) != 0x2E:
                self.steps += 1
                if self.steps > MOST_STEPS:
                    raise Damaged(f"it holds more than {MOST_STEPS:,} values; save arrays, not lists of numbers")
                if code in _MADE:
                    self.made += _MADE[code]
                    if self.made > MOST_MADE:
                        raise Damaged("it holds more lists than anyone needs; save arrays, not lists of numbers")
                step = _STEPS.get(code)
                if step is None:
                    raise Refused(f"The pickle has the instruction {code:#04x}, which {self.needed_by} does not need")
                step(self)
            return self.stack.pop()
        except Refused:
            raise
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
            raise Damaged(str(error) or type(error).__name__) from error

    # What the instructions share.

    def take(self, count: int) -> memoryview:
        """The next bytes, which are there."""
        if count < 0 or self.at + count > len(self.data):
            raise Damaged(f"{count:,} bytes are announced, {len(self.data) - self.at:,} are there")
        self.at += count
        return self.data[self.at - count : self.at]

    def copy(self, size: int) -> None:
        """Account for a copy of so many bytes: what lies there once may be copied again and again."""
        self.copied += size
        if self.copied > 2 * len(self.data) + MOST_COPIED:
            raise Damaged("its parts are copied without end")

    def number(self, form: str) -> Any:
        """The next number, as `struct` calls it."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def line(self) -> bytes:
        """The bytes up to the end of the line, without it."""
        width = 256
        while True:
            found = bytes(self.data[self.at : self.at + width])
            end = found.find(b"\n")
            if end >= 0:
                self.at += end + 1
                return found[:end]
            if len(found) < width or width > MOST_LINE:
                raise Damaged("a line does not end")
            width *= 4

    def above(self) -> list[Any]:
        """What lies above the last mark, taken away with it."""
        place = self.marks.pop()
        if place > len(self.stack):
            raise Damaged("a mark lies above the stack")
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        """The topmost value, not one below the last mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise Damaged("a value below a mark is asked for")
        return self.stack.pop()

    def fill(self, pairs: Sequence[Any]) -> None:
        """Put keys and values, one after the other, into the dictionary on top."""
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise Damaged("a value is put into what is no dictionary")
        for key in pairs[::2]:
            if type(key) not in KEYS:
                raise Refused(f"The pickle has a {type(key).__name__} as a key, which {self.needed_by} does not need")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def extend(self, values: Sequence[Any]) -> None:
        """Put values into the list on top."""
        if type(self.stack[-1]) is not list:
            raise Damaged("a value is put into what is no list")
        self.stack[-1].extend(values)

    def name(self, module: Any, name: Any) -> None:
        """Push a name, if it is admitted."""
        plain = Name(str(module).replace("numpy._core", "numpy.core"), str(name))  # numpy 2 renamed it
        if type(module) is not str or type(name) is not str or plain not in self.names:
            raise Refused(f"The pickle asks for {module}.{name}, which {self.needed_by} does not need")
        self.push(plain)

    def call(self) -> None:
        """The value of a call: of one of the functions below, never of anything else."""
        arguments, function = self.pop(), self.pop()
        made = self.names.get(function) if type(function) is Name else None
        if made is None or type(arguments) is not tuple:
            raise Refused(f"The pickle calls what is no function, which {self.needed_by} does not need")
        self.push(made(self, *arguments))

    def build(self) -> None:
        """Complete what was made by a call."""
        state, target = self.pop(), self.stack[-1]
        if type(target) is Kind:
            target.order = state[1]
            if target.order not in ("<", ">", "=", "|"):
                raise Damaged("a type has no byte order")
        elif type(target) is Array and target.data is None and target.items is None:
            _, target.shape, target.kind, fortran, values = state
            if type(target.kind) is not Kind:
                raise Damaged("an array has no type")
            target.fortran = bool(fortran)
            if type(values) is list:
                target.items = values
            else:
                target.data = _bytes(self, values)
            target.check()
        else:
            raise Refused(f"The pickle completes a {type(target).__name__}, which {self.needed_by} does not need")

    def persistent(self, found: Any) -> None:
        """The storage that a file of `torch.save` names."""
        if Name("torch", "FloatStorage") not in self.names or type(found) is not tuple:
            raise Refused(f"The pickle refers to something outside, which {self.needed_by} does not need")
        self.push(found)


def _bytes(machine: _Machine, value: Any) -> Buffer:
    """Bytes, which Python 2 calls text."""
    if type(value) is str:
        machine.copy(len(value))
        return value.encode("latin1")
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Damaged("an array has no values")
    return value


# What the admitted names do.


def _encode(machine: _Machine, text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes, as protocols below 3 spell them."""
    if type(text) is not str or encoding != "latin1":
        raise Refused("The pickle encodes a text, which data do not need")
    machine.copy(len(text))
    return text.encode("latin1")


def _no_bytes(machine: _Machine) -> bytes:
    """Bytes that are none, as protocols below 3 spell them."""
    return b""


def _dict(machine: _Machine, pairs: Any = ()) -> dict[Any, Any]:
    machine.copy(100 * len(pairs))
    machine.push({})
    machine.fill([part for key, value in pairs for part in (key, value)])
    return machine.stack.pop()


def _empty(machine: _Machine, *_: Any) -> Array:
    """An array that is completed by what follows: nothing is allocated for the shape that is asked for here."""
    return Array()


def _kind(machine: _Machine, code: Any, *_: Any) -> Kind:
    if type(code) is not str or len(code) > 16:
        raise Refused("The pickle has an array of records, which data do not need")
    return Kind(code)


def _scalar(machine: _Machine, kind: Any, data: Any = None) -> Any:
    """A single number of numpy."""
    return Array((), kind, _bytes(machine, data)).check().numpy().item()


def _frombuffer(machine: _Machine, data: Any, kind: Any, shape: Any, order: Any = "C") -> Array:
    """An array of protocol 5."""
    if type(kind) is not Kind or order not in ("C", "F"):
        raise Damaged("an array has no type")
    return Array(shape, kind, _bytes(machine, data), order == "F").check()


def _tensor(machine: _Machine, storage: Any, offset: Any, size: Any, strides: Any, *_: Any) -> Array:
    if type(storage) is not Storage or type(strides) is not tuple:
        raise Damaged("a tensor has no storage")
    half = storage.kind == "BFloat16Storage"
    kind = Kind(_STORAGES[storage.kind])
    return Array(size, kind, storage.data, strides=strides, offset=offset, half=half).check()


def _storage(machine: _Machine, data: Any) -> Storage:
    """The one storage of a file of `torch.save`."""
    inner = _Machine(memoryview(_bytes(machine, data)), machine.needed_by, _TORCH, machine.steps)
    if inner.run() != _MAGIC or inner.run() != _PROTOCOL:
        raise Damaged("a tensor is not in the form of torch.save")
    about, found, keys = inner.run(), inner.run(), inner.run()
    if about.get("little_endian") is not True:
        raise Refused("The pickle holds a tensor of a machine with the other byte order")
    machine.steps = inner.steps
    mark, kind, key, _, count, *rest = found
    if mark != "storage" or type(kind) is not Name or keys != [key] or any(part is not None for part in rest):
        raise Damaged("a tensor has no storage")
    if inner.number("q") != count or not _is_count(count):
        raise Damaged("the storage of a tensor has another size than is announced")
    return Storage(kind.name, inner.take(count * np.dtype(_STORAGES[kind.name]).itemsize))


_CALLS: dict[Name, Callable[..., Any] | None] = {
    Name("_codecs", "encode"): _encode,
    Name("__builtin__", "bytes"): _no_bytes,
    Name("builtins", "bytes"): _no_bytes,
    Name("collections", "OrderedDict"): _dict,
    Name("numpy", "ndarray"): None,
    Name("numpy", "dtype"): _kind,
    Name("numpy.core.multiarray", "_reconstruct"): _empty,
    Name("numpy.core.multiarray", "scalar"): _scalar,
    Name("numpy.core.numeric", "_frombuffer"): _frombuffer,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_tensor"): _tensor,
    Name("torch.storage", "_load_from_bytes"): _storage,
}
_TORCH: dict[Name, None] = {Name("torch", name): None for name in _STORAGES}


# The instructions.


def _text(data: memoryview) -> str:
    return str(data, "utf-8", "surrogatepass")


def _old_text(data: bytes | memoryview) -> str | bytes:
    """A text of Python 2, which may as well be bytes."""
    try:
        return str(data, "ascii")
    except UnicodeDecodeError:
        return bytes(data)


def _quoted(machine: _Machine) -> str | bytes:
    line = machine.line()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise Damaged("a text has no quotes")
    return _old_text(line[1:-1].decode("unicode_escape").encode("latin1"))


def _int(line: bytes) -> Any:
    return {b"00": False, b"01": True}.get(line) if line in (b"00", b"01") else int(line.rstrip(b"L"))


def _long(machine: _Machine, form: str) -> int:
    count = machine.number(form)
    if count > 64:
        raise Damaged(f"a number has {count:,} bytes")
    return int.from_bytes(machine.take(count), "little", signed=True)


def _remember(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _tuple(count: int) -> Callable[[_Machine], None]:
    def step(machine: _Machine) -> None:
        machine.push(tuple([machine.pop() for _ in range(count)][::-1]))

    return step


def _pushing(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(value(machine))


def _sized(form: str, make: Callable[[memoryview], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(make(machine.take(machine.number(form))))


def _dup(machine: _Machine) -> None:
    machine.push(machine.stack[-1])


def _mark(machine: _Machine) -> None:
    machine.marks.append(len(machine.stack))


def _pop_or_mark(machine: _Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.stack.pop()


def _dict_above(machine: _Machine) -> None:
    pairs = machine.above()
    machine.push({})
    machine.fill(pairs)


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.fill((key, value))


def _append(machine: _Machine) -> None:
    value = machine.pop()
    machine.extend((value,))


def _frame(machine: _Machine) -> None:
    """What is announced has to be there; frames mean nothing else to bytes that are all at hand."""
    size = machine.number("Q")
    if size > len(machine.data) - machine.at:
        raise Damaged(f"a frame of {size:,} bytes is announced")


def _global(machine: _Machine) -> None:
    module, name = (machine.line().decode("utf-8") for _ in range(2))
    machine.name(module, name)


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _protocol(machine: _Machine) -> None:
    if machine.take(1)[0] > 5:
        raise Damaged("the protocol is a later one than 5")


_BY_CHARACTER: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _protocol,
    b"\x95": _frame,
    b"N": lambda machine: machine.push(None),
    b"\x88": lambda machine: machine.push(True),
    b"\x89": lambda machine: machine.push(False),
    b"I": _pushing(lambda machine: _int(machine.line())),
    b"J": _pushing(lambda machine: machine.number("i")),
    b"K": _pushing(lambda machine: machine.number("B")),
    b"M": _pushing(lambda machine: machine.number("H")),
    b"L": _pushing(lambda machine: _int(machine.line())),
    b"\x8a": _pushing(lambda machine: _long(machine, "B")),
    b"\x8b": _pushing(lambda machine: _long(machine, "i")),
    b"F": _pushing(lambda machine: float(machine.line())),
    b"G": _pushing(lambda machine: struct.unpack(">d", machine.take(8))[0]),
    b"S": _pushing(_quoted),
    b"T": _sized("i", _old_text),
    b"U": _sized("B", _old_text),
    b"B": _sized("I", memoryview.toreadonly),
    b"C": _sized("B", bytes),
    b"\x8e": _sized("Q", memoryview.toreadonly),
    b"\x96": _sized("Q", memoryview.toreadonly),
    b"V": _pushing(lambda machine: machine.line().decode("raw-unicode-escape")),
    b"X": _sized("I", _text),
    b"\x8c": _sized("B", _text),
    b"\x8d": _sized("Q", _text),
    b"]": lambda machine: machine.push([]),
    b"a": _append,
    b"e": lambda machine: machine.extend(machine.above()),
    b"l": _pushing(_Machine.above),
    b")": lambda machine: machine.push(()),
    b"t": _pushing(lambda machine: tuple(machine.above())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"}": lambda machine: machine.push({}),
    b"d": _dict_above,
    b"s": _set_item,
    b"u": lambda machine: machine.fill(machine.above()),
    b"0": _pop_or_mark,
    b"2": _dup,
    b"(": _mark,
    b"1": lambda machine: machine.above().clear(),
    b"g": _pushing(lambda machine: machine.memo[int(machine.line())]),
    b"h": _pushing(lambda machine: machine.memo[machine.number("B")]),
    b"j": _pushing(lambda machine: machine.memo[machine.number("I")]),
    b"p": lambda machine: _remember(machine, int(machine.line())),
    b"q": lambda machine: _remember(machine, machine.number("B")),
    b"r": lambda machine: _remember(machine, machine.number("I")),
    b"\x94": lambda machine: _remember(machine, len(machine.memo)),
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _Machine.call,
    b"b": _Machine.build,
    b"Q": lambda machine: machine.persistent(machine.pop()),
}
_STEPS = {character[0]: step for character, step in _BY_CHARACTER.items()}
_MADE = dict.fromkeys(b"]}(lt\x85\x86\x87d", 64) | dict.fromkeys(b"pqr\x94", 100)  # bytes
