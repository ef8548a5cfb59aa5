"""Run a command and write what it cost: ``python -I -S costing.py DESCRIPTOR PROGRAM ARGUMENT...``.

A process of its own, and a small one: what a process takes of memory counts for those that it starts.
"""

import os
import sys
import time


def main(descriptor: int, command: list[str]) -> None:
    """Write the exit status, seconds of wall time and of the processor, and MiB of memory at the peak."""
    began = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    processor, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    told = f"{os.waitstatus_to_exitcode(status)} {seconds} {processor} {peak}"
    os.write(descriptor, told.encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
