"""The files of a run folder, read and written with numpy only: ONNX graphs as src/graph/onnx/lower.ts writes them (ops
and attributes of the training graph, float32 and int64 constants as raw data), and safetensors of float32 and float16.
"""
import json
import os
import struct

import numpy as np

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
    try:
        with open(temporary, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
