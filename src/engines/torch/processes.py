"""The processes that train one run together, as torchrun starts them: who this one is, and means over all of them.

Every process holds weights and optimizer state, and makes the same update from the mean of all gradients; that keeps
them equal as long as they compute on the same kind of device. A process alone needs none of torch.distributed.
"""
import os

import torch


class Processes:
    """`rank` 0 is the one that prints, validates and saves."""

    def __init__(self):
        self.rank = int(os.environ.get("RANK", 0))
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        self.local_rank = int(os.environ.get("LOCAL_RANK", 0))
        self.fast = None

    @property
    def first(self):
        return self.rank == 0

    def device(self, name):
        """The device of this process: of several on one machine, every one has a GPU of its own."""
        if self.count == 1 or name == "cpu":
            return torch.device(name)
        if name != "cuda":
            raise ValueError(f"--device: expected cuda or cpu for {self.count} processes, got {name}")
        if self.local_rank >= torch.cuda.device_count():
            raise ValueError(
                f"--device: expected a GPU for every process of a machine, got {torch.cuda.device_count()} of them"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def rows(self, each, batch):
        """The rows of this process in a batch of which every process takes `each`."""
        if batch != self.count * each:
            raise ValueError(
                f"--batch: expected {self.count * each}, the {each} for which the graph was exported in each of "
                f"{self.count} processes, got {batch}"
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def join(self, device):
        """Meets the others: gloo carries what the CPU must know, nccl the tensors of GPUs."""
        if self.count == 1:
            return
        torch.distributed.init_process_group("gloo")
        self.fast = torch.distributed.new_group(backend="nccl") if device.type == "cuda" else None

    def leave(self):
        if self.count > 1:
            torch.distributed.destroy_process_group()

    def average(self, tensor):
        """Puts the mean over all processes in place of a tensor of the device; the same bits in all of them."""
        if self.count > 1:
            torch.distributed.all_reduce(tensor, group=self.fast)
            tensor.div_(self.count)

    def any(self, flag):
        """Whether the flag is set in one of them: what all decide must be decided alike."""
        if self.count == 1:
            return bool(flag)
        found = torch.tensor(float(bool(flag)))
        torch.distributed.all_reduce(found)
        return bool(found > 0)
