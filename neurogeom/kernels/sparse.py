"""Sparse codes of samples and the atoms they are made of, by accelerated proximal gradient.

A row is a sample. ``product`` is what its code predicts of every atom's drive: the code times the
Gram matrix of the atoms. It is linear in the code, so that at an extrapolated point it needs no
matrix product of its own, and the objective at the code itself comes for nothing.
"""

import numpy as np

from .jit import inner, njit

ROUNDING = 1e-13  # of the power of a sample: a rise of its objective below this is none
FEWEST_NEW = 8  # atoms that join a working set at once, or as many as it holds
CLOSER = 0.1  # of the gap over all atoms: where the work on one set ends
SLACK = 0.3  # of the tolerance, at which it ends at the latest
FEW = 1.3  # times as many members or fewer: the set is solved to the end
NO_CLOSER = 1e-12  # share of that below which rounding is all that is left
LANES = 16  # numbers that a loop takes at once: sets are filled up with zeros to a multiple of it


@inner
def _shrunk(z, penalty, signed):
    above = z - penalty
    new = above if above > 0.0 else 0.0
    if signed:
        below = z + penalty
        new += below if below < 0.0 else 0.0
    return new


@inner
def _certified(power, linear, quadratic, length, most, penalty):
    """Duality gap and objective of one code: see :func:`duality_gap`.

    linear : code . drive; quadratic : code . product; length : sum of |code|
    most : largest drive by the residual
    """
    squares = max(2.0 * power - 2.0 * linear + quadratic, 0.0)
    along = 2.0 * power - linear
    objective = 0.5 * squares + penalty * length
    scale = along / squares if squares > 0.0 else 1.0
    if most * scale > penalty:
        scale = penalty / most
    scale = max(scale, 0.0)
    return objective - scale * along + 0.5 * scale * scale * squares, objective


@njit
def fista_step(
    code, before, product, product_before, drive, power, penalty, step, signed, momentum, objective
):
    """One accelerated proximal step of every sample, which writes the new code over ``before``.

    A step that raised the objective is taken back, and momentum starts anew from there; it does so
    too where a step goes against the way that led to it.

    code, before : float64 (sample, atom), codes now and one step ago
    product, product_before : float64 (sample, atom), each times the Gram matrix of the atoms
    drive : float64 (sample, atom), samples times atoms; power : float64 (sample,), half the squares
    penalty, step : floats; signed : bool, codes may be negative
    momentum, objective : float64 (sample,), changed in place: 1 and infinity at first
    """
    n_samples, n_atoms = code.shape
    for i in range(n_samples):
        quadratic, linear, length = 0.0, 0.0, 0.0
        for j in range(n_atoms):
            s = code[i, j]
            quadratic += s * product[i, j]
            linear += s * drive[i, j]
            length += abs(s)
        value = power[i] - linear + 0.5 * quadratic + penalty * length
        t = momentum[i]
        if value > objective[i] + ROUNDING * power[i]:
            t = 1.0
            for j in range(n_atoms):
                code[i, j] = before[i, j]
                product[i, j] = product_before[i, j]
        else:
            objective[i] = min(value, objective[i])
        momentum[i] = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        beta = (t - 1.0) / momentum[i]
        against = 0.0
        for j in range(n_atoms):
            y = code[i, j] + beta * (code[i, j] - before[i, j])
            slope = product[i, j] + beta * (product[i, j] - product_before[i, j]) - drive[i, j]
            new = _shrunk(y - step * slope, step * penalty, signed)
            against += (y - new) * (new - code[i, j])
            before[i, j] = new
        if against > 0.0:
            momentum[i] = 1.0


@njit
def duality_gap(code, product, drive, power, penalty, signed):
    """How far each sample's objective is above the least one at most, and the objective.

    The residual, scaled until no atom's drive by it exceeds the penalty, is feasible in the dual.

    code, product, drive, power, penalty, signed : as in :func:`fista_step`
    returns : float64 (sample,) twice
    """
    n_samples, n_atoms = code.shape
    gap, objective = np.empty(n_samples), np.empty(n_samples)
    for i in range(n_samples):
        quadratic, linear, length, most = 0.0, 0.0, 0.0, 0.0
        for j in range(n_atoms):
            s = code[i, j]
            quadratic += s * product[i, j]
            linear += s * drive[i, j]
            length += abs(s)
        for j in range(n_atoms):
            left = drive[i, j] - product[i, j]
            left = abs(left) if signed else left
            most = left if left > most else most
        gap[i], objective[i] = _certified(power[i], linear, quadratic, length, most, penalty)
    return gap, objective


@njit
def working_sets(
    drive, power, gram, steepness, penalty, signed, code, tolerance, n_steps, most_atoms
):
    """Solve every sample on a set of atoms that grows until none outside is driven too much.

    Most atoms never matter to a sample: a step over a set of 60 costs a hundredth of one over all.
    Members stay, so that products with them are gathered once.

    drive, power, penalty, signed : as in :func:`fista_step`
    gram : float64 (atom, atom), with a diagonal of 1; steepness : its largest eigenvalue
    code : float64 (sample, atom), where to begin, changed in place
    tolerance : of the objective, at which the gap is small enough; n_steps : the most of a sample
    most_atoms : a sample that needs a larger set is left where it is, with its gap
    returns : gap, objective float64 (sample,), steps int64 (sample,)
    """
    n_samples, n_atoms = code.shape
    gap, objective = np.empty(n_samples), np.empty(n_samples)
    steps = np.zeros(n_samples, np.int64)
    member, inside = np.empty(n_atoms, np.int64), np.empty(n_atoms, np.bool_)
    s, pull = np.empty(n_atoms + LANES), np.empty(n_atoms + LANES)
    block = np.empty((most_atoms + LANES, most_atoms + LANES))
    left, excess, others = np.empty(n_atoms), np.empty(n_atoms), np.empty(n_atoms, np.int64)
    for i in range(n_samples):
        size, held, idle, closer, bound = 0, 0, False, 1.0, 0.0
        for j in range(n_atoms):
            inside[j] = code[i, j] != 0.0
            if inside[j]:
                member[size], s[size] = j, code[i, j]
                size += 1
        while True:
            _drive_left(drive[i], gram, member, s, size, left, others)
            linear, quadratic, length = 0.0, 0.0, 0.0
            for a in range(size):
                j = member[a]
                linear += s[a] * drive[i, j]
                quadratic += s[a] * (drive[i, j] - left[j])
                length += abs(s[a])
            n_others, most = _too_driven(left, penalty, signed, inside, excess, others)
            gap[i], objective[i] = _certified(power[i], linear, quadratic, length, most, penalty)
            target = SLACK * tolerance * objective[i]
            if gap[i] <= target / SLACK or steps[i] >= n_steps:
                break
            size = _joined(member, inside, s, size, left, signed, excess[:n_others], others)
            if size > most_atoms:
                break
            if size > held:
                if size > FEW * held:  # else these may well be the last to join
                    target = max(target, CLOSER * gap[i])
                bound = _grown(block, pull, s, gram, drive[i], member, held, size)
            elif idle:
                # An atom outside that is driven just less than the penalty joins no set, yet may
                # bound the gap: where no step was taken, the set is solved more closely.
                closer *= CLOSER
                if closer < NO_CLOSER:
                    break
            held = size
            broad = _broad(size)
            taken = _on_set(
                block,
                pull[:broad],
                power[i],
                min(steepness, bound),
                penalty,
                signed,
                s[:broad],
                closer * target,
                n_steps - steps[i],
            )
            idle = taken == 0
            steps[i] += taken
        code[i] = 0.0
        for a in range(size):
            code[i, member[a]] = s[a]
    return gap, objective, steps


@inner
def _broad(size):
    return (size + LANES - 1) // LANES * LANES


@inner
def _drive_left(drive, gram, member, s, size, left, used):
    """Drive of all atoms by the residual, into ``left``: most of the time is spent here.

    used : int64 (atom,), room for the places of members that are not 0
    """
    for j in range(left.size):
        left[j] = drive[j]
    n = 0
    for a in range(size):
        used[n] = a
        n += s[a] != 0.0
    b = 0
    while b + 4 <= n:  # four rows at once load and store ``left`` a quarter as often
        v, w, y, z = s[used[b]], s[used[b + 1]], s[used[b + 2]], s[used[b + 3]]
        first, second = gram[member[used[b]]], gram[member[used[b + 1]]]
        third, fourth = gram[member[used[b + 2]]], gram[member[used[b + 3]]]
        for j in range(left.size):
            left[j] -= v * first[j] + w * second[j] + y * third[j] + z * fourth[j]
        b += 4
    while b < n:
        v, first = s[used[b]], gram[member[used[b]]]
        for j in range(left.size):
            left[j] -= v * first[j]
        b += 1


@inner
def _too_driven(left, penalty, signed, inside, excess, others):
    """Atoms outside the set driven above the penalty, into ``others``, and their drives.

    returns : how many, and the largest of all drives
    """
    n, most, n_others = 0, 0.0, 0
    for j in range(left.size):  # without a branch, which would be foretold badly
        others[n] = j
        n += (abs(left[j]) if signed else left[j]) > penalty
    for b in range(n):
        j = others[b]
        value = abs(left[j]) if signed else left[j]
        most = max(value, most)
        if not inside[j]:
            excess[n_others], others[n_others] = value, j
            n_others += 1
    if n == 0:
        for j in range(left.size):
            most = max(abs(left[j]) if signed else left[j], most)
    return n_others, most


@inner
def _ranked(values, rank):
    """The value of a rank, 0 the largest, by Hoare's selection; values change places.

    np.partition, and slices that are set at once, take seconds to compile: here loops do.
    """
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i, j = i + 1, j - 1
        if j < rank < i:
            break
        low, high = (low, j) if rank <= j else (i, high)
    return values[rank]


@inner
def _joined(member, inside, s, size, left, signed, excess, others):
    """The set with the most driven of other atoms, at most as many again; its new size."""
    room = max(FEWEST_NEW, size)
    level = 0.0
    if excess.size > room:
        level = _ranked(excess, room - 1)
    for b in range(excess.size):
        j = others[b]
        value = abs(left[j]) if signed else left[j]
        if value >= level:
            member[size], s[size], inside[j] = j, 0.0, True
            size += 1
    return size


@inner
def _grown(block, pull, s, gram, drive, member, held, size):
    """Write products and drives of the members from ``held`` on, zeros after the last.

    returns : largest sum of a row of products, which no eigenvalue of the set exceeds
    """
    for c in range(held, size):
        row = gram[member[c]]
        pull[c] = drive[member[c]]
        for a in range(c + 1):
            block[a, c] = block[c, a] = row[member[a]]
    broad = _broad(size)
    for c in range(size, broad):
        pull[c], s[c] = 0.0, 0.0
    bound = 0.0
    for a in range(size):
        for c in range(size, broad):
            block[a, c] = 0.0
        total = 0.0
        for c in range(broad):
            total += abs(block[a, c])
        bound = max(bound, total)
    return bound


@inner
def _on_set(gram, drive, power, steepness, penalty, signed, s, target, n_steps):
    """Steps of :func:`fista_step` for one sample over few atoms until its gap there is small.

    gram : float64, a row a member; drive, s : float64 (member,), s changed in place
    returns : how many steps
    """
    size = s.size
    product, product_before = np.zeros(size), np.zeros(size)
    before = np.empty(size)
    for c in range(size):
        before[c] = s[c]
        if s[c] != 0.0:
            for a in range(size):
                product[a] += s[c] * gram[c, a]
    for a in range(size):
        product_before[a] = product[a]
    t, lowest = 1.0, np.inf
    for done in range(n_steps):
        linear, quadratic, length, most = 0.0, 0.0, 0.0, 0.0
        for a in range(size):
            linear += s[a] * drive[a]
            quadratic += s[a] * product[a]
            length += abs(s[a])
            left = drive[a] - product[a]
            left = abs(left) if signed else left
            most = left if left > most else most
        gap, value = _certified(power, linear, quadratic, length, most, penalty)
        if gap <= target:
            return done
        if value > lowest + ROUNDING * power:
            t = 1.0
            for a in range(size):
                s[a], product[a] = before[a], product_before[a]
        else:
            lowest = min(value, lowest)
        later = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        beta, t = (t - 1.0) / later, later
        against = 0.0
        for a in range(size):
            y = s[a] + beta * (s[a] - before[a])
            slope = product[a] + beta * (product[a] - product_before[a]) - drive[a]
            new = _shrunk(y - slope / steepness, penalty / steepness, signed)
            against += (y - new) * (new - s[a])
            before[a], s[a] = s[a], new
            product_before[a], product[a] = product[a], 0.0
        if against > 0.0:
            t = 1.0
        for c in range(size):
            if s[c] != 0.0:
                for a in range(size):
                    product[a] += s[c] * gram[c, a]
    return n_steps


@njit
def update_atoms(atoms, codes_squared, codes_by_samples):
    """Each atom in turn, the direction that fits best what the others leave of the samples.

    atoms : float64 (atom, neuron), changed in place; one without a code is left as it is
    codes_squared : float64 (atom, atom), codes' products over samples
    codes_by_samples : float64 (atom, neuron), codes times samples
    """
    n_atoms, n_neurons = atoms.shape
    new = np.empty(n_neurons)
    for j in range(n_atoms):
        own = codes_squared[j, j]
        if own <= 0.0:
            continue
        for i in range(n_neurons):
            new[i] = codes_by_samples[j, i] + own * atoms[j, i]
        for k in range(n_atoms):
            both = codes_squared[j, k]
            if both != 0.0:
                for i in range(n_neurons):
                    new[i] -= both * atoms[k, i]
        squares = 0.0
        for i in range(n_neurons):
            squares += new[i] * new[i]
        if squares > 0.0:
            for i in range(n_neurons):
                atoms[j, i] = new[i] / np.sqrt(squares)
