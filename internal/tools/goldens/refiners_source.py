"""Makes a checkout of Refiners importable: REFINERS names its src folder.

    git clone https://github.com/finegrain-ai/refiners && git -C refiners checkout 720a91a
    pip install --no-deps jaxtyping==0.3.11 wadler-lindig==0.1.8
    REFINERS=$PWD/refiners/src python refiners_keys.py

Its conversion package wants to import segment-anything, matplotlib and onnx for recipes that are not used here, and all of it wants to be installed. So
the package is entered from the side: nothing of it is changed, and only the modules that are asked for are run.
"""

import importlib
import importlib.metadata
import os
import sys
import types

import reference  # noqa: F401  (before torch)

COMMIT = "720a91a9e459802cee9a8c9b4b7dafa34f619db5"
SRC = os.environ.get("REFINERS") or sys.exit("REFINERS must name the src folder of a checkout of Refiners at " + COMMIT[:7])

_version = importlib.metadata.version
importlib.metadata.version = lambda name: "0.4.0+" + COMMIT[:7] if name == "refiners" else _version(name)
sys.path.insert(0, SRC)

for _name in ("refiners.conversion", "refiners.conversion.models"):
    _package = types.ModuleType(_name)
    _package.__path__ = [os.path.join(SRC, *_name.split("."))]
    sys.modules[_name] = _package


def recipes(name):
    """The module of recipes refiners.conversion.models.NAME."""
    return importlib.import_module("refiners.conversion.models." + name)


def versions(script):
    """Who made a golden, with the commit of Refiners."""
    return reference.versions(script) | {"refiners": COMMIT}
