#!/usr/bin/env python3
"""Trains a run folder with PyTorch: on GPUs, in bfloat16, on a machine without Node.

    python3 run.py DIR --minutes 9 --device cuda --precision bf16 --out OUT    trains by itself
    python3 run.py DIR --out OUT --resume                                      goes on from the checkpoint in OUT
    torchrun --nproc-per-node 4 run.py DIR --batch 32 --out OUT                trains in four processes, a GPU each
    python3 run.py DIR --serve                                                 makes steps that Node asks for

A run folder is written by src/training/run-folder.ts. It holds the graph of one training step as ONNX (step.onnx:
data and weights in, metrics and gradients out; the crops of one process and their size are fixed), run.json
(configuration, schedule, shapes), state.safetensors (weights, moments, averages) and, for training alone, packed
pictures. Needs torch and numpy only.

Several processes share every batch: each makes the gradients of its rows, all make the same update from their mean. N
processes on a graph exported for B crops train exactly as one does on a graph for N*B crops, and --batch is N*B.

Precision bf16 keeps weights, optimizer, likelihoods and reductions in float32; convolutions, and the tensors
between them, are bfloat16 (see Program). The parts of this file: steps, serving, training, command line.
"""
import argparse
import glob
import json
import math
import os
import signal
import struct
import sys
import time



def is_machine_busy():
    """Whether others wanted the cores in the last minute; taken for granted where the system does not say."""
    try:
        return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
    except (AttributeError, OSError):
        return True


# Threads that wait give their core to others, which is much faster where cores are shared. Where they are not, a short spin
# before that saves a third of a step: thousands of small operations would each wait for a thread to wake up.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if not is_machine_busy():
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# The files beside this one may lie in a folder that is not to be changed.
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
import torch  # noqa: E402
from files import read_safetensors, write_safetensors  # noqa: E402
from optimizer import make_optimizer  # noqa: E402
from processes import Processes  # noqa: E402
from program import Program  # noqa: E402
from sampling import Sampler, read_pictures, set_rate_points  # noqa: E402

# ------------------------------------------------------------------------------------------------ steps


class Stepper:
    """Whole training steps: program and optimizer on one device, on CUDA replayed as captured graphs.

    The inputs are static tensors: copy a batch into `inputs`, then call. A step is one part; of several processes it is
    two, and between them the gradients are averaged.
    """

    def __init__(self, folder, run, device, precision, cuda_graph, processes):
        half = torch.bfloat16 if precision == "bf16" else None
        self.data_shapes = run["dataShapes"]
        self.program = Program(os.path.join(folder, "step.onnx"), self.data_shapes, device, half)
        self.optimizer = make_optimizer(run, device, half)
        self.inputs = {name: empty_input(shape, device) for name, shape in self.data_shapes.items()}
        self.processes = processes
        self.parts = [self.compute] if processes.count == 1 else [self.differentiate, self.update]
        self.capture_wanted = cuda_graph and device.type == "cuda"

    def differentiate(self):
        """Metrics; the gradients go to the optimizer."""
        results = self.program({**self.optimizer.views["w"], **self.inputs})
        gradients = {name[len("gradient:") :]: g for name, g in results.items() if name.startswith("gradient:")}
        self.optimizer.take(gradients)
        return {name: value for name, value in results.items() if not name.startswith("gradient:")}

    def update(self):
        return {"gradientNorm": self.optimizer.update()}

    def compute(self):
        return {**self.differentiate(), **self.update()}

    def capture(self):
        """Records the parts of a step as CUDA graphs. Warm-up changes weights and state, so they are put back."""
        saved = {slot: flat.clone() for slot, flat in self.optimizer.flat.items()}
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    for part in self.parts:
                        part()
            torch.cuda.current_stream().wait_stream(stream)
            torch.cuda.synchronize()
            return [captured(part) for part in self.parts]
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
                self.parts = self.capture()
            except RuntimeError as error:
                print(f"run.py: no CUDA graph, {one_line(error)}", file=sys.stderr, flush=True)
        first, *rest = self.parts
        metrics = first()
        for part in rest:
            self.processes.average(self.optimizer.flat["gradient"])
            metrics = {**metrics, **part()}
        self.optimizer.end()
        return metrics


def captured(function):
    """A function without operands as a CUDA graph; returns the function that replays it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = function()

    def replay():
        graph.replay()
        return results

    return replay


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
    # What stops a whole group of processes (Ctrl-C, timeout, systemd) is for the other process, which then wants the state.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
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


# ------------------------------------------------------------------------------------------------ training


def learning_rate_at(schedule, step):
    """As in src/training/schedule.ts: warm-up, plateau, cosine decay."""
    rate = schedule["learningRate"] * min(1, (step - schedule["restart"]) / schedule["warmup"])
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
    paths = [os.path.join(folder, f"checkpoint-{number}.safetensors") for number in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts):
        write_safetensors(f"{path}.new", part, {**metadata, "parts": str(len(parts))})
    # All at once, as nearly as can be: parts of different steps are of no use.
    for path in paths:
        os.replace(f"{path}.new", path)


def read_checkpoint(folder):
    """Arrays and metadata of the newer of both forms of a checkpoint in a folder; None where there is none."""
    found = []
    for pattern in ("checkpoint.safetensors", "checkpoint-*.safetensors"):
        paths = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        files = [read_safetensors(path) for path in paths]
        steps = sorted({metadata["step"] for _, metadata in files})
        if len(steps) > 1:
            raise ValueError(f"expected parts of one step in {folder}, got those of steps {', '.join(steps)}")
        if files:
            found.append(({name: array for arrays, _ in files for name, array in arrays.items()}, files[0][1]))
    return max(found, key=lambda one: int(one[1]["step"]), default=None)


def resume(run, arguments):
    """Arrays to go on from: the exported ones or, with --resume, those of the checkpoint that an earlier call left."""
    out = arguments.out or arguments.folder
    found = None if arguments.serve else read_checkpoint(out)
    if found and not arguments.resume:
        raise ValueError(
            f"{out} holds a run already, at step {found[1]['step']}; go on from it with --resume or name another --out"
        )
    if arguments.resume and not found:
        raise ValueError(f"--resume: expected a checkpoint in {out}, found none")
    exported = read_safetensors(os.path.join(arguments.folder, "state.safetensors"))
    arrays, metadata = found or exported
    run["checkpointKind"] = exported[1]["kind"]
    before = {"config": json.loads(metadata["config"]), **json.loads(metadata["options"])}
    for key, value in {"config": run["config"], **run["options"]}.items():
        if found and key not in ("steps", "learningRate", "restart") and before.get(key) != value:
            raise ValueError(f"--resume: expected the run of this folder in {out}, got one with another {key}")
    run["step"] = int(metadata["step"])
    # Without moments (--half) the optimizer starts anew, and the rate rises again from there.
    if found and not any(name.startswith("m:") for name in arrays):
        run["options"]["restart"] = run["schedule"]["restart"] = run["step"]
    elif found and "restart" in before:
        run["options"]["restart"] = run["schedule"]["restart"] = before["restart"]
    return arrays


class Progress:
    """Means of the metrics since the last line, over steps and processes."""

    def __init__(self, processes):
        self.processes = processes
        self.restart()

    def restart(self):
        self.sums, self.counted, self.since = {}, 0, time.monotonic()

    def add(self, metrics):
        for name, value in metrics.items():
            mean = value.mean()
            self.sums[name] = self.sums[name] + mean if name in self.sums else mean
        self.counted += 1

    def line(self, step, minutes):
        """One line of text for the steps up to this one; all processes must ask for it together."""
        totals = torch.stack(list(self.sums.values())) / self.counted
        self.processes.average(totals)
        means = dict(zip(self.sums, totals.tolist()))
        if not math.isfinite(means["loss"]):
            raise ValueError(f"expected a finite loss, got {means['loss']} before step {step}")
        each = (time.monotonic() - self.since) / self.counted * 1000
        self.restart()
        return (
            f"step {step} loss {means['loss']:.6f} rate {means['rate']:.4f} "
            f"psnr {-10 * math.log10(means['distortion']):.2f} norm {means['gradientNorm']:.3f} "
            f"{each:.1f} ms/step {minutes:.2f} min"
        )


def train(stepper, run, arguments, rows):
    """Trains until the schedule, the time or SIGTERM ends it; the state is saved now and then and at the end."""
    folder, out, started = arguments.folder, arguments.out or arguments.folder, time.monotonic()
    device, schedule, processes = stepper.optimizer.rate.device, run["schedule"], stepper.processes
    sampler = Sampler(folder, run, device, rows)
    wanted = processes.first and run.get("validation")
    validation = Validation(folder, run, device) if wanted else None
    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(True))

    def minutes():
        return (time.monotonic() - started) / 60

    def say(line):
        if processes.first:
            print(line, flush=True)

    def validate(step):
        if validation:
            say(f"validation step {step} {validation(stepper.optimizer.views['ema'])}")

    def save(step):
        # The loss is only looked at now and then; what it has spoilt meanwhile must not take the place of a good checkpoint.
        if not torch.isfinite(stepper.optimizer.flat["w"]).all():
            raise ValueError(f"expected finite weights to save, got others after step {step}")
        if processes.first:
            os.makedirs(out, exist_ok=True)
            save_checkpoint(out, run, stepper.optimizer, step, arguments.half)
            say(f"saved step {step} to {out} after {minutes():.1f} min")

    step, next_save = run["step"], arguments.save_minutes
    if processes.count > 1:
        say(f"{processes.count} processes, {run['options']['batch']} crops together")
    validate(step)
    progress = Progress(processes)
    while step < schedule["steps"] and not processes.any(stopped or minutes() >= arguments.minutes):
        step += 1
        sampler.fill(stepper.inputs, step)
        progress.add(stepper(learning_rate_at(schedule, step), ema_decay_at(schedule, step), step))
        if step % arguments.print_every == 0 or step == schedule["steps"]:
            say(progress.line(step, minutes()))
        if processes.first and minutes() >= next_save:
            save(step)
            validate(step)
            next_save = minutes() + arguments.save_minutes
    save(step)
    validate(step)


# ------------------------------------------------------------------------------------------------ command line


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Trains a run folder with PyTorch. In several processes: torchrun --nproc-per-node N run.py DIR",
    )
    parser.add_argument("folder")
    parser.add_argument("--serve", action="store_true", help="make the steps that another process asks for")
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="cpu, cuda, cuda:1; with cuda every process of torchrun takes a GPU of its own",
    )
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 leaves the choice to torch")
    parser.add_argument(
        "--compile", action="store_true", help="have torch compile the step, which takes a C++ compiler and minutes once"
    )
    parser.add_argument("--cuda-graph", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", help="folder of the checkpoints; the run folder by default")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of training, then save and end")
    parser.add_argument("--steps", type=int, help="length of the schedule, instead of the exported one")
    parser.add_argument("--learning-rate", type=float, help="instead of the exported one")
    parser.add_argument(
        "--batch", type=int, help="crops of all processes together: each takes as many as the graph was exported for"
    )
    parser.add_argument("--save-minutes", type=float, default=3, help="between checkpoints")
    parser.add_argument("--print-every", type=int, default=100, help="steps between lines of progress")
    parser.add_argument("--half", action="store_true", help="save weights and average only, as float16")
    parser.add_argument("--trace", action="store_true", help="show where an error came from")
    return parser.parse_args()


def apply_overrides(run, arguments):
    options = run["options"]
    if arguments.batch is not None:
        options["batch"] = arguments.batch
    for key, value in (("steps", arguments.steps), ("learningRate", arguments.learning_rate)):
        if value is not None:
            options[key] = run["schedule"][key] = value


def main(processes):
    arguments = parse_arguments()
    if arguments.serve and processes.count > 1:
        raise ValueError(f"--serve: expected one process, got {processes.count}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with open(os.path.join(arguments.folder, "run.json"), encoding="utf-8") as file:
        run = json.load(file)
    apply_overrides(run, arguments)
    rows = processes.rows(run["dataShapes"]["x"][0], run["options"]["batch"])
    arrays = resume(run, arguments)
    device = processes.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    # The few float32 products of a bf16 run need more than bf16's 8 bits, not all of float32's 24.
    torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "bf16"
    torch.backends.cudnn.allow_tf32 = arguments.precision == "bf16"
    if arguments.precision == "bf16" and device.type == "cuda":
        # Gradients of weights are sums over all positions: keep partial sums in float32.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    stepper = Stepper(arguments.folder, run, device, arguments.precision, arguments.cuda_graph, processes)
    if arguments.compile:
        stepper.program.compile()
    stepper.optimizer.load(arrays)
    if arguments.serve:
        serve(stepper, run)
        return
    processes.join(device)
    train(stepper, run, arguments, rows)
    processes.leave()


if __name__ == "__main__":
    this = Processes()
    try:
        main(this)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
    except Exception as error:
        if "--trace" in sys.argv:
            raise
        place = f" process {this.rank + 1} of {this.count}:" if this.count > 1 else ""
        sys.exit(f"run.py:{place} {one_line(error)}")
