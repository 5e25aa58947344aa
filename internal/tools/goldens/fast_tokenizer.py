"""Both tokenizers of the small model and of the unlike one as transformers 5 saves them: tokenizer.json in place of vocab.json and merges.txt."""

import pathlib
import shutil
import tempfile

from transformers import CLIPTokenizer

root = pathlib.Path(__file__).parents[3]
out = root / "internal/sdxl/tokenizer/testdata/fast"

for name, model in {"castle": "examples/castle/model", "oddball": "internal/sdxl/testdata/oddball/model"}.items():
    for part in ("tokenizer", "tokenizer_2"):
        with tempfile.TemporaryDirectory() as tmp:
            CLIPTokenizer.from_pretrained(root / model / part).save_pretrained(tmp)
            to = out / name / part
            to.mkdir(parents=True, exist_ok=True)
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copyfile(pathlib.Path(tmp) / file, to / file)
