#!/usr/bin/env python3
"""Trains a run folder with PyTorch: on a GPU, in bfloat16, on a machine without Node.

    python3 run.py DIR --minutes 9 --device cuda --precision bf16 --out OUT    trains by itself
    python3 run.py DIR --serve                                                 makes steps that Node asks for

A run folder is written by src/training/run-folder.ts. It holds the graph of one training step as ONNX (step.onnx:
data and weights in, metrics and gradients out; batch and crop are fixed), run.json (configuration, schedule, shapes),
state.safetensors (weights, moments, averages) and, for training alone, packed pictures. Needs torch and numpy only.

Precision bf16 keeps weights, optimizer, likelihoods and reductions in float32; convolutions, and the tensors
between them, are bfloat16 (see Program). Images are held with channels last, so that a 1x1 convolution is one matrix
product. The parts of this file: ONNX, safetensors, operations, program, optimizer, sampling, training, serving.
"""
import argparse
import json
import math
import os
import signal
import struct
import sys
import time
import zlib

# Threads that wait give their core to others: ten times faster where the cores are shared with other programs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The files beside this one may lie in a folder that is not to be changed.
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from optimizer import make_optimizer  # noqa: E402

# ------------------------------------------------------------------------------------------------ reading ONNX


def varint(data, at):
    """The protobuf varint at `at`, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """Yields (field number, value) of a protobuf message; messages, strings and floats as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at) if key & 7 == 2 else (8 if key & 7 == 1 else 4, at)
            value = data[at : at + length]
            at += length
        yield key >> 3, value


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def read_attribute(data):
    """AttributeProto as (name, float, whole number, string or list of whole numbers)."""
    name, value, numbers = "", None, []
    for field, content in fields(data):
        if field == 1:
            name = bytes(content).decode()
        elif field == 2:
            value = struct.unpack("<f", content)[0]
        elif field == 3:
            value = signed(content)
        elif field == 4:
            value = bytes(content).decode()
        elif field == 8:
            numbers.append(signed(content))
    return name, numbers if value is None else value


class Node:
    """One operator call; `op` is prefixed with its domain where that is not the standard one."""

    def __init__(self, data):
        self.inputs, self.outputs, self.attributes = [], [], {}
        op = domain = ""
        for field, content in fields(data):
            if field == 1:
                self.inputs.append(bytes(content).decode())
            elif field == 2:
                self.outputs.append(bytes(content).decode())
            elif field == 4:
                op = bytes(content).decode()
            elif field == 5:
                name, value = read_attribute(content)
                self.attributes[name] = value
            elif field == 7:
                domain = bytes(content).decode()
        self.op = f"{domain}.{op}" if domain else op


def read_tensor(data):
    """TensorProto with raw float32 or int64 data as (name, array)."""
    shape, kind, name, raw = [], 1, "", b""
    for field, content in fields(data):
        if field == 1:
            shape.append(content)
        elif field == 2:
            kind = content
        elif field == 8:
            name = bytes(content).decode()
        elif field == 9:
            raw = content
    return name, np.frombuffer(raw, {1: "<f4", 7: "<i8"}[kind]).reshape(shape)


def read_onnx(path):
    """Nodes in order, initialisers by name, names of inputs and of outputs."""
    with open(path, "rb") as file:
        data = memoryview(file.read())
    graph = next(value for field, value in fields(data) if field == 7)
    nodes, constants, inputs, outputs = [], {}, [], []
    for field, content in fields(graph):
        if field == 1:
            nodes.append(Node(content))
        elif field == 5:
            name, array = read_tensor(content)
            constants[name] = array
        elif field in (11, 12):
            name = bytes(next(value for number, value in fields(content) if number == 1)).decode()
            (inputs if field == 11 else outputs).append(name)
    return nodes, constants, inputs, outputs


# ------------------------------------------------------------------------------------------------ safetensors

DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def read_safetensors(path):
    """Arrays by name and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


def write_safetensors(path, arrays, metadata):
    """Writes float32 or float16 arrays; the file appears complete or not at all."""
    header, offset = {"__metadata__": metadata}, 0
    for name, array in arrays.items():
        kind = "F16" if array.dtype == np.float16 else "F32"
        span = [offset, offset + array.nbytes]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": span}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# ------------------------------------------------------------------------------------------------ operations


def rows_of(image):
    """[N,C,H,W] seen as [N,H,W,C]: no copy where channels are last in memory."""
    return image.permute(0, 2, 3, 1)


def image_of(rows):
    return rows.permute(0, 3, 1, 2)


def space_to_depth(x, block):
    n, c, h, w = x.shape
    split = rows_of(x).reshape(n, h // block, block, w // block, block, c)
    return image_of(split.permute(0, 1, 3, 2, 4, 5).reshape(n, h // block, w // block, block * block * c))


def depth_to_space(x, block):
    n, c, h, w = x.shape
    c //= block * block
    split = rows_of(x).reshape(n, h, w, block, block, c)
    return image_of(split.permute(0, 1, 3, 2, 4, 5).reshape(n, h * block, w * block, c))


def pad_image(x, pads):
    """Zeros around an image; pads are [top, left, bottom, right]."""
    top, left, bottom, right = pads
    return F.pad(x, [left, right, top, bottom]) if any(pads) else x


def pad(x, amounts):
    """ONNX order (all before, all after) to that of torch (last axis first)."""
    rank = len(amounts) // 2
    return F.pad(x, [n for axis in reversed(range(rank)) for n in (amounts[axis], amounts[axis + rank])])


def slice_axes(x, starts, ends, axes, steps):
    for start, end, axis, step in zip(starts, ends, axes, steps):
        if step < 0:
            if (start, step) != (-1, -1) or end > -x.shape[axis]:
                raise NotImplementedError("Slice: of negative steps only the reversal of a whole axis")
            x = x.flip(axis)
        else:
            place = [slice(None)] * x.dim()
            place[axis] = slice(start, min(end, x.shape[axis]), step)
            x = x[tuple(place)]
    return x


def convolve(x, weights, bias, attributes):
    pads = attributes.get("pads", [0, 0, 0, 0])
    groups, strides = attributes.get("group", 1), attributes.get("strides", [1, 1])
    if weights.shape[2:] == (1, 1) and groups == 1 and strides == [1, 1] and not any(pads):
        return image_of(F.linear(rows_of(x), weights.flatten(1), bias))
    if pads[:2] != pads[2:]:
        x, pads = pad_image(x, pads), [0, 0, 0, 0]
    return F.conv2d(x, weights, bias, strides, pads[:2], 1, groups)


def convolve_transposed(dy, weights, attributes):
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    extra = attributes.get("output_padding", [0, 0])
    strides = attributes.get("strides", [1, 1])
    if min(extra) < 0 or (top, left) != (bottom, right):
        # Rows that no output reaches have no gradient: make the whole, then cut and pad.
        whole = F.conv_transpose2d(dy, weights, None, strides)
        return F.pad(whole, [-left, extra[1] - right, -top, extra[0] - bottom])
    return F.conv_transpose2d(dy, weights, None, strides, (top, left), extra)


def filter_gradient(x, dy, shape, strides, pads, groups):
    """Gradient of a convolution with respect to its weights of the given shape."""
    if pads[:2] != pads[2:]:
        x, pads = pad_image(x, pads), [0, 0, 0, 0]
    weights = dy.new_zeros(1).expand(shape)
    mask = [False, True, False]
    return torch.ops.aten.convolution_backward(
        dy, x, weights, None, strides, pads[:2], [1, 1], False, [0, 0], groups, mask
    )[1]


def pointwise_filter_gradient(x, dy):
    """dY^T X over all positions of all samples: [O,I]."""
    return torch.mm(rows_of(dy).reshape(-1, dy.shape[1]).t(), rows_of(x).reshape(-1, x.shape[1]))


def depthwise_gradient_by_library(x, dy, kh, kw):
    c = x.shape[1]
    gradient = filter_gradient(x, dy, (c, 1, kh, kw), [1, 1], [kh // 2, kw // 2] * 2, c)
    return gradient.reshape(c, kh, kw)


def depthwise_gradient_by_taps(x, dy, kh, kw):
    """One product and sum per tap: slow on a CPU, but some GPU libraries are slower still."""
    h, w = x.shape[2:]
    padded = pad_image(x, [kh // 2, kw // 2, kh // 2, kw // 2])
    taps = [
        (padded[:, :, i : i + h, j : j + w] * dy).sum((0, 2, 3), dtype=torch.float32)
        for i in range(kh)
        for j in range(kw)
    ]
    return torch.stack(taps, 1).reshape(-1, kh, kw)


fastest_known = {}


def depthwise_filter_gradient(x, dy, kh, kw):
    """On CUDA the faster of both ways, found by timing on first use for every shape (before any graph capture)."""
    if not x.is_cuda:
        return depthwise_gradient_by_library(x, dy, kh, kw)
    key = (x.shape, x.dtype, kh, kw)
    if key not in fastest_known:
        ways = (depthwise_gradient_by_library, depthwise_gradient_by_taps)
        fastest_known[key] = min(ways, key=lambda way: seconds_of(way, x, dy, kh, kw))
    return fastest_known[key](x, dy, kh, kw)


def seconds_of(function, *operands):
    for _ in range(3):
        function(*operands)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        function(*operands)
    torch.cuda.synchronize()
    return time.perf_counter() - started


def sum_axes(x, axes, keep):
    """Sums are always accumulated and returned in float32."""
    return x.sum(axes or list(range(x.dim())), keepdim=keep, dtype=torch.float32)


def maximum(a, b):
    if isinstance(b, float):
        return a.clamp(min=b)
    return b.clamp(min=a) if isinstance(a, float) else torch.maximum(a, b)


def minimum(a, b):
    if isinstance(b, float):
        return a.clamp(max=b)
    return b.clamp(max=a) if isinstance(a, float) else torch.minimum(a, b)


def of_one_type(function):
    """Elementwise function of two operands; a small one (a bias, a gain) takes the type of the large one."""

    def apply(a, b):
        if torch.is_tensor(a) and torch.is_tensor(b) and a.dtype != b.dtype:
            if a.numel() < b.numel():
                a = a.to(b.dtype)
            elif b.numel() < a.numel():
                b = b.to(a.dtype)
        return function(a, b)

    return apply


def add(a, b):
    """Sums of two images of one shape, which residual streams are made of, are float32 (rule 2 of Program)."""
    if torch.is_tensor(a) and torch.is_tensor(b) and a.dim() == 4 and a.shape == b.shape:
        return a.float() + b
    return of_one_type(lambda a, b: a + b)(a, b)


# Operators without attributes. Those of EXACT take and give float32 whatever the precision of the run.
ELEMENTWISE = {
    "Identity": lambda x: x,
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Relu": torch.relu,
    "codec.Sign": torch.sign,
    "Add": add,
    "Sub": of_one_type(lambda a, b: a - b),
    "Mul": of_one_type(lambda a, b: a * b),
    "Max": of_one_type(maximum),
    "Min": of_one_type(minimum),
    "codec.GreaterEqual": of_one_type(lambda a, b: (a >= b).to(a.dtype if torch.is_tensor(a) else b.dtype)),
}
EXACT = {
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Softplus": F.softplus,
    "Round": torch.round,
    "Div": lambda a, b: a / b,
    "MatMul": torch.matmul,
    # Q(x) = erfc(x / sqrt 2) / 2 keeps its relative precision in the tail.
    "codec.NormalTail": lambda x: torch.erfc(x * math.sqrt(0.5)) * 0.5,
}
LINEAR = {
    "Conv",
    "ConvTranspose",
    "codec.PointwiseFilterGradient",
    "codec.DepthwiseFilterGradient",
    "codec.ConvFilterGradient",
}


def function_of(node, numbers):
    """The function of an operator that is neither EXACT nor LINEAR; `numbers` are its whole-number operands."""
    op, attributes = node.op, node.attributes
    if op in ELEMENTWISE:
        return ELEMENTWISE[op]
    if op == "LeakyRelu":
        return lambda x: F.leaky_relu(x, attributes["alpha"])
    if op == "codec.LeakyReluGradient":
        return lambda dy, y: torch.ops.aten.leaky_relu_backward(dy, y.to(dy.dtype), attributes["alpha"], True)
    if op == "HardSigmoid":
        return lambda x: (x * attributes["alpha"] + attributes["beta"]).clamp(0, 1)
    if op == "Clip":
        return lambda x, low=None, high=None: x.clamp(low, high)
    if op == "ReduceSum":
        return lambda x: sum_axes(x, numbers[0], bool(attributes["keepdims"]))
    if op == "Reshape":
        return lambda x: x.reshape(numbers[0])
    if op == "Transpose":
        return lambda x: x.permute(attributes["perm"])
    if op == "Expand":
        return lambda x: x.expand(numbers[0])
    if op == "Concat":
        return lambda *parts: torch.cat(parts, attributes["axis"])
    if op == "Pad":
        return lambda x: pad(x, numbers[0])
    if op == "Slice":
        steps = numbers[3] if len(numbers) > 3 else [1] * len(numbers[0])
        return lambda x: slice_axes(x, *numbers[:3], steps)
    if op == "SpaceToDepth":
        return lambda x: space_to_depth(x, attributes["blocksize"])
    if op == "DepthToSpace" and attributes["mode"] == "DCR":
        return lambda x: depth_to_space(x, attributes["blocksize"])
    raise NotImplementedError(f"expected an operator that it knows, got {op}")


def linear_function(node):
    """The function of a LINEAR operator: of an image, then weights and bias or another image, all of one type."""
    op, attributes = node.op, node.attributes
    kernel, pads = attributes.get("kernel_shape"), attributes.get("pads")
    if op == "Conv":
        return lambda x, weights, bias=None: convolve(x, weights, bias, attributes)
    if op == "ConvTranspose":
        return lambda dy, weights: convolve_transposed(dy, weights, attributes)
    if op == "codec.PointwiseFilterGradient":
        return pointwise_filter_gradient
    if op == "codec.DepthwiseFilterGradient":
        return lambda x, dy: depthwise_filter_gradient(x, dy, *kernel)
    return lambda x, dy: filter_gradient(
        x, dy, (dy.shape[1], x.shape[1], *kernel), attributes["strides"], pads, 1
    )


# ------------------------------------------------------------------------------------------------ program


class Program:
    """An ONNX graph as a list of torch calls.

    In half precision (`half` is a torch dtype) the type of every tensor follows from four rules:
    1. A convolution whose output meets an activation or its gradient reads and writes half; so does every other one
       whose input is half. Their float32 weights are rounded on the way; gradients of weights leave as float32.
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
        self.activated = {node.inputs[0] for node in nodes if node.op in ("LeakyRelu", "codec.LeakyReluGradient")}
        last_use = {name: at for at, node in enumerate(nodes) for name in node.inputs}
        kept = {*self.outputs, *constants}
        self.calls = []
        for at, node in enumerate(nodes):
            operands = [name for name in node.inputs if name not in numbers]
            freed = [name for name in dict.fromkeys(operands) if last_use[name] == at and name not in kept]
            if node.op in ELEMENTWISE or node.op in EXACT or node.op == "Clip":
                operands = [as_float(n) if as_float(n) in self.constants else n for n in operands]
            function = self.compile(node, [numbers[n] for n in node.inputs if n in numbers], precise)
            self.calls.append((function, operands, node.outputs[0], freed))

    def compile(self, node, numbers, precise):
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
        kind = torch.float32 if output in precise else self.half if output in self.activated else None

        def apply(x, *weights):
            return function(x.to(kind or x.dtype), *(w.to(kind or x.dtype) for w in weights))

        return apply

    def __call__(self, feeds):
        """Outputs by name for inputs by name; feeds may hold more than is needed."""
        values = dict(self.constants)
        for name in self.inputs:
            values[name] = feeds[name]
        for function, operands, output, freed in self.calls:
            values[output] = function(*[values[name] for name in operands])
            for name in freed:
                del values[name]
        return {name: values[name] for name in self.outputs}


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


# ------------------------------------------------------------------------------------------------ steps


class Stepper:
    """Whole training steps: program and optimizer on one device, on CUDA replayed as one captured graph.

    The inputs are static tensors: copy a batch into `inputs`, then call. Data-parallel training would average the
    gradients between the two lines of `compute`.
    """

    def __init__(self, folder, run, device, precision, cuda_graph):
        half = torch.bfloat16 if precision == "bf16" else None
        self.data_shapes = run["dataShapes"]
        self.program = Program(os.path.join(folder, "step.onnx"), self.data_shapes, device, half)
        self.optimizer = make_optimizer(run, device)
        self.inputs = {name: empty_input(shape, device) for name, shape in self.data_shapes.items()}
        self.captured = None
        self.capture_wanted = cuda_graph and device.type == "cuda"

    def compute(self):
        results = self.program({**self.optimizer.views["w"], **self.inputs})
        gradients = {name[len("gradient:") :]: g for name, g in results.items() if name.startswith("gradient:")}
        norm = self.optimizer.update(gradients)
        metrics = {name: value for name, value in results.items() if not name.startswith("gradient:")}
        return {**metrics, "gradientNorm": norm}

    def capture(self):
        """Records one step as a CUDA graph. Warm-up changes weights and state, so they are put back."""
        saved = {slot: flat.clone() for slot, flat in self.optimizer.flat.items()}
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.compute()
            torch.cuda.current_stream().wait_stream(stream)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                metrics = self.compute()
            return graph, metrics
        finally:
            for slot, flat in self.optimizer.flat.items():
                flat.copy_(saved[slot])
            torch.cuda.synchronize()

    @torch.no_grad()
    def __call__(self, rate, decay, step):
        """Makes the 1-based step on `inputs`; metrics stay on the device, valid until the next call."""
        self.optimizer.begin(rate, decay, step)
        if self.capture_wanted:
            self.capture_wanted = False
            try:
                self.captured = self.capture()
            except RuntimeError as error:
                print(f"run.py: no CUDA graph, {one_line(error)}", file=sys.stderr, flush=True)
        if self.captured:
            graph, metrics = self.captured
            graph.replay()
        else:
            metrics = self.compute()
        self.optimizer.end()
        return metrics


def empty_input(shape, device):
    """A float32 tensor for a data input, images with channels last."""
    tensor = torch.zeros(shape, device=device)
    return tensor.to(memory_format=torch.channels_last) if len(shape) == 4 else tensor


def one_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# ------------------------------------------------------------------------------------------------ serving


def numbers_of(tensor):
    """A metric as JSON: a number or a list, null for what is not finite."""
    values = tensor.detach().float().cpu().reshape(-1).tolist()
    values = [value if math.isfinite(value) else None for value in values]
    return values if tensor.dim() else values[0]


def read_frame(stream):
    """(header, payload): two uint32 lengths, a JSON header, bytes. None at the end of the stream."""
    lengths = stream.read(8)
    if len(lengths) < 8:
        return None
    header, payload = struct.unpack("<II", lengths)
    return json.loads(stream.read(header)), stream.read(payload)


def write_frame(stream, header):
    text = json.dumps(header).encode()
    stream.write(struct.pack("<II", len(text), 0) + text)
    stream.flush()


def serve(stepper, run):
    """Answers the requests of src/engines/torch.ts on stdin until it ends.

    {do: step, rate, decay, step} with all data inputs as float32 in the order of dataShapes -> metrics
    {do: save, path, slots} -> {} once the slots, or the whole state without them, lie in that safetensors file
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, which then wants the state.
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What libraries print must not mix with answers.
    write_frame(answers, {"ready": torch.__version__})
    for header, payload in iter(lambda: read_frame(requests), None):
        if header["do"] == "save":
            optimizer, slots = stepper.optimizer, header.get("slots")
            write_safetensors(header["path"], optimizer.arrays(slots) if slots else optimizer.state(), {})
            write_frame(answers, {})
            continue
        values, offset = np.frombuffer(bytearray(payload), "<f4"), 0
        for name, shape in stepper.data_shapes.items():
            size = math.prod(shape)
            stepper.inputs[name].copy_(torch.from_numpy(values[offset : offset + size]).view(shape))
            offset += size
        metrics = stepper(header["rate"], header["decay"], header["step"])
        write_frame(answers, {name: numbers_of(value) for name, value in metrics.items()})


# ------------------------------------------------------------------------------------------------ sampling


def unpack_picture(data, height, width):
    """Inverse of packPicture (src/training/packed-pictures.ts): the [height,width,3] picture of a packed one."""
    picture = np.frombuffer(zlib.decompress(data), np.uint8).reshape(3, height, width)
    picture = picture.cumsum(2, dtype=np.uint8).transpose(1, 2, 0).copy()
    picture[..., 0] += picture[..., 1]
    picture[..., 2] += picture[..., 1]
    return picture


def read_pictures(folder, index):
    """The pictures of an index of run.json."""
    pictures = []
    with open(os.path.join(folder, "pictures.bin"), "rb") as file:
        for entry in index:
            file.seek(entry["offset"])
            pictures.append(unpack_picture(file.read(entry["length"]), entry["height"], entry["width"]))
    return pictures


def set_rate_points(inputs, qualities, rate):
    """The rate inputs of a batch as setRatePoint (src/training/batches.ts) makes them; `rate` is from run.json."""
    qualities = np.asarray(qualities, np.float64)
    rows = np.arange(len(qualities))
    position = qualities * (rate["ratePoints"] - 1) / 100
    lower = np.minimum(np.floor(position).astype(int), rate["ratePoints"] - 2)
    hat = np.zeros((len(qualities), rate["ratePoints"]), np.float32)
    hat[rows, lower] = 1 - (position - lower)
    hat[rows, lower + 1] = position - lower
    weight = rate["lambdaRange"] ** ((qualities - 50) / 100 * rate["weightExponent"])
    lagrangian = rate["lambdaAtZero"] * rate["lambdaRange"] ** (qualities / 100)
    for name, values in (("hat", hat), ("lambda", lagrangian), ("weight", weight)):
        inputs[name].copy_(torch.from_numpy(values.astype(np.float32)))


class Sampler:
    """Draws batches on the device: everything follows from the run's seed and the step's number.

    All pictures lie in one flat tensor of bytes; a batch of crops is one lookup in it.
    """

    def __init__(self, folder, run, device):
        pictures = read_pictures(folder, run["pictures"])
        if not pictures:
            raise ValueError(f"expected pictures to train on in {folder}, the folder has none")
        self.sizes = np.array([picture.shape[:2] for picture in pictures])
        self.offsets = np.cumsum([0, *(picture.size for picture in pictures[:-1])])
        self.bytes = torch.from_numpy(np.concatenate([p.reshape(-1) for p in pictures])).to(device)
        self.seed, self.rate, self.side = run["options"]["seed"], run["rate"], run["options"]["crop"]
        self.generator = torch.Generator(device)
        self.along = torch.arange(self.side, device=device)
        self.colours = torch.arange(3, device=device)

    def fill(self, inputs, step):
        """Writes the batch of step number `step` into the data inputs."""
        random = np.random.default_rng((self.seed, step))
        count = len(inputs["lambda"])
        # Stratified: one quality in each of `count` equal parts of [0,100].
        set_rate_points(inputs, 100 * (np.arange(count) + random.random(count)) / count, self.rate)
        chosen = random.integers(len(self.sizes), size=count)
        top, left = (random.random((count, 2)) * (self.sizes[chosen] - self.side + 1)).astype(int).T
        mirrored = random.random(count) < 0.5
        first_column = np.where(mirrored, left + self.side - 1, left)
        width = self.sizes[chosen, 1]
        numbers = np.stack([self.offsets[chosen], top, first_column, 1 - 2 * mirrored, width])
        offset, top, column, direction, width = torch.from_numpy(numbers).to(self.bytes.device)[..., None]
        rows = (top + self.along) * width
        columns = column + direction * self.along
        places = offset[..., None] + 3 * (rows[:, :, None] + columns[:, None, :])
        crops = self.bytes[places[..., None] + self.colours]
        inputs["x"].copy_(image_of(crops)).div_(255)
        self.generator.manual_seed(self.seed * 1_000_003 + step)
        for name, tensor in inputs.items():
            if name.startswith("noise."):
                tensor.uniform_(-0.5, 0.5, generator=self.generator)


# ------------------------------------------------------------------------------------------------ training


def learning_rate_at(schedule, step):
    """As in src/training/schedule.ts: warm-up, plateau, cosine decay."""
    rate = schedule["learningRate"] * min(1, step / schedule["warmup"])
    decay_start = schedule["steps"] * (1 - schedule["decayPart"])
    if step <= decay_start:
        return rate
    progress = min(1, (step - decay_start) / max(1, schedule["steps"] - decay_start))
    final = schedule["finalPart"]
    return rate * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def ema_decay_at(schedule, step):
    return min(schedule["emaDecay"], (1 + step) / (10 + step))


class Validation:
    """The objective on rounded latents, with the averaged weights, in float32; as src/training/validation.ts."""

    def __init__(self, folder, run, device):
        self.qualities = run["validation"]["qualities"]
        pictures = read_pictures(folder, run["validation"]["pictures"])
        self.pictures = [torch.from_numpy(p).permute(2, 0, 1).to(device) / 255 for p in pictures]
        shapes = run["validation"]["dataShapes"]
        self.inputs = {name: empty_input(shape, device) for name, shape in shapes.items()}
        self.program = Program(os.path.join(folder, "validation.onnx"), shapes, device)
        set_rate_points(self.inputs, self.qualities, run["rate"])

    @torch.no_grad()
    def __call__(self, weights):
        """One line of text: mean loss, then bits per pixel and PSNR of every quality."""
        losses, rates, psnrs = [], [], []
        for picture in self.pictures:
            self.inputs["x"].copy_(picture.expand_as(self.inputs["x"]))
            result = self.program({**weights, **self.inputs})
            losses.append(result["loss"])
            rates.append(result["rate"])
            psnrs.append(-10 * result["distortion"].log10())
        loss, rate, psnr = (torch.stack(values).mean(0).tolist() for values in (losses, rates, psnrs))
        points = [f"q{q:g} {bpp:.4f} bpp {db:.2f} dB" for q, bpp, db in zip(self.qualities, rate, psnr)]
        return f"loss {loss:.4f}; " + ", ".join(points)


FILE_LIMIT = 15 * 2**20


def save_checkpoint(folder, run, optimizer, step, half):
    """Writes checkpoint.safetensors as src/training/checkpoint.ts does.

    With `half`, weights and average alone as float16, in files checkpoint-1.safetensors ... of at most FILE_LIMIT bytes.
    """
    texts = {key: json.dumps(run[key], separators=(",", ":")) for key in ("config", "options")}
    metadata = {"kind": run["checkpointKind"], **texts, "step": str(step)}
    if not half:
        write_safetensors(os.path.join(folder, "checkpoint.safetensors"), optimizer.state(), metadata)
        return
    parts, room = [], 0
    for name, array in optimizer.arrays(("w", "ema"), np.float16).items():
        if array.nbytes > room:
            parts.append({})
            room = FILE_LIMIT
        parts[-1][name] = array
        room -= array.nbytes
    for number, part in enumerate(parts, 1):
        path = os.path.join(folder, f"checkpoint-{number}.safetensors")
        write_safetensors(path, part, {**metadata, "parts": str(len(parts))})


def train(stepper, run, arguments):
    """Trains until the schedule, the time or SIGTERM ends it; the state is saved now and then and at the end."""
    folder, out, started = arguments.folder, arguments.out or arguments.folder, time.monotonic()
    os.makedirs(out, exist_ok=True)
    device, schedule = stepper.optimizer.rate.device, run["schedule"]
    sampler = Sampler(folder, run, device)
    validation = Validation(folder, run, device) if run.get("validation") else None
    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(True))

    def minutes():
        return (time.monotonic() - started) / 60

    def validate(step):
        if validation:
            print(f"validation step {step} {validation(stepper.optimizer.views['ema'])}", flush=True)

    def save(step):
        save_checkpoint(out, run, stepper.optimizer, step, arguments.half)
        print(f"saved step {step} to {out} after {minutes():.1f} min", flush=True)

    step, next_save = run["step"], arguments.save_minutes
    sums, counted, since = {}, 0, time.monotonic()
    validate(step)
    while step < schedule["steps"] and minutes() < arguments.minutes and not stopped:
        step += 1
        sampler.fill(stepper.inputs, step)
        metrics = stepper(learning_rate_at(schedule, step), ema_decay_at(schedule, step), step)
        for name, value in metrics.items():
            mean = value.mean()
            sums[name] = sums[name] + mean if name in sums else mean
        counted += 1
        if step % arguments.print_every == 0 or step == schedule["steps"]:
            means = {name: float(total) / counted for name, total in sums.items()}
            if not math.isfinite(means["loss"]):
                raise ValueError(f"expected a finite loss, got {means['loss']} before step {step}")
            print(
                f"step {step} loss {means['loss']:.4f} rate {means['rate']:.4f} "
                f"psnr {-10 * math.log10(means['distortion']):.2f} norm {means['gradientNorm']:.3f} "
                f"{(time.monotonic() - since) / counted * 1000:.1f} ms/step {minutes():.2f} min",
                flush=True,
            )
            sums, counted, since = {}, 0, time.monotonic()
        if minutes() >= next_save:
            save(step)
            validate(step)
            next_save = minutes() + arguments.save_minutes
    save(step)
    validate(step)


# ------------------------------------------------------------------------------------------------ command line


def parse_arguments():
    parser = argparse.ArgumentParser(description="Trains a run folder with PyTorch.")
    parser.add_argument("folder")
    parser.add_argument("--serve", action="store_true", help="make the steps that another process asks for")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 leaves the choice to torch")
    parser.add_argument("--cuda-graph", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", help="folder of the checkpoints; the run folder by default")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of training, then save and end")
    parser.add_argument("--steps", type=int, help="length of the schedule, instead of the exported one")
    parser.add_argument("--learning-rate", type=float, help="instead of the exported one")
    parser.add_argument("--batch", type=int, help="must be the exported one: the graph is made for it")
    parser.add_argument("--save-minutes", type=float, default=3, help="between checkpoints")
    parser.add_argument("--print-every", type=int, default=100, help="steps between lines of progress")
    parser.add_argument("--half", action="store_true", help="save weights and average only, as float16")
    parser.add_argument("--trace", action="store_true", help="show where an error came from")
    return parser.parse_args()


def apply_overrides(run, arguments):
    options = run["options"]
    if arguments.batch not in (None, options["batch"]):
        raise ValueError(
            f"--batch: expected {options['batch']}, for which the graph was exported, got {arguments.batch}"
        )
    for key, value in (("steps", arguments.steps), ("learningRate", arguments.learning_rate)):
        if value is not None:
            options[key] = run["schedule"][key] = value


def main():
    arguments = parse_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with open(os.path.join(arguments.folder, "run.json"), encoding="utf-8") as file:
        run = json.load(file)
    apply_overrides(run, arguments)
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    # The few float32 products of a bf16 run need more than bf16's 8 bits, not all of float32's 24.
    torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "bf16"
    torch.backends.cudnn.allow_tf32 = arguments.precision == "bf16"
    if arguments.precision == "bf16" and device.type == "cuda":
        # Gradients of weights are sums over all positions: keep partial sums in float32.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    stepper = Stepper(arguments.folder, run, device, arguments.precision, arguments.cuda_graph)
    arrays, metadata = read_safetensors(os.path.join(arguments.folder, "state.safetensors"))
    run["checkpointKind"] = metadata["kind"]
    stepper.optimizer.load(arrays)
    if arguments.serve:
        serve(stepper, run)
    else:
        train(stepper, run, arguments)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
    except Exception as error:
        if "--trace" in sys.argv:
            raise
        sys.exit(f"run.py: {one_line(error)}")
