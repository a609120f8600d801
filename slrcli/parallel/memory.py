"""How this process deals with memory: what is kept for the next step, and how often circles are looked for."""

import gc
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST_OF_HEAP = 1 << 30  # bytes; what is larger comes from the kernel one by one, as before
NEVER_TRIMMED = (1 << 31) - 1
MANY_OBJECTS = 50_000
KERNELS = "64"  # compiled for one shape each; every length of a batch is another shape, and few come again


def expect_many_objects() -> None:
    """Let the collector wait for more objects than usual: importing torch makes half a million that all stay."""
    gc.set_threshold(MANY_OBJECTS)


def keep_freed_memory() -> bool:
    """Let this process reuse large blocks of memory instead of asking the kernel for fresh, empty pages each time.

    A step of training allocates the same hundreds of megabytes again and again; the C library hands each block of some
    megabytes back when it is freed, and the kernel clears it when it is asked for again. That took about an eighth of a
    step. Large pages, where the kernel has them to give, are asked of torch as well, and oneDNN keeps fewer of the
    kernels that it compiles for every new shape (1,024 of them are 200 MB); both have to be asked before torch computes
    anything.

    Returns:
        Whether the C library listens to it; others than glibc do not.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)
    if not sys.platform.startswith("linux"):
        return False
    import ctypes  # which light commands need not load

    try:
        adjust = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(adjust(M_MMAP_THRESHOLD, LARGEST_OF_HEAP) and adjust(M_TRIM_THRESHOLD, NEVER_TRIMMED))
