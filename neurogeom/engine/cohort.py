"""Who is compared with whom: sessions to units (animals or sessions) in two groups."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..columns import listed

UNITS = ("animal", "session")


class Cohort(NamedTuple):
    """Units of two groups.

    names : (unit,); sessions : list (unit,) of places in the list of sessions; second : bool
    (unit,), of the second group; stratum : int (unit,), within which units may change groups;
    groups : names of the first and the second; paired : each stratum is an animal with sessions in
    both groups; left_out : {unit: reason}; notes : sentences
    """

    names: tuple
    sessions: list
    second: np.ndarray
    stratum: np.ndarray
    groups: tuple
    paired: bool
    left_out: dict
    notes: tuple


def cohort(found, by, unit) -> Cohort:
    """Units and their groups.

    found : list of validated sessions; by, unit : as in :func:`neurogeom.groups.compare_groups`

    Raises
    ------
    KeyError, ValueError
        A session has no group or no animal, there are not two groups, an animal is in both, or
        sessions of one animal are called units.
    """
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r} is unknown; choose from {list(UNITS)}")
    name = np.array([str(s.coords["session"].values) for s in found])
    animal = [str(s.coords["animal"].values) if "animal" in s.coords else "" for s in found]
    group = np.array([_group(s, n, a, by) for s, n, a in zip(found, name, animal, strict=True)])
    groups = tuple(map(str, np.unique(group)))
    if len(groups) != 2:
        raise ValueError(
            f"there are {len(groups)} groups ({listed(groups)}); two are compared at a time, so "
            "give the sessions of two"
        )
    second = group == groups[1]
    if unit == "animal":
        if "" in animal:
            raise ValueError(
                f"session {name[animal.index('')]!r} has no animal; name it, as in "
                "x.assign_coords(animal='m1'), or use unit='session' if animals differ"
            )
        return _of_animals(np.array(animal), second, groups)
    if "" in animal:
        note = "animals are not named: sessions count as drawn independently, one of each animal"
        return _apart(name, second, groups, (note,))
    return _of_sessions(name, np.array(animal), second, groups)


def _group(session, name, animal, by):
    if not isinstance(by, Mapping):
        if by not in session.coords or session.coords[by].dims:
            raise KeyError(
                f"session {name!r} has no scalar coordinate {by!r}; set it, as in "
                f"x.assign_coords({by}='control'), or give a mapping animal -> group"
            )
        return str(session.coords[by].values)
    for key in filter(None, (name, animal)):
        if key in by:
            return str(by[key])
    raise KeyError(f"session {name!r} of animal {animal!r} is in no group; name it or leave it out")


def _of_animals(animal, second, groups):
    names, owner = np.unique(animal, return_inverse=True)
    sessions = [np.flatnonzero(owner == u).tolist() for u in range(len(names))]
    both = [n for n, own in zip(names, sessions, strict=True) if len(set(second[own])) > 1]
    if both:
        raise ValueError(
            f"animal {str(both[0])!r} has sessions in both groups; use unit='session', which "
            "compares animals with themselves"
        )
    second = second[[own[0] for own in sessions]]
    strata = np.zeros(len(names), int)
    return Cohort(tuple(map(str, names)), sessions, second, strata, groups, False, {}, ())


def _apart(name, second, groups, notes=()):
    sessions = [[i] for i in range(len(name))]
    strata = np.zeros(len(name), int)
    return Cohort(tuple(map(str, name)), sessions, second, strata, groups, False, {}, notes)


def _of_sessions(name, animal, second, groups):
    """Sessions of different animals, or two kinds of session in the same animals."""
    names, owner, count = np.unique(animal, return_inverse=True, return_counts=True)
    n_second = np.bincount(owner, second)
    both = (n_second > 0) & (n_second < count)
    if not both.any():
        if (count > 1).any():
            raise ValueError(
                f"animal {str(names[count.argmax()])!r} has {count.max()} sessions, all of one "
                "group, and they are no independent draws; use unit='animal'"
            )
        return _apart(name, second, groups)
    kept = np.flatnonzero(both[owner])
    alone = "its sessions are of one group, and animals are compared with themselves"
    return Cohort(
        tuple(map(str, name[kept])),
        [[int(i)] for i in kept],
        second[kept],
        np.unique(owner[kept], return_inverse=True)[1],
        groups,
        True,
        {f"animal {n}": alone for n in names[~both]},
        (),
    )
