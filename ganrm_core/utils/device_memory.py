"""How much memory a device has left, and what running out of it looks like, on every kind of device."""

from __future__ import annotations

import torch

# What the CPU's allocator says on Linux and macOS, and on Windows.
_MAIN_MEMORY_RAN_OUT = ("can't allocate memory", "not enough memory")


def free_memory(device: torch.device) -> int | None:
    """Bytes still to be had on the device, with what PyTorch keeps in reserve; None where it cannot be told.

    That is the processor too: it lends more than it has, and what runs there at once is little.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps" and hasattr(torch.mps, "recommended_max_memory"):
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch might have worked. MPS, DirectML and old drivers raise plain RuntimeErrors."""
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())
        or is_out_of_main_memory(error)
    )


def is_out_of_main_memory(error: BaseException) -> bool:
    """The same of the processor's own memory, where torch raises a plain RuntimeError too."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _MAIN_MEMORY_RAN_OUT)
    )


def free_cached_memory(device: torch.device) -> None:
    """Give what PyTorch keeps in reserve back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
