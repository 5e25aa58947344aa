"""The whole of flow in race.py: a picture from a prompt, with the program that users run."""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import time

WORKFLOW = """flow: v1
name: race
version: 1.0.0
params:
  prompt: {type: string, default: "a futuristic castle surrounded by a forest"}
  seed:   {type: seed, default: 42}
models:
  sdxl: {path: %s}
numerics: {precision: bf16, device: cpu, edition: diffusers}
nodes:
  base: {kind: load-model, weights: $models.sdxl}
  text: {kind: encode-prompt, model: $base.model, prompt: $params.prompt, negative: "monochrome, lowres"}
  noise: {kind: noise, seed: $params.seed, width: 1024, height: 1024, rng: torch-cpu, dtype: fp32}
  latents:
    kind: denoise
    model: $base.model
    latents: $noise.latents
    conditioning: $text.conditioning
    solver: {name: ddim, steps: 1}
    guidance: {scale: 5.0}
  image: {kind: decode, model: $base.model, latents: $latents.latents}
outputs:
  picture: {from: $image.image, path: "out/race-${params.seed}.png"}
"""


class Whole:
    """Runs of `flow run --json` on a model folder, in a folder with a cache of its own."""

    def __init__(self, flow, model, work, threads):
        self.flow, self.threads, self.folder = flow, threads, work / "whole"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "race.flow.yaml"
        self.file.write_text(WORKFLOW % model.name)
        self.models = model.parent
        self.env = {**os.environ, "FLOW_CACHE_DIR": str(work / "cache")}

    def command(self, *flags):
        return [str(c) for c in (self.flow, "run", self.file, "--models", self.models, "--threads", self.threads, "--json", "--force", *flags)]

    def picture(self, seed, *flags):
        """A picture with one step: seconds, the greatest resident size in bytes, and how long each node took."""
        began = time.perf_counter()
        process = subprocess.Popen(self.command("-p", f"seed={seed}", "-p", f"prompt=castle {seed}", *flags), stdout=subprocess.PIPE, text=True, env=self.env)
        events = [json.loads(line) for line in process.stdout]
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"flow run ended with {process.returncode}: {events[-1:]}")
        nodes = {e["node"]: e.get("seconds", 0) for e in events if e["type"] == "node-done"}
        return {"seconds": time.perf_counter() - began, "peak_bytes": used.ru_maxrss * 1024, "nodes": nodes}

    def start(self, number):
        """Seconds from the start of the process until a text encoder has done its first operation; the run is ended then."""
        began = datetime.datetime.now(datetime.timezone.utc)
        command = self.command("-p", f"prompt=tower {number} of {began.isoformat()}")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.env) as process:
            for line in process.stdout:
                event = json.loads(line)
                if event["type"] == "node-progress" and event["node"] == "text":
                    process.send_signal(signal.SIGINT)
                    process.stdout.read()
                    return (datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")) - began).total_seconds()
        raise RuntimeError("flow run did not encode a prompt")
