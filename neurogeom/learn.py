"""What networks and features share of learning."""


def lazy_torch():
    """The module torch, loaded when it is first needed.

    Raises
    ------
    ImportError
        It is not installed.

    Examples
    --------
    >>> lazy_torch().__name__
    'torch'
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("networks need torch: pip install 'neurogeom[networks]'") from error
    return torch
