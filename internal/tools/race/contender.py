"""Programs that take turns in race.py: one process each, a line in for a run, a line of JSON out."""

import json
import os
import pathlib
import subprocess
import sys

# MKL takes slower paths on processors of other makers; a library that answers 1 here, loaded first, has it take Intel's.
PRELOAD = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Missing(Exception):
    """A peer is not installed."""


class Contender:
    """A process that has its model loaded and waits for its turn."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.about = self.read()
        self.peak = self.about["peak_bytes"]

    def read(self):
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                said = json.loads(line)
                self.peak = said["peak_bytes"]
                return said
        raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")

    def run(self):
        """One run: seconds and cpu_seconds."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stable:
    """Makes contenders, and says which peers there are."""

    def __init__(self, model, work, threads):
        self.model, self.work, self.threads = model, work, threads
        work.mkdir(parents=True, exist_ok=True)
        for name, package in ("race", "./internal/tools/race"), ("flow-cli", "./cmd/flow"):
            subprocess.run(["go", "build", "-o", work / name, package], cwd=ROOT, check=True)

    def flow(self, row, threads=None):
        return Contender([self.work / "race", "-part", row["part"], "-batch", row["batch"], "-size", row["size"], "-precision", row["precision"],
                          "-threads", threads or self.threads, "-packed", self.work / "cache", self.model])

    def peer(self, name, row):
        """The peer of a row; name is diffusers, preload or openvino, a colon and a precision."""
        kind, precision = name.split(":")
        arguments = [row["part"], row["batch"], row["size"], precision, self.threads]
        if kind == "openvino":
            self.importable("openvino")
            folder = self.work / "openvino"
            if not (folder / "text_encoder_2.xml").exists():
                raise Missing(f"no {folder}: python {HERE / 'peer_openvino.py'} export {self.model} {folder}")
            return Contender([sys.executable, HERE / "peer_openvino.py", *arguments, folder])
        self.importable("diffusers")
        env = {"OMP_NUM_THREADS": str(self.threads)}
        if kind == "preload":
            env["LD_PRELOAD"] = str(self.preload())
        return Contender([sys.executable, HERE / "peer_diffusers.py", *arguments, self.model], env)

    def importable(self, module):
        if subprocess.run([sys.executable, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"]).returncode != 0:
            raise Missing(f"{sys.executable} has no {module}: see requirements.txt")

    def preload(self):
        """The library that has MKL take Intel's paths."""
        path = self.work / "preload.so"
        if not path.exists():
            try:
                subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", path, "-"], input=PRELOAD, text=True, check=True)
            except FileNotFoundError:
                raise Missing("no gcc to make the library for MKL") from None
        return path

    def sdcpp(self, size, steps, kind):
        """One run of stable-diffusion.cpp with weights of a kind, bf16 or f16."""
        program, file = self.work / "sdcpp" / "build" / "bin" / "sd-cli", self.work / f"sdcpp-{kind}.gguf"
        for path, how in (program, "see docs/bench/README.md"), (file, f"python {HERE / 'peer_sdcpp.py'} convert {program} {self.model} {file} {kind}"):
            if not path.exists():
                raise Missing(f"no {path}: {how}")
        out = subprocess.run([sys.executable, HERE / "peer_sdcpp.py", program, str(size), str(steps), str(self.threads), file], stdout=subprocess.PIPE, text=True)
        if out.returncode != 0:
            raise RuntimeError(f"stable-diffusion.cpp ended with {out.returncode}")
        return json.loads(out.stdout)
