"""The operators of the training graph as torch functions: elementwise ones, those that are computed in float32 in any
case, and the linear ones (convolutions and their gradients). Program says which of them run in half precision.

Images are [N,C,H,W] with channels last in memory, so that a 1x1 convolution is one matrix product.
"""
import math
import time

import torch
import torch.nn.functional as F

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
