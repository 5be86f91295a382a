"""Memory that is freed and wanted again at once: blocks of experience come and go a thousand times a second.

The C library gives freed memory back to the system early, and the system clears every page before it
hands it out anew. For blocks of a megabyte that costs as much as moving them.
"""

from __future__ import annotations

import ctypes

# mallopt(3) of glibc, malloc.h: parameters, and what they are set to.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
# The largest that glibc takes: larger blocks are mapped and unmapped one by one.
_MAPPED_FROM = 32 << 20
# An arena's heap is as large; with such a pad none of them is given back.
_HEAP = 64 << 20
_TRIMMED_FROM = 256 << 20


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, up to what it once needed, for whatever it allocates next.

    Returns:
        Whether the C library can do that; others than glibc go on as they were.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = {_MMAP_THRESHOLD: _MAPPED_FROM, _TOP_PAD: _HEAP, _TRIM_THRESHOLD: _TRIMMED_FROM}
    taken = [mallopt(parameter, value) for parameter, value in settings.items()]
    return all(taken)
