"""Device memory: free bytes, out-of-memory errors and emptying the cache, for CUDA, MPS, XPU and CPU."""

from __future__ import annotations

import torch

# Messages of the CPU allocator on Linux and macOS, and on Windows.
_CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")


def free_memory(device: torch.device) -> int | None:
    """Free bytes on the device, PyTorch's unused reserve included; None where unknown, as on the CPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps" and hasattr(torch.mps, "recommended_max_memory"):
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch might work. MPS, DirectML and old drivers raise plain RuntimeErrors."""
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())
        or is_out_of_main_memory(error)
    )


def is_out_of_main_memory(error: BaseException) -> bool:
    """Whether the host's memory ran out, for which torch also raises a plain RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_OUT_OF_MEMORY)
    )


def free_cached_memory(device: torch.device) -> None:
    """Return PyTorch's unused reserve to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
