"""stable-diffusion.cpp as a peer of race.py: peer_sdcpp.py SD_CLI SIZE STEPS THREADS FILE renders once and prints what its log says, as JSON; FILE is what

    python peer_sdcpp.py convert SD_CLI MODEL FILE TYPE

has made of diffusers' model. Its linear layers are quickest in bf16 on a processor with dot products of bf16, and in f16 on one with AVX2 alone. The picture is
not decoded: the program is ended after sampling.
"""

import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time


def merge(files, path):
    """Joins safetensors files, each with a function that renames its tensors: their data one after the other, under one header."""
    header, parts, at = {}, [], 0
    for file, rename in files:
        with open(file, "rb") as f:
            size, = struct.unpack("<Q", f.read(8))
            entries = json.loads(f.read(size))
        entries.pop("__metadata__", None)
        for name, entry in entries.items():
            header[rename(name)] = {**entry, "data_offsets": [at + o for o in entry["data_offsets"]]}
        parts.append((file, 8 + size))
        at += file.stat().st_size - 8 - size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for file, start in parts:
            with open(file, "rb") as f:
                f.seek(start)
                while block := f.read(1 << 24):
                    out.write(block)


def prefixed(prefix):
    return lambda name: prefix + name


def encoder(i):
    """Names of a text encoder as single files have them; transformers leaves text_model out where there is no projection."""
    return lambda name: f"conditioner.embedders.{i}.transformer." + (name if name.startswith("text_") else "text_model." + name)


def convert(program, model, path, kind):
    """Writes one file for all parts: first with the names by which the program knows them, then by the program itself with weights of that kind."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        single = pathlib.Path(place) / "model.safetensors"
        files = [(shard, prefixed("unet.")) for shard in sorted((model / "unet").glob("*.safetensors"))]
        files += [(model / "vae" / "diffusion_pytorch_model.safetensors", prefixed("vae."))]
        files += [(model / name / "model.safetensors", encoder(i)) for i, name in enumerate(("text_encoder", "text_encoder_2"))]
        merge(files, single)
        subprocess.run([program, "-M", "convert", "--model", single, "--type", kind, "-o", path], check=True, stdout=subprocess.DEVNULL)


def peak_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


TOOK = {  # what the log says of the time that each took
    "text": re.compile(r"get_learned_condition completed, taking ([0-9.]+)\s*s"), "sampling": re.compile(r"sampling completed, taking ([0-9.]+)\s*s"),
    "load": re.compile(r"loading tensors completed, taking ([0-9.]+)\s*s"),
}


def eager(program):
    """The flag by which newer versions load all weights at the start, as older ones always do."""
    told = subprocess.run([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return ["--eager-load"] if "--eager-load" in told else []


def render(program, size, steps, threads, path):
    """One run: seconds of both text encoders with two prompts, of a step (the UNet twice), until the prompts were there, and the peak of memory."""
    command = [program, "--model", path, "-p", "a futuristic castle surrounded by a forest", "-n", "monochrome, lowres", "-H", size, "-W", size, "--steps", steps,
               "--cfg-scale", "5", "--sampling-method", "euler", "-t", threads, *eager(program), "-v", "-o", "/dev/null"]
    started, said, lines = time.perf_counter(), {}, []
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            lines.append(line)
            for key, pattern in TOOK.items():
                if match := pattern.search(line):
                    said[key] = said.get(key, 0) + float(match[1])
                    if key == "text":
                        said["start"] = time.perf_counter() - started - said["text"]
            if "sampling" in said:
                said["peak_bytes"] = peak_bytes(process)
                process.terminate()
                break
    if "sampling" not in said:
        raise RuntimeError("stable-diffusion.cpp did not sample:\n" + "".join(lines[-20:]))
    said["step"] = said.pop("sampling") / int(steps)
    return said


def main():
    if sys.argv[1] == "convert":
        return convert(*(pathlib.Path(p).resolve() for p in sys.argv[2:5]), sys.argv[5])
    print(json.dumps(render(*sys.argv[1:])))


if __name__ == "__main__":
    main()
