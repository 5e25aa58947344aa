"""How a peer of race.py answers: a line of JSON when its model is loaded, then one for each line that it reads."""

import json
import resource
import sys
import time


def peak_bytes():
    """The most memory that this process has had resident."""
    with open("/proc/self/status") as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def answer(name, versions, started, run):
    """Says that the model is there and runs run() for each line of the input."""
    print(json.dumps({"name": name, "versions": versions, "load_seconds": time.perf_counter() - started, "peak_bytes": peak_bytes()}), flush=True)
    for _ in sys.stdin:
        began, used = time.perf_counter(), processor_seconds()
        run()
        print(json.dumps({"seconds": time.perf_counter() - began, "cpu_seconds": processor_seconds() - used, "peak_bytes": peak_bytes()}), flush=True)
