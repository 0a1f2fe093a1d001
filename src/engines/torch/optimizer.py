"""Optimizers of run.py: Adam as src/training/optimizer.ts has it, and SOAP (Vyas et al. 2024, "SOAP: Improving and
Stabilizing Shampoo using Adam"), which is Adam in the eigenbases of the gradients' covariances.

Both clip gradients to a global norm and keep an average of the weights. State by slot: weights `w`, first and second
moments `m` and `v`, average `ema`, always in the basis of the weights; what SOAP needs beside them has names that
start with "soap:". Everything is float32; in a bfloat16 run products on CUDA are TF32, and gradients and updates are turned into
the bases of SOAP and back in bfloat16, which takes a third of the time: its rounding is far below the noise of gradients.
"""
import itertools
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

    A step is `begin`, `take`, `update`, `end`. On CUDA `take` and `update` are captured once and replayed, so numbers
    that change reach them in tensors (`rate`, `decay`), and what cannot be captured happens in `end`.
    """

    def __init__(self, run, device, order=lambda entry: 0):
        """`order` sorts the (name, shape) of parameters in the flat tensors."""
        self.shapes = dict(sorted(run["parameters"].items(), key=order))
        self.adam, self.clip_norm = run["adam"], run["options"]["clipNorm"]
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.flat = {slot: torch.zeros(sum(sizes), device=device) for slot in (*SLOTS, "gradient")}
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
        self.part = sum(sizes) if device.type != "cpu" else 1 << 18

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

    def slot(self, slot):
        """The tensors of a slot by parameter, in the basis of the weights."""
        return self.views[slot]

    def arrays(self, slots=SLOTS, kind=np.float32):
        """Arrays of slots by slot name."""
        return {
            slot_name(slot, name): tensor.cpu().numpy().astype(kind)
            for slot in slots
            for name, tensor in self.slot(slot).items()
        }

    def state(self):
        """Arrays of everything that `load` takes."""
        return self.arrays()

    def begin(self, rate, decay, step):
        """Before the update of the 1-based step: learning rate and decay of the average."""
        self.rate.fill_(corrected_rate(self.adam, rate, step))
        self.decay.fill_(decay)

    def take(self, gradients):
        """Gradients by parameter name, for the update."""
        torch.cat([gradients[name].reshape(-1) for name in self.shapes], out=self.flat["gradient"])

    def update(self):
        """One step in place, from the gradients taken; returns their norm before clipping."""
        flat = self.flat["gradient"]
        norm = flat.square().sum().sqrt()
        flat.mul_(self.clip_norm / norm.clamp(min=self.clip_norm))
        self.move(len(flat))
        return norm

    def move(self, count):
        """Moves the first `count` weights of the flat tensors."""
        beta1, beta2, epsilon = (self.adam[key] for key in ("beta1", "beta2", "epsilon"))
        parts = (self.flat[slot][:count].split(self.part) for slot in ("gradient", *SLOTS))
        for g, w, m, v, ema in zip(*parts):
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            w.sub_((m * self.rate).div_(v.sqrt().add_(epsilon)))
            ema.sub_(w).mul_(self.decay).add_(w)

    def end(self):
        """After the update."""


# Longer sides of a matrix are cut into equal parts, and every block has bases of its own: products and decompositions
# grow with the cube of the side.
LONGEST_SIDE = 256
# Matrices with a shorter side are tables by rate point or filters: Adam's.
SHORTEST_SIDE = 16
COLLECTING_STEPS = 40
RAMP_STEPS = 100
# Steps between updates of a covariance, of a basis; what is left of a covariance after one step.
COVARIANCE_EVERY = 2
REFRESH_EVERY = 20
COVARIANCE_BETA = 0.95


def is_rotated(shape):
    return len(shape) == 2 and min(shape) >= SHORTEST_SIDE


def cuts(side):
    """Slices that cut a side into the fewest equal parts within bounds; one slice where there are none."""
    counts = range(-(-side // LONGEST_SIDE), side // SHORTEST_SIDE + 1)
    length = side // next((count for count in counts if side % count == 0), 1)
    return [slice(start, start + length) for start in range(0, side, length)]


class Side:
    """What is known of the rows or columns of n matrices: the gradients' covariance [n,d,d], E[G G^T] or E[G^T G], and
    a basis [n,d,d], whose columns become its eigenvectors, those of large eigenvalues first."""

    def __init__(self, axis, n, length, device, precision):
        self.axis = axis
        self.covariance, self.basis = (torch.zeros(n, length, length, device=device) for _ in range(2))
        # The basis as products of a step read it.
        self.rounded = self.basis.to(precision)

    def set_basis(self, basis):
        """Another basis, and what products of a step read of it."""
        self.basis.copy_(basis)
        self.rounded.copy_(basis)

    def restart(self):
        """No gradients seen, the basis of the weights."""
        self.covariance.zero_()
        self.set_basis(torch.eye(self.basis.shape[1], device=self.basis.device))

    def collect(self, gradients, kept):
        """`kept` of the old covariance, the rest of these gradients."""
        factors = gradients, gradients.transpose(1, 2)
        self.covariance.baddbmm_(*(factors if self.axis == 1 else factors[::-1]), beta=kept, alpha=1 - kept)

    def turn(self, basis, m):
        """Another basis; first moments are rotated into it, in place."""
        if self.axis == 1:
            m.copy_(basis.transpose(1, 2) @ self.basis @ m)
        else:
            m.copy_(m @ (self.basis.transpose(1, 2) @ basis))
        self.set_basis(basis)

    def start(self, m):
        """The eigenbasis; returns the eigenvalues [n,d]."""
        values, vectors = torch.linalg.eigh(self.covariance)
        self.turn(vectors.flip(-1), m)
        return values.flip(-1).clamp(min=0)

    def refresh(self, m, v):
        """One step of orthogonal iteration; second moments are reordered with their vectors."""
        image = self.covariance @ self.basis
        order = (self.basis * image).sum(1).argsort(descending=True)
        v.copy_(v.gather(self.axis, order.unsqueeze(3 - self.axis).expand_as(v)))
        self.turn(torch.linalg.qr(image.gather(2, order[:, None].expand_as(image)))[0], m)


class Blocks:
    """The same place of parameters of one shape, slots and gradients as views [n,rows,columns]; `m` and `v` are in the
    rotated basis."""

    def __init__(self, names, place, views, precision):
        self.names, self.place = names, place
        self.gradient, self.w, self.m, self.v, self.ema = views
        n, *shape = self.w.shape
        self.sides = [Side(axis, n, length, self.w.device, precision) for axis, length in zip((1, 2), shape)]

    def own_state(self):
        """What the slots do not hold, by kind: tensors whose first axis counts the parameters."""
        yield "m", self.m
        yield "v", self.v
        rows, columns = self.sides
        yield "left", rows.basis
        yield "right", columns.basis
        yield "rowCovariance", rows.covariance
        yield "columnCovariance", columns.covariance

    def move(self, adam, rate, decay, x, y):
        """Adam in the rotated basis, and back; x and y are scratch space of the shape of the weights, x for products."""
        rows, columns = (side.rounded for side in self.sides)
        y.copy_(torch.bmm(torch.bmm(rows.transpose(1, 2), self.gradient.to(x.dtype), out=x), columns))
        self.m.lerp_(y, 1 - adam["beta1"])
        self.v.mul_(adam["beta2"]).addcmul_(y, y, value=1 - adam["beta2"])
        torch.div(self.m, torch.sqrt(self.v, out=y).add_(adam["epsilon"]), out=y).mul_(rate)
        self.w.sub_(torch.bmm(torch.bmm(rows, y.to(x.dtype), out=x), columns.transpose(1, 2)))
        self.ema.sub_(self.w).mul_(decay).add_(self.w)

    def collect(self, kept):
        for side in self.sides:
            side.collect(self.gradient, kept)

    def start(self):
        """Eigenbases; second moments are those of the Kronecker product, not less than a tenth of their mean."""
        rows, columns = (side.start(self.m) for side in self.sides)
        v = rows[:, :, None] * columns[:, None] / (rows.sum(1)[:, None, None] + 1e-30)
        self.v.copy_(v + 0.1 * v.mean((1, 2), keepdim=True))

    def refresh(self):
        for side in self.sides:
            side.refresh(self.m, self.v)

    def moments(self, slot):
        """m or v in the basis of the weights; v as if the rotated coordinates were independent."""
        rows, columns = (side.basis if slot == "m" else side.basis.square() for side in self.sides)
        return rows @ getattr(self, slot) @ columns.transpose(1, 2)


class Soap(Adam):
    """SOAP for matrices, Adam for all other parameters.

    For the first COLLECTING_STEPS the bases are those of the weights, which is Adam; then bases and second moments
    follow from the covariances, and the rate rises anew over RAMP_STEPS, because the moments are only as good as the
    Kronecker product. `age` counts steps.
    """

    def __init__(self, run, device, precision=None):
        """Products of a step are made in `precision`, by default that of the weights."""
        super().__init__(run, device, lambda entry: entry[1] if is_rotated(entry[1]) else [])
        precisions = precision or self.flat["w"].dtype, self.flat["w"].dtype
        self.matrix_rate = torch.zeros(1, device=device)
        self.age = 0
        self.plain = sum(math.prod(shape) for shape in self.shapes.values() if not is_rotated(shape))
        self.groups, offset = [], self.plain
        rotated = [(name, shape) for name, shape in self.shapes.items() if is_rotated(shape)]
        for shape, alike in itertools.groupby(rotated, lambda entry: entry[1]):
            names, size = [name for name, _ in alike], math.prod(shape)
            places = list(itertools.product(*map(cuts, shape)))
            count = len(names)
            if device.type == "cpu":
                count = max(1, self.part * len(places) // size)
            for some in (names[first : first + count] for first in range(0, len(names), count)):
                end = offset + len(some) * size
                whole = [self.flat[slot][offset:end].view(-1, *shape) for slot in ("gradient", *SLOTS)]
                for place in places:
                    views = [view[(slice(None), *place)] for view in whole]
                    self.groups.append(Blocks(some, place, views, precisions[0]))
                offset = end
        largest = max((group.w.numel() for group in self.groups), default=0)
        self.scratch = [torch.zeros(largest, device=device, dtype=kind) for kind in precisions]

    def own_state(self):
        """(name, tensor) of what the slots do not hold; tensors of one name are parts of one array, in order."""
        for group in self.groups:
            for kind, tensors in group.own_state():
                for name, tensor in zip(group.names, tensors):
                    yield f"soap:{kind}:{name}", tensor

    def load(self, arrays):
        super().load(arrays)
        self.age = int(arrays.get("soap:age", [0])[0])
        if self.age == 0:
            for side in (side for group in self.groups for side in group.sides):
                side.restart()
            return
        taken = {}
        for name, tensor in self.own_state():
            start = taken.get(name, 0)
            taken[name] = start + tensor.numel()
            array = arrays.get(name)
            if array is None or array.size < taken[name]:
                raise mismatch(name, [taken[name]], array)
            tensor.copy_(torch.from_numpy(array[start : taken[name]].copy()).view(tensor.shape))
        for side in (side for group in self.groups for side in group.sides):
            side.rounded.copy_(side.basis)

    def slot(self, slot):
        if slot not in ("m", "v"):
            return super().slot(slot)
        found = {name: view.clone() for name, view in self.views[slot].items()}
        for group in self.groups:
            for name, block in zip(group.names, group.moments(slot)):
                found[name][group.place].copy_(block)
        return found

    def state(self):
        own = {}
        for name, tensor in self.own_state():
            own.setdefault(name, []).append(tensor.reshape(-1).cpu().numpy())
        own = {name: np.concatenate(parts) for name, parts in own.items()}
        return {**super().state(), "soap:age": np.array([self.age], np.float32), **own}

    def begin(self, rate, decay, step):
        super().begin(rate, decay, step)
        if self.age < COLLECTING_STEPS:
            self.matrix_rate.copy_(self.rate)
        else:
            self.matrix_rate.fill_(rate * min(1, (self.age + 1 - COLLECTING_STEPS) / RAMP_STEPS))

    def move(self, _):
        super().move(self.plain)
        for group in self.groups:
            x, y = (scratch[: group.w.numel()].view(group.w.shape) for scratch in self.scratch)
            group.move(self.adam, self.matrix_rate, self.decay, x, y)

    def end(self):
        """Covariances of a part of the groups, bases of another: no step is much slower than others."""
        self.age += 1
        for number, group in enumerate(self.groups, self.age):
            if number % COVARIANCE_EVERY == 0:
                seen = (self.age + 1) // COVARIANCE_EVERY
                collecting = self.age <= COLLECTING_STEPS
                group.collect(1 - 1 / seen if collecting else COVARIANCE_BETA**COVARIANCE_EVERY)
            if self.age == COLLECTING_STEPS:
                group.start()
            elif self.age > COLLECTING_STEPS and number % REFRESH_EVERY == 0:
                group.refresh()


def make_optimizer(run, device, precision=None):
    """The run's optimizer; SOAP makes the products of a step in `precision`, by default that of the weights."""
    if run["options"].get("optimizer", "adam") == "soap":
        return Soap(run, device, precision)
    return Adam(run, device)
