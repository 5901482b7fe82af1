"""What the machine has: its processor, the cores that may be used, its memory."""

import contextlib
import os
import platform
import re
from pathlib import Path


def processor_name() -> str:
    """Return the processor's name as its maker gives it, the architecture if the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_quota(group: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many cores' time the control group of this process grants it, None if it is not limited.

    As a container sees it: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files and, of version 1,
    https://docs.kernel.org/scheduler/sched-bwc.html.
    """
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((group / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    return int(quota) / int(period) if quota.strip().isdigit() else None


def memory_bytes() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_memory_bytes(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory that can be had now without taking it from others: the machine's, or the control group's.

    As a container sees it: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files.
    """
    free = memory_bytes()
    with contextlib.suppress(OSError, AttributeError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(found[1]) * 1024 if found else free
    with contextlib.suppress(OSError, ValueError):
        # "max" is no number: there is no limit.
        granted = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        free = min(free, max(granted, 0))
    return free
