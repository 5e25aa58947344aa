"""Races flow against diffusers (as installed and with MKL on its Intel path), OpenVINO and stable-diffusion.cpp on the same files:

    python race.py MODEL WORK [--rows unet-512,vae-1024] [--peers openvino:fp32] [--pairs 7] [--others 3] [--threads 2] [--json FILE]

MODEL is made by internal/tools/goldens/fullsize.py. WORK holds what is made once for peers (docs/bench/README.md says how); a peer that is not there is left out
with a line that says so. In each row flow and one peer at a time have their model loaded and take turns; a first run of each does not count. The quickest
peer of a row gets --pairs turns, another one --others. The table at the end has medians and, in brackets, the least and the greatest of the ratios.
"""

import argparse
import json
import pathlib
import statistics

from contender import Missing, Stable
from machine import machine, versions
from whole import Whole

# Peers are listed with the one first that was the quickest before: another one that is quicker after --others turns gets all turns too.
ROWS = {
    "text": dict(title="both text encoders, two prompts, bf16", part="text", batch=2, size=1024, precision="bf16", peers=["openvino:bf16", "preload:bf16", "diffusers:bf16"]),
    "unet-512": dict(title="UNet, batch 2, 512x512, bf16", part="unet", batch=2, size=512, precision="bf16", peers=["openvino:bf16", "preload:bf16", "diffusers:bf16"]),
    "unet-1024": dict(title="UNet, batch 1, 1024x1024, bf16", part="unet", batch=1, size=1024, precision="bf16", peers=["openvino:bf16", "preload:bf16", "diffusers:bf16"]),
    "vae-1024": dict(title="VAE decode, 1024x1024, flow in fp32", part="vae", batch=1, size=1024, precision="fp32",
                     peers=["openvino:bf16", "preload:bf16", "diffusers:bf16", "preload:fp32", "openvino:fp32"]),
    "unet-1024-fp32": dict(title="UNet, batch 1, 1024x1024, fp32", part="unet", batch=1, size=1024, precision="fp32", peers=["preload:fp32", "diffusers:fp32"]),
}
ALONE = ["sdcpp", "start", "memory"]
NAMES = {"openvino": "OpenVINO", "preload": "diffusers, MKL preload", "diffusers": "diffusers"}


def say(*words):
    print(*words, flush=True)


def pairs(flow, peer, count, best):
    """Takes count turns, or all if the peer is no slower than the best so far: best(seconds) says how many in all."""
    flow.run(), peer.run()
    got = []
    while len(got) < (count if len(got) < count else best([p["seconds"] for p, _ in got])):
        got.append((peer.run(), flow.run()))
        say(f"  {len(got)}: peer {got[-1][0]['seconds']:.2f} s, flow {got[-1][1]['seconds']:.2f} s")
    return got


def race(stable, name, options, save):
    """The results of a row, one for each peer; save(results) is called after each."""
    row, results, least = ROWS[name], [], float("inf")
    for spec in options.peers.split(",") if options.peers else row["peers"]:
        kind, precision = spec.split(":")
        title = f"{NAMES[kind]} {precision}"
        say(f"{row['title']}: {title}")
        try:
            with stable.peer(spec, row) as peer, stable.flow(row) as flow:
                got = pairs(flow, peer, options.others, lambda seconds: options.pairs if statistics.median(seconds) <= least else options.others)
                results.append({"row": name, "title": row["title"], "peer": title, "pairs": got, "peer_peak": peer.peak, "flow_peak": flow.peak,
                                "peer_load": peer.about["load_seconds"], "versions": peer.about["versions"]})
                least = min(least, statistics.median([p["seconds"] for p, _ in got]))
                save(results)
        except Missing as why:
            say(f"  left out: {why}")
        except RuntimeError as why:
            say(f"  failed: {why}")
    return results


def table(results):
    say("\n| work | peer | pairs | peer | flow | peer / flow | by processor time | peer's peak | flow's peak |\n|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for r in results:
        cells = [r["title"], r["peer"], str(len(r["pairs"]))]
        cells += [f"{statistics.median([pair[i]['seconds'] for pair in r['pairs']]):.2f} s" for i in (0, 1)]
        for key in "seconds", "cpu_seconds":
            ratios = sorted(p[key] / f[key] for p, f in r["pairs"])
            cells.append(f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        say("| " + " | ".join(cells + [f"{r[key] / 1e9:.1f} GB" for key in ("peer_peak", "flow_peak")]) + " |")


def sdcpp(stable, options):
    """stable-diffusion.cpp, a run at a time: 512x512, one step with guidance, that is the UNet twice; and flow's parts after each."""
    say(f"stable-diffusion.cpp {options.sdcpp_type}, 512x512, one step with guidance")
    out = []
    try:
        for _ in range(options.sdcpp):
            said = {"type": options.sdcpp_type, **stable.sdcpp(512, 1, options.sdcpp_type)}
            for name in "unet-512", "text":
                with stable.flow(ROWS[name]) as flow:
                    flow.run()
                    said["flow " + name] = flow.run()["seconds"]
            out.append(said)
            say(f"  step {said['step']:.1f} s (flow {said['flow unet-512']:.2f}), text {said['text']:.2f} s (flow {said['flow text']:.3f}), "
                f"{said['start']:.1f} s from start to the encoding of prompts, peak {said['peak_bytes'] / 1e9:.1f} GB")
    except (Missing, RuntimeError) as why:
        say(f"  left out: {why}")
    return out


def start(whole, count=7):
    times = [whole.start(i) for i in range(count)]
    say(f"flow, start to first operation of a text encoder: median {statistics.median(times):.3f} s ({min(times):.3f} to {max(times):.3f}, {count} runs)")
    return times


def memory(whole, options):
    out = {}
    for i, (name, flags) in enumerate({"first run": [], "again": [], "--low-memory": ["--low-memory"]}.items()):
        try:
            out[name] = whole.picture(i, *flags)
        except RuntimeError as why:
            say(f"flow, 1024x1024, one step, {name}: failed: {why}")
            continue
        nodes = ", ".join(f"{n} {s:.2f}" for n, s in out[name]["nodes"].items())
        say(f"flow, 1024x1024, one step with guidance, {name}: {out[name]['seconds']:.1f} s, peak {out[name]['peak_bytes'] / 1e9:.2f} GB ({nodes})")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--rows", default=",".join([*ROWS, *ALONE]), help="of " + ", ".join([*ROWS, *ALONE]))
    parser.add_argument("--peers", help="these instead of a row's own, such as openvino:fp32,preload:fp32 where a processor has no bf16")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--others", type=int, default=3)
    parser.add_argument("--sdcpp", type=int, default=1, help="runs of stable-diffusion.cpp")
    parser.add_argument("--sdcpp-type", choices=["bf16", "f16"], default="bf16", help="its weights; f16 is quicker where a processor has no dot products of bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="write every sample to this file, after each race")
    options = parser.parse_args()
    rows = options.rows.split(",")
    for name in rows:
        if name not in ROWS and name not in ALONE:
            parser.error(f"row {name!r} is not one of {', '.join([*ROWS, *ALONE])}")
    stable = Stable(options.model.resolve(), options.work.resolve(), options.threads)
    whole = Whole(stable.work / "flow-cli", stable.model, stable.work, options.threads)
    document = {"machine": machine(), "threads": options.threads, "races": []}
    say(document["machine"])
    if "memory" in rows:
        document["memory"] = memory(whole, options)
    if "start" in rows:
        document["start"] = start(whole)

    def save(more):
        if options.json:
            options.json.write_text(json.dumps(document | {"races": document["races"] + more}, indent=1) + "\n")

    for name in rows:
        if name in ROWS:
            document["races"] += race(stable, name, options, save)
    if "sdcpp" in rows:
        document["sdcpp"] = sdcpp(stable, options)
    document["versions"] = versions(document["races"], stable)
    table(document["races"])
    say("\n" + ", ".join(f"{name} {version}" for name, version in document["versions"].items()))
    say(machine())
    save([])


if __name__ == "__main__":
    main()
