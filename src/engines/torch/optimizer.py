"""Optimizers of run.py: Adam as src/training/optimizer.ts has it, and SOAP (Vyas et al. 2024, "SOAP: Improving and
Stabilizing Shampoo using Adam"), which is Adam in the eigenbases of the gradients' covariances.

Both clip gradients to a global norm and keep an average of the weights. State by slot: weights `w`, first and second
moments `m` and `v`, average `ema`, always in the basis of the weights; what SOAP needs beside them has names that
start with "soap:". Everything is float32.
"""
import math

import numpy as np
import torch

SLOTS = ("w", "m", "v", "ema")


def slot_name(slot, parameter):
    return parameter if slot == "w" else f"{slot}:{parameter}"


def corrected_rate(adam, rate, step):
    """Learning rate times Adam's bias correction for the 1-based step."""
    return rate * math.sqrt(1 - adam["beta2"] ** step) / (1 - adam["beta1"] ** step)


def mismatch(name, expected, array):
    found = "none" if array is None else list(array.shape)
    return ValueError(f"state: expected {name} {expected}, got {found}")


class Adam:
    """Weights, moments and average of all parameters, each slot in one flat tensor.

    A step is `begin`, `update`, `end`. On CUDA `update` is captured once and replayed, so numbers that change reach it
    in tensors (`rate`, `decay`), and what cannot be captured happens in `end`.
    """

    def __init__(self, run, device, last=()):
        """Parameters named in `last` lie behind the others in the flat tensors."""
        self.shapes = dict(sorted(run["parameters"].items(), key=lambda entry: entry[0] in last))
        self.adam, self.clip_norm = run["adam"], run["options"]["clipNorm"]
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.flat = {slot: torch.zeros(sum(sizes), device=device) for slot in (*SLOTS, "step")}
        self.views = {
            slot: {
                name: part.view(shape)
                for (name, shape), part in zip(self.shapes.items(), flat.split(sizes))
            }
            for slot, flat in self.flat.items()
        }
        self.rate = torch.zeros(1, device=device)
        self.decay = torch.zeros(1, device=device)
        # On a CPU a part should stay in the cache over all operations on it; on a GPU launches cost more.
        self.part = sum(sizes) if str(device) != "cpu" else 1 << 18

    def load(self, arrays):
        """Takes the state from arrays by slot name; moments that are missing start at zero."""
        for slot in SLOTS:
            for name, view in self.views[slot].items():
                array = arrays.get(slot_name(slot, name))
                if array is None and slot in ("m", "v"):
                    view.zero_()
                    continue
                if array is None or list(array.shape) != list(view.shape):
                    raise mismatch(slot_name(slot, name), list(view.shape), array)
                view.copy_(torch.from_numpy(array.astype(np.float32)))

    def arrays(self, slots=SLOTS, kind=np.float32):
        """Arrays of slots by slot name."""
        return {
            slot_name(slot, name): self.views[slot][name].cpu().numpy().astype(kind)
            for slot in slots
            for name in self.shapes
        }

    def state(self):
        """Arrays of everything that `load` takes."""
        return self.arrays()

    def tensors(self):
        """All tensors that `update` changes."""
        return list(self.flat.values())

    def begin(self, rate, decay, step):
        """Before the update of the 1-based step: learning rate and decay of the average."""
        self.rate.fill_(corrected_rate(self.adam, rate, step))
        self.decay.fill_(decay)

    def update(self, gradients):
        """One step in place, from gradients by parameter name; returns their norm before clipping."""
        flat = self.flat["step"]
        torch.cat([gradients[name].reshape(-1) for name in self.shapes], out=flat)
        norm = flat.square().sum().sqrt()
        flat.mul_(self.clip_norm / norm.clamp(min=self.clip_norm))
        self.make_steps()
        for step, w, ema in zip(*(self.flat[slot].split(self.part) for slot in ("step", "w", "ema"))):
            w.sub_(step)
            ema.sub_(w).mul_(self.decay).add_(w)
        return norm

    def make_steps(self, count=None):
        """Turns gradients into steps, in place, for the first `count` values of the flat tensors."""
        beta1, beta2, epsilon = (self.adam[key] for key in ("beta1", "beta2", "epsilon"))
        parts = (self.flat[slot][:count].split(self.part) for slot in ("step", "m", "v"))
        for g, m, v in zip(*parts):
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            torch.mul(m, self.rate, out=g).div_(v.sqrt().add_(epsilon))

    def end(self):
        """After the update."""


# Sides of matrices are cut into equal parts of at most so many rows or columns, every block has bases of its own:
# products and decompositions grow with the cube of the side.
LONGEST_SIDE = 256
# Matrices with a shorter side are tables by rate point or filters: Adam's.
SHORTEST_SIDE = 16
COLLECTING_STEPS = 40
RAMP_STEPS = 100
STATISTICS_EVERY = 2
REFRESH_EVERY = 20
STATISTICS_BETA = 0.95


def block_side(side):
    """The longest equal part of a side that is within bounds; the whole side where there is none."""
    counts = range(-(-side // LONGEST_SIDE), side // SHORTEST_SIDE + 1)
    return side // next((count for count in counts if side % count == 0), 1)


class Blocks:
    """Blocks of matrices, all of one shape, one behind the other in tensors [n,rows,columns].

    `m` and `v` are moments in the basis `left` x `right`: columns of left [n,rows,rows] and right [n,columns,columns]
    are eigenvectors of the gradients' covariances `rowCovariance` = E[G G^T] and `columnCovariance` = E[G^T G].
    """

    STATE = ("m", "v", "left", "right", "rowCovariance", "columnCovariance")

    def __init__(self, places, steps):
        """`places` are (parameter, slices) of the blocks, `steps` are their views in the flat tensor of steps."""
        self.places, self.steps = places, steps
        n, (rows, columns), device = len(steps), steps[0].shape, steps[0].device
        self.gradients, self.m, self.v = (torch.zeros(n, rows, columns, device=device) for _ in range(3))
        self.rowCovariance, self.left = (torch.zeros(n, rows, rows, device=device) for _ in range(2))
        self.columnCovariance, self.right = (torch.zeros(n, columns, columns, device=device) for _ in range(2))

    def restart(self, views):
        """Moments from the basis of the weights, which is the basis at first; covariances of no gradient."""
        for key in ("m", "v"):
            torch.stack([views[key][name][place] for name, place in self.places], out=getattr(self, key))
        for basis in (self.left, self.right):
            basis.copy_(torch.eye(basis.shape[1], device=basis.device))
        self.rowCovariance.zero_()
        self.columnCovariance.zero_()

    def make_steps(self, adam, rate, x, y):
        """Gradients to steps: Adam in the rotated basis. x and y are scratch space [n,rows,columns]."""
        left, right = self.left, self.right
        torch.stack(self.steps, out=self.gradients)
        torch.bmm(left.transpose(1, 2), self.gradients, out=x)
        torch.bmm(x, right, out=y)
        self.m.lerp_(y, 1 - adam["beta1"])
        self.v.mul_(adam["beta2"]).addcmul_(y, y, value=1 - adam["beta2"])
        torch.sqrt(self.v, out=y).add_(adam["epsilon"])
        torch.div(self.m, y, out=y).mul_(rate)
        torch.bmm(left, y, out=x)
        torch.bmm(x, right.transpose(1, 2), out=y)
        for step, result in zip(self.steps, y):
            step.copy_(result)

    def collect(self, kept):
        """Covariances: `kept` of the old ones, the rest of the last gradients."""
        g, t = self.gradients, self.gradients.transpose(1, 2)
        self.rowCovariance.baddbmm_(g, t, beta=kept, alpha=1 - kept)
        self.columnCovariance.baddbmm_(t, g, beta=kept, alpha=1 - kept)

    def turn(self, left, right):
        """First moments to new bases, which become the bases."""
        self.m.copy_(left.transpose(1, 2) @ (self.left @ self.m @ self.right.transpose(1, 2)) @ right)
        self.left.copy_(left)
        self.right.copy_(right)

    def start(self):
        """Eigenbases; the second moments are those of the Kronecker product, not less than a tenth of their mean."""
        (row, left), (column, right) = map(torch.linalg.eigh, (self.rowCovariance, self.columnCovariance))
        self.turn(left.flip(-1), right.flip(-1))
        row, column = row.flip(-1).clamp(min=0), column.flip(-1).clamp(min=0)
        product = row[:, :, None] * column[:, None, :] / (row.sum(1)[:, None, None] + 1e-30)
        self.v.copy_(product + 0.1 * product.mean((1, 2), keepdim=True))

    def refresh(self):
        """One step of orthogonal iteration for every basis. Vectors are ordered by eigenvalue, second moments follow."""
        bases = []
        for basis, covariance, axis in ((self.left, self.rowCovariance, 1), (self.right, self.columnCovariance, 2)):
            image = covariance @ basis
            order = (basis * image).sum(1).argsort(descending=True)
            bases.append(torch.linalg.qr(image.gather(2, order[:, None, :].expand_as(image)))[0])
            self.v.copy_(self.v.gather(axis, order.unsqueeze(3 - axis).expand_as(self.v)))
        self.turn(*bases)

    def moments(self):
        """m and v in the basis of the weights; v as if coordinates in the rotated basis were independent."""
        left, right = self.left, self.right.transpose(1, 2)
        return left @ self.m @ right, left.square() @ self.v @ right.square()


class Soap(Adam):
    """SOAP for matrices, Adam for all other parameters.

    For the first COLLECTING_STEPS the bases are those of the weights, which is Adam; then the bases and second moments
    follow from the covariances, and the rate rises anew over RAMP_STEPS. `age` counts steps.
    """

    def __init__(self, run, device):
        matrices = {
            name: shape
            for name, shape in run["parameters"].items()
            if len(shape) == 2 and min(shape) >= SHORTEST_SIDE
        }
        super().__init__(run, device, matrices)
        self.plain = sum(math.prod(shape) for name, shape in self.shapes.items() if name not in matrices)
        self.matrix_rate = torch.zeros(1, device=device)
        self.age = 0
        places = {}
        for name, shape in matrices.items():
            rows, columns = map(block_side, shape)
            places.setdefault((rows, columns), []).extend(
                (name, (slice(top, top + rows), slice(left, left + columns)))
                for top in range(0, shape[0], rows)
                for left in range(0, shape[1], columns)
            )
        steps, self.groups, largest = self.views["step"], [], 0
        for (rows, columns), alike in places.items():
            count = max(1, self.part // (2 * rows * columns)) if str(device) == "cpu" else len(alike)
            for first in range(0, len(alike), count):
                some = alike[first : first + count]
                self.groups.append(Blocks(some, [steps[name][place] for name, place in some]))
                largest = max(largest, len(some) * rows * columns)
        self.scratch = [torch.zeros(largest, device=device) for _ in range(2)]

    def named_blocks(self):
        """(name, tensor) of SOAP's own state; tensors of one name are parts of one array, in order."""
        for group in self.groups:
            for key in Blocks.STATE:
                for (name, _), block in zip(group.places, getattr(group, key)):
                    yield f"soap:{key}:{name}", block

    def load(self, arrays):
        super().load(arrays)
        self.age = int(arrays["soap:age"][0]) if "soap:age" in arrays else 0
        if self.age == 0:
            for group in self.groups:
                group.restart(self.views)
            return
        taken = {}
        for name, block in self.named_blocks():
            start = taken.get(name, 0)
            taken[name] = start + block.numel()
            array = arrays.get(name)
            if array is None or array.size < taken[name]:
                raise mismatch(name, [taken[name]], array)
            block.copy_(torch.from_numpy(array[start : taken[name]].copy()).view(block.shape))

    def arrays(self, slots=SLOTS, kind=np.float32):
        if "m" in slots or "v" in slots:
            for group in self.groups:
                for slot, blocks in zip(("m", "v"), group.moments()):
                    for (name, place), block in zip(group.places, blocks):
                        self.views[slot][name][place].copy_(block)
        return super().arrays(slots, kind)

    def state(self):
        own = {}
        for name, block in self.named_blocks():
            own.setdefault(name, []).append(block.reshape(-1).cpu().numpy())
        own = {name: np.concatenate(blocks) for name, blocks in own.items()}
        return {**super().state(), "soap:age": np.array([self.age], np.float32), **own}

    def tensors(self):
        return super().tensors() + [getattr(group, key) for group in self.groups for key in Blocks.STATE]

    def begin(self, rate, decay, step):
        super().begin(rate, decay, step)
        ramp = (self.age + 1 - COLLECTING_STEPS) / RAMP_STEPS
        self.matrix_rate.copy_(self.rate if ramp <= 0 else self.matrix_rate.fill_(rate * min(1, ramp)))

    def make_steps(self):
        super().make_steps(self.plain)
        for group in self.groups:
            x, y = (scratch[: group.m.numel()].view(group.m.shape) for scratch in self.scratch)
            group.make_steps(self.adam, self.matrix_rate, x, y)

    def end(self):
        """Covariances of a part of the groups, bases of another: no step is much slower than others."""
        self.age += 1
        for number, group in enumerate(self.groups, self.age):
            if number % STATISTICS_EVERY == 0:
                seen = (self.age + 1) // STATISTICS_EVERY
                collecting = self.age <= COLLECTING_STEPS
                group.collect(1 - 1 / seen if collecting else STATISTICS_BETA**STATISTICS_EVERY)
            if self.age == COLLECTING_STEPS:
                group.start()
            elif self.age > COLLECTING_STEPS and number % REFRESH_EVERY == 0:
                group.refresh()


def make_optimizer(run, device):
    return {"adam": Adam, "soap": Soap}[run["options"].get("optimizer", "adam")](run, device)
