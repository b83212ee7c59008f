"""What the reference scripts share: weights, and CLIP's kind of vocabulary."""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

# More of them wait for one another longer than they work on networks this small.
torch.set_num_threads(1)

START, END = "<|startoftext|>", "<|endoftext|>"
# Words that have tokens of their own; all else is spelt.
WORDS = ["electron", "micrograph", "virions", "negative", "stain"]


def drawn(model, seed):
    """Every weight drawn anew, so that no path is nothing or itself by accident: norms near 1, biases near 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(model.named_parameters()):
        noise = torch.randn(weight.shape, generator=generator)
        if weight.ndim > 1:
            weight.copy_(noise / weight[0].numel() ** 0.5)
        elif name.endswith("weight"):
            weight.copy_(1 + 0.1 * noise)
        else:
            weight.copy_(0.05 * noise)
    return model.eval()


def watched(unpacked=lambda latents: latents):
    """What a pipeline is to call after every step, and the latents that it then had, to be filled."""
    seen = []

    def note(_pipeline, _step, _time, now):
        seen.append(unpacked(now["latents"]))
        return {}

    return note, seen


def clip_vocabulary(folder):
    """CLIP's kind of tokens, as vocab.json and merges.txt; and themselves."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    for word in WORDS:
        parts = list(word[:-1]) + [word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = ["".join(parts[:2])]
    merges = list(dict.fromkeys(merges))
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens)) + [START, END]
    vocab = {token: i for i, token in enumerate(tokens)}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return vocab, merges


def save(pipeline, folder):
    """As `save_pretrained` does it, but for the tokenizers, which stand there as the models on the hub have them."""
    words = {file: file.read_bytes() for file in folder.glob("tokenizer*/*")}
    pipeline.save_pretrained(folder)
    for file in folder.glob("tokenizer*/*"):
        file.unlink()
    for file, content in words.items():
        file.write_bytes(content)


def asked():
    """The folder that the test made, and what it put there: the request, the noise, the picture and the mask."""
    directory = Path(sys.argv[1])
    request = json.loads((directory / "request.json").read_text())
    noise = load_file(directory / "noise.safetensors")["noise"]
    picture = Image.open(directory / "picture.png").convert("RGB")
    return directory, request, noise, picture, Image.open(directory / "mask.png").convert("L")


def keep(directory, name, stages):
    """For the test to compare with."""
    save_file({stage: tensor.contiguous() for stage, tensor in stages.items()}, directory / f"{name}.safetensors")
