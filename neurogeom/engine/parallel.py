"""Work over surrogates: the same bits whatever the number of workers."""

import numpy as np

from .. import options

CHUNK = 4  # surrogates a task: long enough to hide the cost of a task, short enough to share out


def over(task, n, *, n_jobs=1, chunk=CHUNK, progress=None):
    """``task(indices)`` over chunks of range(n), in order; a task returns arrays (index, ...).

    Threads, since the kernels hold no lock and BLAS is pinned to one thread around the whole.
    ``progress`` is called with the number of indices done.
    """
    from threadpoolctl import threadpool_limits

    options.workers(n_jobs=n_jobs)
    chunks = [np.arange(i, min(i + chunk, n)) for i in range(0, n, chunk)]
    if not chunks:
        return None
    with threadpool_limits(1):
        done = list(_counted(_run(task, chunks, n_jobs), chunks, progress))
    return tuple(np.concatenate(parts) for parts in zip(*done, strict=True))


def _run(task, chunks, n_jobs):
    if n_jobs == 1:
        return map(task, chunks)
    from joblib import Parallel, delayed

    return Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(
        delayed(task)(c) for c in chunks
    )


def _counted(results, chunks, progress):
    for chunk, result in zip(chunks, results, strict=True):
        if progress is not None:
            progress(len(chunk))
        yield result
