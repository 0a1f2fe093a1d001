"""An ONNX graph of one training step as a list of torch calls, and what is computed in which precision."""
import numpy as np
import torch
from files import read_onnx
from operations import ELEMENTWISE, EXACT, LINEAR, function_of, linear_function


class Program:
    """An ONNX graph as a list of torch calls.

    In half precision (`half` is a torch dtype) the type of every tensor follows from four rules:
    1. A convolution whose output meets an activation or its gradient reads and writes half, and so does one whose
       output nothing reads but such convolutions and gradients of weights and biases; so does every other one whose
       input is half. Their float32 weights are rounded on the way; gradients of weights leave as float32.
       Elementwise operators keep the type of their operands; what is mixed becomes float32.
    2. Sums of two images of one shape are float32, and so are convolutions of them that no activation follows: the
       residual streams and the linear path through the network are exact, branches are half. Rounding the streams
       cost 1 % of the loss and turned the gradient by 30 to 70 degrees; it is 5 degrees now.
    3. Functions with a steep or curved shape (EXACT) read and write float32; sums over axes are float32.
    4. What such a function or a comparison with a data input reads must not have been rounded to half before:
       backwards from there, through operators that only add, scale or move, up to the convolution that made it,
       everything is float32, that convolution included. So latents, their scales and the reconstruction are exact,
       and those few layers are the price.
    """

    def __init__(self, path, data_names, device, half=None):
        nodes, constants, self.inputs, self.outputs = read_onnx(path)
        nodes = needed_nodes(nodes, self.outputs)
        self.half = half
        self.constants = {}
        numbers = {}
        for name, array in constants.items():
            if array.dtype == np.int64:
                numbers[name] = array.tolist()
            else:
                self.constants[name] = torch.from_numpy(array.copy()).to(device)
                if array.ndim == 0:
                    self.constants[as_float(name)] = float(array)
        precise = must_be_precise(nodes, data_names, constants) if half else set()
        self.rounded = rounded_outputs(nodes, self.outputs, precise)
        last_use = {name: at for at, node in enumerate(nodes) for name in node.inputs}
        kept = {*self.outputs, *constants}
        self.calls = []
        for at, node in enumerate(nodes):
            operands = [name for name in node.inputs if name not in numbers]
            freed = [name for name in dict.fromkeys(operands) if last_use[name] == at and name not in kept]
            if node.op in ELEMENTWISE or node.op in EXACT or node.op == "Clip":
                operands = [as_float(n) if as_float(n) in self.constants else n for n in operands]
            function = self.call_of(node, [numbers[n] for n in node.inputs if n in numbers], precise)
            self.calls.append((function, operands, node.outputs[0], freed))

    def call_of(self, node, numbers, precise):
        if node.op in EXACT:
            function = EXACT[node.op]
            if not self.half:
                return function
            return lambda *x: function(*(t.float() if torch.is_tensor(t) else t for t in x))
        if node.op not in LINEAR:
            return function_of(node, numbers)
        function = linear_function(node)
        if not self.half:
            return function
        if node.op.endswith("FilterGradient"):
            return lambda x, dy: function(x.to(self.half), dy.to(self.half)).float()
        output = node.outputs[0]
        kind = self.half if output in self.rounded else torch.float32 if output in precise else None

        def apply(x, *weights):
            return function(x.to(kind or x.dtype), *(w.to(kind or x.dtype) for w in weights))

        return apply

    def __call__(self, feeds):
        """Outputs by name for inputs by name; feeds may hold more than is needed."""
        return dict(zip(self.outputs, self.run(*[feeds[name] for name in self.inputs])))

    def compile(self):
        """Lets torch make code of the calls, which joins what runs over the same numbers. The first call waits for that."""
        self.run = torch.compile(self.run, dynamic=False, fullgraph=True)

    def run(self, *inputs):
        """Outputs in order for inputs in order."""
        values = dict(self.constants)
        values.update(zip(self.inputs, inputs))
        for function, operands, output, freed in self.calls:
            values[output] = function(*[values[name] for name in operands])
            for name in freed:
                del values[name]
        return tuple(values[name] for name in self.outputs)


def as_float(name):
    """Under this name a rank-0 constant is held as a Python number, which elementwise functions take faster."""
    return f"{name} as float"


def needed_nodes(nodes, outputs):
    """The nodes that the outputs depend on, in order."""
    needed, result = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            result.append(node)
    return result[::-1]


def rounded_outputs(nodes, outputs, precise):
    """Names of the outputs of convolutions that rule 1 of Program makes half whatever their input is."""
    rounded = {node.inputs[0] for node in nodes if node.op in ("LeakyRelu", "codec.LeakyReluGradient")} - precise
    read_exactly = {*outputs, *precise}
    for node in reversed(nodes):
        output = node.outputs[0]
        if node.op == "Conv" and output not in read_exactly:
            rounded.add(output)
        if node.op.endswith("FilterGradient") or node.op == "ReduceSum":
            continue
        rounds = node.op == "Conv" and output in rounded
        read_exactly.update(node.inputs[1:] if rounds else node.inputs)
    return rounded


def must_be_precise(nodes, data_names, constants):
    """Names of the tensors of rule 4 of Program."""
    given = set(data_names)
    for node in nodes:
        tensors = [name for name in node.inputs if name not in constants]
        if node.op not in LINEAR and node.op not in EXACT and given.issuperset(tensors):
            given.update(node.outputs)
    precise = set()
    for node in reversed(nodes):
        if node.op in LINEAR:
            continue
        reads_data = node.op in ("Add", "Sub", "Mul") and given.intersection(node.inputs)
        passes = node.op != "ReduceSum" and precise.intersection(node.outputs)
        if node.op in EXACT or reads_data or passes:
            precise.update(node.inputs)
    return precise
