"""Pictures of a run folder and the batches drawn from them, as src/training/batches.ts does with other random numbers.

Every draw follows from the run's seed, the step's number and the sample's place in the batch of all processes together,
so a process that takes some rows of a batch trains on what one process with the whole batch has in those rows.
"""
import os
import zlib

import numpy as np
import torch


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


def lanczos(length, wanted, device):
    """The [wanted,length] matrix that scales `length` samples down: a Lanczos window of three lobes, as in Node."""
    factor = length / wanted
    centres = (torch.arange(wanted, device=device) + 0.5) * factor - 0.5
    distance = (torch.arange(length, device=device) - centres[:, None]) / factor
    weights = torch.sinc(distance) * torch.sinc(distance / 3) * (distance.abs() < 3)
    return weights / weights.sum(1, keepdim=True)


class Sampler:
    """Draws batches on the device.

    `rows` is the slice of a batch that this process trains on. A crop is scaled down half of the time, by 0.6 to 1.0
    (the run's leastScale): it is taken that much larger, as far as the picture reaches.
    """

    def __init__(self, folder, run, device, rows):
        pictures = read_pictures(folder, run["pictures"])
        if not pictures:
            raise ValueError(f"expected pictures to train on in {folder}, the folder has none")
        self.sizes = np.array([picture.shape[:2] for picture in pictures])
        self.pictures = [torch.from_numpy(picture).to(device) for picture in pictures]
        options = run["options"]
        self.seed, self.batch, self.side = options["seed"], options["batch"], options["crop"]
        self.rate, self.least_scale, self.rows = run["rate"], run["leastScale"], rows
        self.generator = torch.Generator(device)

    def crop(self, picture, top, left, side, mirrored):
        """A square of a picture at the size of crops: [3,crop,crop], whole numbers 0 to 255 as float32."""
        crop = self.pictures[picture][top : top + side, left : left + side].permute(2, 0, 1).float()
        if side > self.side:
            scale = lanczos(side, self.side, crop.device)
            crop = (scale @ crop @ scale.t()).round().clamp(0, 255)
        return crop.flip(2) if mirrored else crop

    def fill(self, inputs, step):
        """Writes this process's rows of the batch of step number `step` into the data inputs."""
        random, count = np.random.default_rng((self.seed, step)), self.batch
        # Stratified: one quality in each of `count` equal parts of [0,100].
        qualities = 100 * (np.arange(count) + random.random(count)) / count
        chosen = random.integers(len(self.sizes), size=count)
        scale = self.least_scale + random.random(count) * (1 - self.least_scale)
        scale[random.random(count) < 0.5] = 1
        side = np.minimum(self.sizes[chosen].min(1), np.round(self.side / scale).astype(int))
        places = (random.random((count, 2)) * (self.sizes[chosen] - side[:, None] + 1)).astype(int)
        mirrored = random.random(count) < 0.5
        set_rate_points(inputs, qualities[self.rows], self.rate)
        for place, row in enumerate(range(count)[self.rows]):
            crop = self.crop(chosen[row], *places[row], side[row], mirrored[row])
            inputs["x"][place].copy_(crop).div_(255)
        self.generator.manual_seed(self.seed * 1_000_003 + step)
        for name, tensor in inputs.items():
            if name.startswith("noise."):
                whole = torch.empty((count, *tensor.shape[1:]), device=tensor.device)
                tensor.copy_(whole.uniform_(-0.5, 0.5, generator=self.generator)[self.rows])
