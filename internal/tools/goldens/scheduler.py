"""Goldens of DDIM: timesteps, the alphas that each step uses and single steps, for many configurations.

ddim.json holds
  tables: for each beta schedule and number of training steps all of alphas_cumprod;
  cases: for each table, spacing, offset, set_alpha_to_one and number of steps the timesteps, the timestep that each
    goes to (timestep - training steps // steps, which is not always the next listed one; below zero: none, and
    final_alpha_cumprod is used), and alphas_cumprod at both;
  steps: x and model output in, the next x out, for the three kinds of prediction at some of a case's steps.
Lists of numbers are strings of numbers with blanks between. Floats are float32 values written as the shortest
decimal of the equal float64. "at" names the steps that previous and both lists of alphas are for: of more than 100
steps every 37th and the last two. "out_of_range" names the steps whose timestep the table lacks: the reference cannot do them.
"""

import itertools

import reference
import diffusers
import torch

TABLES = {
    "scaled_linear": dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, num_train_timesteps=1000),
    "linear": dict(beta_schedule="linear", beta_start=0.0001, beta_end=0.02, num_train_timesteps=1000),
    "linear_800": dict(beta_schedule="linear", beta_start=0.0005, beta_end=0.015, num_train_timesteps=800),
}
SPACINGS = ("leading", "trailing", "linspace")
COUNTS = (1, 2, 4, 7, 10, 30, 50, 1000)
PREDICTIONS = ("epsilon", "v_prediction", "sample")


def numbers(values):
    """A list of numbers as one string."""
    return " ".join(repr(value) for value in values)


def scheduler(table, **config):
    """The reference's DDIM without clipping, as Stable Diffusion XL uses it."""
    return diffusers.DDIMScheduler(**TABLES[table], clip_sample=False, **config)


def case(name, spacing, offset, to_one, count):
    """The timesteps and alphas of one configuration."""
    ddim = scheduler(name, timestep_spacing=spacing, steps_offset=offset, set_alpha_to_one=to_one)
    ddim.set_timesteps(count)
    timesteps = ddim.timesteps.tolist()
    train = ddim.config.num_train_timesteps
    before = [t - train // count for t in timesteps]
    at = list(range(len(timesteps)))
    if len(at) > 100:
        at = sorted({*at[::37], *at[-2:]})
    out = [i for i, t in enumerate(timesteps) if t >= train]
    at = [i for i in at if i not in out]
    alphas = [ddim.alphas_cumprod[timesteps[i]].item() for i in at]
    final = ddim.final_alpha_cumprod
    previous = [(ddim.alphas_cumprod[before[i]] if before[i] >= 0 else final).item() for i in at]
    row = {
        "table": name, "timestep_spacing": spacing, "steps_offset": offset, "set_alpha_to_one": to_one, "steps": count,
        "timesteps": numbers(timesteps), "at": numbers(at), "previous": numbers(before[i] for i in at),
        "alphas_cumprod": numbers(alphas), "alphas_cumprod_previous": numbers(previous), "final_alpha_cumprod": final.item(),
    }
    if out:
        row["out_of_range"] = numbers(out)
    return row, ddim, at


def step(row, prediction, index, x, output):
    """One step of the case, from x and the model's output."""
    ddim = scheduler(
        row["table"], timestep_spacing=row["timestep_spacing"], steps_offset=row["steps_offset"],
        set_alpha_to_one=row["set_alpha_to_one"], prediction_type=prediction,
    )
    ddim.set_timesteps(row["steps"])
    result = ddim.step(output, ddim.timesteps[index], x)
    return {
        "prediction_type": prediction, "index": index, "timestep": ddim.timesteps[index].item(),
        "x0": numbers(result.pred_original_sample.tolist()), "result": numbers(result.prev_sample.tolist()),
    }


def main():
    x, output = reference.noise((6,), 1), reference.noise((6,), 2)
    tables, cases, steps = {}, [], []
    for name, table in TABLES.items():
        tables[name] = {**table, "alphas_cumprod": numbers(scheduler(name).alphas_cumprod.tolist())}
    for name, spacing, offset, to_one, count in itertools.product(TABLES, SPACINGS, (0, 1), (True, False), COUNTS):
        if count == 1000 and TABLES[name]["num_train_timesteps"] < 1000:
            count = TABLES[name]["num_train_timesteps"]
        row, _, at = case(name, spacing, offset, to_one, count)
        cases.append(row)
        if count not in (1, 4, 30, 1000):
            continue
        for prediction in PREDICTIONS:
            for index in sorted({at[0], at[len(at) // 2], at[-1]}):
                steps.append({"case": len(cases) - 1, **step(row, prediction, index, x, output)})
    document = {"tables": tables, "cases": cases, "x": numbers(x.tolist()), "output": numbers(output.tolist()), "steps": steps}
    reference.save_json(reference.TESTDATA / "scheduler" / "ddim.json", document, __file__)


if __name__ == "__main__":
    main()
