"""What a race ran on."""

import os
import pathlib
import platform
import subprocess

from contender import ROOT


def machine():
    """One line: processor, cores, memory, system, load."""
    model, bf16 = "unknown processor", False
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        if key.strip() == "flags":
            bf16 = "avx512_bf16" in value.split()
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) * 1024
    return (f"{model}, {len(os.sched_getaffinity(0))} cores {'with' if bf16 else 'without'} AVX512_BF16, {memory / 1e9:.0f} GB, "
            f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f}")


def first_line(command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def versions(races, stable):
    """Of flow, Go and the peers that ran."""
    out = {"flow": first_line(["git", "describe", "--always", "--dirty"], ROOT), "go": first_line(["go", "env", "GOVERSION"], ROOT), "python": platform.python_version()}
    for r in races:
        out |= r["versions"]
    if said := first_line([str(stable.work / "sdcpp" / "build" / "bin" / "sd-cli"), "--version"]):
        out["stable-diffusion.cpp"] = said
    return out
