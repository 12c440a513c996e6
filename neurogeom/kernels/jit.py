"""numba.njit with the settings that every kernel of this package shares.

Compiled code is kept on disk where numba finds a folder to write to, beside the source or in the
user's cache, and is compiled anew in each process where it finds none (a read-only container).
"""

from functools import cache
from pathlib import Path

# No NaN or infinity is assumed away (nnan, ninf): inputs are validated above, but a kernel that
# meets one must not loop for ever. Sums may be reordered, which is what lets them use SIMD.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def njit(function, *, inner=False):
    """Compile a function of arrays; it holds no GIL and its compiled form is cached if possible.

    ``inner`` for a function that only compiled code calls: it gets no entry from Python, which
    would take longer to compile than itself.
    """
    import numba

    # error_model: a division tests no divisor; no_cfunc_wrapper: nothing calls kernels from C.
    options = {
        "nogil": True,
        "fastmath": FASTMATH,
        "error_model": "numpy",
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": inner,
    }
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(**options)(function)
    index = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        # numba looks at the file of the function only: it would keep the old code of a kernel
        # after a change in another file of a kernel that it calls.
        index._source_stamp = (index._source_stamp, _newest_kernel())
    return compiled


def inner(function):
    """:func:`njit` for a function that only compiled code calls."""
    return njit(function, inner=True)


@cache
def _newest_kernel():
    """When a file of this folder last changed, and the size of all: the stamp of cached code."""
    files = [path.stat() for path in Path(__file__).parent.glob("*.py")]
    return max(file.st_mtime for file in files), sum(file.st_size for file in files)
