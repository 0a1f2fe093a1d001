"""The readable twin of Soap (src/engines/torch/optimizer.py): one matrix, numpy, float64, the basis of the weights.

Prints, as JSON, the largest difference of the weights and of the moments in the basis of the weights over a run that
passes the start of the bases, and refreshes of all of them. Usage: soap_reference.py FOLDER_OF_OPTIMIZER
"""
import json
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

import numpy as np  # noqa: E402
import optimizer  # noqa: E402
import torch  # noqa: E402

BETA1, BETA2, EPSILON, RATE = 0.9, 0.99, 1e-8, 1e-3


class Reference:
    """SOAP for one block; `number` is its group's, which decides when it is refreshed."""

    def __init__(self, w, m, v, number):
        self.w, self.m, self.v, self.number = w, m, v, number
        self.left, self.right = np.eye(w.shape[0]), np.eye(w.shape[1])
        self.rows, self.columns = (np.zeros((side, side)) for side in w.shape)

    def turned(self, x):
        return self.left.T @ x @ self.right

    def step(self, g, rate, age):
        # The first moment is kept in the basis of the weights, the second one in the eigenbasis.
        self.m = BETA1 * self.m + (1 - BETA1) * g
        self.v = BETA2 * self.v + (1 - BETA2) * self.turned(g) ** 2
        direction = self.turned(self.m) / (np.sqrt(self.v) + EPSILON)
        self.w = self.w - rate * self.left @ direction @ self.right.T
        if (age + self.number) % 2 == 0:
            kept = 1 - 1 / ((age + 1) // 2) if age <= 40 else 0.95**2
            self.rows = kept * self.rows + (1 - kept) * g @ g.T
            self.columns = kept * self.columns + (1 - kept) * g.T @ g
        if age == 40:
            self.start()
        elif age > 40 and (age + self.number) % 20 == 0:
            self.refresh()

    def start(self):
        row, self.left = np.linalg.eigh(self.rows)
        column, self.right = np.linalg.eigh(self.columns)
        self.v = np.outer(row.clip(0), column.clip(0)) / row.clip(0).sum()
        self.v = self.v + 0.1 * self.v.mean()

    def refresh(self):
        for covariance, name, axis in ((self.rows, "left", 0), (self.columns, "right", 1)):
            basis = getattr(self, name)
            image = covariance @ basis
            order = np.argsort(-(basis * image).sum(0))
            self.v = np.take(self.v, order, axis)
            setattr(self, name, np.linalg.qr(image[:, order])[0])


class ReferenceAdam:
    def __init__(self, w, m, v):
        self.w, self.m, self.v = w, m, v

    def step(self, g, rate, _):
        self.m = BETA1 * self.m + (1 - BETA1) * g
        self.v = BETA2 * self.v + (1 - BETA2) * g**2
        self.w = self.w - rate * self.m / (np.sqrt(self.v) + EPSILON)


def blocks_of(shape):
    """Where the blocks of a matrix lie, for sides of at most 40 rows or columns."""
    (rows, columns) = (side // (1 if side <= 40 else 2) for side in shape)
    return [
        (slice(top, top + rows), slice(left, left + columns))
        for top in range(0, shape[0], rows)
        for left in range(0, shape[1], columns)
    ]


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    optimizer.LONGEST_SIDE = 40
    shapes = {"a": [20, 24], "bias": [20], "b": [64, 18], "table": [8, 20], "c": [20, 24], "d": [18, 18]}
    matrices = [name for name in shapes if name in "abcd"]
    run = {
        "parameters": shapes,
        "adam": {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON},
        "options": {"clipNorm": 1e9, "optimizer": "soap"},
    }
    random = np.random.default_rng(5)
    state = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    state |= {f"ema:{name}": w for name, w in state.items()}
    state |= {f"m:{name}": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    state |= {f"v:{name}": random.random(shape).astype(np.float32) for name, shape in shapes.items()}
    soap = optimizer.make_optimizer(run, torch.device("cpu"))
    soap.load(state)

    numbers = {
        (name, str(group.place)): number for number, group in enumerate(soap.groups) for name in group.names
    }
    references = {}
    for name, shape in shapes.items():
        for place in blocks_of(shape) if name in matrices else [...]:
            parts = [state[f"{slot}{name}"].astype(np.float64)[place] for slot in ("", "m:", "v:")]
            number = numbers.pop((name, str(place))) if name in matrices else None
            kind = ReferenceAdam if number is None else Reference
            references[name, str(place)] = (place, kind(*parts, *([] if number is None else [number])))
    assert not numbers, f"blocks that the reference has not: {numbers}"

    # Gradients with a covariance that is not diagonal and eigenvalues that lie apart.
    mixing = {
        name: [random.normal(size=(side, side)) * 0.8 ** np.arange(side) for side in shape]
        for name, shape in shapes.items()
        if len(shape) == 2
    }
    largest = {"w": 0.0, "m": 0.0}
    for age in range(1, 131):
        gradients = {name: random.normal(size=shape) for name, shape in shapes.items()}
        for name, (a, b) in mixing.items():
            gradients[name] = a @ gradients[name] @ b.T
        soap.begin(RATE, 0.9, age)
        soap.take({name: torch.from_numpy(g) for name, g in gradients.items()})
        soap.update()
        soap.end()
        corrected = RATE * np.sqrt(1 - BETA2**age) / (1 - BETA1**age)
        for (name, _), (place, reference) in references.items():
            matrix = name in matrices and age > 40
            rate = RATE * min(1, (age - 40) / 100) if matrix else corrected
            reference.step(gradients[name][place], rate, age)
            found = {
                "w": soap.views["w"][name][place].numpy(),
                "m": soap.arrays(["m"], np.float64)[f"m:{name}"][place],
            }
            for slot, value in found.items():
                largest[slot] = max(largest[slot], float(abs(value - getattr(reference, slot)).max()))
    print(json.dumps({**largest, "groups": len(soap.groups)}))


main()
