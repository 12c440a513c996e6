"""numba.njit with the settings that every kernel of this package shares.

Compiled code is kept on disk where numba finds a folder to write to, beside the source or in the
user's cache, and is compiled anew in each process where it finds none (a read-only container).
"""

# No NaN or infinity is assumed away (nnan, ninf): inputs are validated above, but a kernel that
# meets one must not loop for ever. Sums may be reordered, which is what lets them use SIMD.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def njit(function):
    """Compile a function of arrays; it holds no GIL and its compiled form is cached if possible."""
    import numba

    options = {"nogil": True, "fastmath": FASTMATH}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(**options)(function)
