"""Cholesky factors in plain loops, on the leading part of a larger buffer.

Everything rests on tiles of 3 x 3 inner products of rows: a tile reads six rows for nine products
and its sums fit the registers of any processor with AVX. Hence sizes are multiples of 3; a system
of another size is padded with rows of the identity. Against LAPACK on one core this is twice as
fast at 60 unknowns and on a par at 400.
"""

import numpy as np

from .jit import inner, njit


@njit
def cholesky(a, scale, n):
    """Lower factor L of the leading n x n of a, in place; scale becomes 1 / diagonal.

    False where the matrix is not positive to rounding; a is then half done.
    """
    for top in range(0, n, 12):  # blocks of 12 rows keep the rows of L in the nearest cache
        bottom = min(n, top + 12)
        divide(a, a, scale, top, bottom, np.int64(0), top)
        for i in range(top, bottom):
            row = a[i]
            for j in range(top, i + 1):
                other, total = a[j], 0.0
                for k in range(j):
                    total += row[k] * other[k]
                total = row[j] - total
                if i > j:
                    row[j] = total * scale[j]
                elif total > 0.0:
                    row[i] = np.sqrt(total)
                    scale[i] = 1.0 / row[i]
                else:
                    return False
    return True


@inner
def divide(b, a, scale, top, bottom, low, n):
    """Rows top to bottom of b become b L'^-1, L the leading n x n of a.

    The rows are known to be 0 before column low.
    """
    for j in range(low, n, 3):
        a0, a1, a2 = a[j][low:], a[j + 1][low:], a[j + 2][low:]
        for i in range(top, bottom, 3):
            s00, s01, s02, s10, s11, s12, s20, s21, s22 = tile(
                b[i][low:], b[i + 1][low:], b[i + 2][low:], a0, a1, a2, j - low
            )
            for r in range(3):
                s0, s1, s2 = s00, s01, s02
                if r == 1:
                    s0, s1, s2 = s10, s11, s12
                elif r == 2:
                    s0, s1, s2 = s20, s21, s22
                row = b[i + r]
                x0 = (row[j] - s0) * scale[j]
                x1 = (row[j + 1] - s1 - x0 * a[j + 1, j]) * scale[j + 1]
                x2 = row[j + 2] - s2 - x0 * a[j + 2, j] - x1 * a[j + 2, j + 1]
                row[j], row[j + 1], row[j + 2] = x0, x1, x2 * scale[j + 2]


@inner
def add_products(out, factor, b, top, bottom, n, upper):
    """out[i, j] += factor * b[i] . b[j] for rows i from top to bottom and j <= i, over n columns.

    With ``upper`` the rows of b are known to be 0 before the diagonal. Entries with j > i, and up
    to two rows after the last, are spoilt.
    """
    for i in range(top, bottom, 3):
        low = i if upper else 0
        b0, b1, b2 = b[i][low:], b[i + 1][low:], b[i + 2][low:]
        for j in range(0, i + 3, 3):
            s00, s01, s02, s10, s11, s12, s20, s21, s22 = tile(
                b0, b1, b2, b[j][low:], b[j + 1][low:], b[j + 2][low:], n - low
            )
            for r in range(3):
                s0, s1, s2 = s00, s01, s02
                if r == 1:
                    s0, s1, s2 = s10, s11, s12
                elif r == 2:
                    s0, s1, s2 = s20, s21, s22
                row = out[i + r]
                row[j] += factor * s0
                row[j + 1] += factor * s1
                row[j + 2] += factor * s2


@inner
def tile(a0, a1, a2, b0, b1, b2, n):
    """The nine inner products of three rows with three rows, over n columns."""
    s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = 0.0
    for k in range(n):
        x0, x1, x2 = a0[k], a1[k], a2[k]
        y0, y1, y2 = b0[k], b1[k], b2[k]
        s00 += x0 * y0
        s01 += x0 * y1
        s02 += x0 * y2
        s10 += x1 * y0
        s11 += x1 * y1
        s12 += x1 * y2
        s20 += x2 * y0
        s21 += x2 * y1
        s22 += x2 * y2
    return s00, s01, s02, s10, s11, s12, s20, s21, s22


@njit
def forward(a, scale, x, n):
    """Solve L x = x in place."""
    for i in range(n):
        row, total = a[i], 0.0
        for j in range(i):
            total += row[j] * x[j]
        x[i] = (x[i] - total) * scale[i]


@njit
def backward(a, scale, x, n):
    """Solve L' x = x in place."""
    for i in range(n - 1, -1, -1):
        row, value = a[i], x[i] * scale[i]
        x[i] = value
        for j in range(i):
            x[j] -= value * row[j]


@inner
def multiply(matrix, x, out, rows, n):
    """out = matrix @ x on the leading rows x n of the matrix."""
    for i in range(rows):
        row, total = matrix[i], 0.0
        for j in range(n):
            total += row[j] * x[j]
        out[i] = total
