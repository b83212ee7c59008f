"""Tiny Stable Diffusion pipelines, as folders and as the single files that programs of their training write.

    checkpoints.py DIR

Written are DIR/NAME/, a folder as diffusers writes it, and DIR/NAME/one.safetensors, the same weights under the names of
LDM, CLIP and open_clip, in f32, f16 and bf16. Where diffusers reads such a file at all, it must find the same weights.
"""

import sys
from pathlib import Path

import torch
from common import save
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline
from safetensors.torch import save_file
from stable import first, prefixed, second, xl

torch.set_grad_enabled(False)

RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTER = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}


def moved(state, starts, prefix):
    """With the start of every name changed, and the parts of residual blocks called as LDM calls them."""
    out = {}
    for name, tensor in state.items():
        old = next(start for start in sorted(starts, key=len, reverse=True) if name.startswith(start))
        rest = name[len(old) :]
        if "resnets." in old:
            part, _, kind = rest.rpartition(".")
            rest = f"{RESIDUAL[part]}.{kind}"
        out[prefix + starts[old] + rest] = tensor
    return out


def unet(model):
    """Blocks in the order in which a picture goes through them."""
    starts, config = dict(OUTER), model.config
    levels = len(config.block_out_channels)
    count = config.layers_per_block
    counts = [count] * levels if isinstance(count, int) else list(count)
    n = 0
    for level in range(levels):
        for i in range(counts[level]):
            n += 1
            starts[f"down_blocks.{level}.resnets.{i}."] = f"input_blocks.{n}.0."
            starts[f"down_blocks.{level}.attentions.{i}."] = f"input_blocks.{n}.1."
        if level + 1 < levels:
            n += 1
            starts[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{n}.0.op."
    n = 0
    for turn, level in enumerate(reversed(range(levels))):
        attends = config.up_block_types[turn].startswith("CrossAttn")
        for i in range(counts[level] + 1):
            starts[f"up_blocks.{turn}.resnets.{i}."] = f"output_blocks.{n}.0."
            starts[f"up_blocks.{turn}.attentions.{i}."] = f"output_blocks.{n}.1."
            if level > 0 and i == counts[level]:
                starts[f"up_blocks.{turn}.upsamplers.0.conv."] = f"output_blocks.{n}.{1 + attends}.conv."
            n += 1
    return moved(model.state_dict(), starts, "model.diffusion_model.")


def autoencoder(model):
    """Levels of the way up counted from the full size, and matrices of the attention as convolutions of one pixel."""
    levels, out = len(model.config.block_out_channels), {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[1] == "up_blocks":
            parts[2] = str(levels - 1 - int(parts[2]))
        name = ".".join(parts)
        for old, new in {
            "down_blocks": "down",
            "up_blocks": "up",
            "mid_block.resnets.0": "mid.block_1",
            "mid_block.resnets.1": "mid.block_2",
            "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
            "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
            "mid_block.attentions.0.to_": "mid.attn_1.",
            "conv_norm_out": "norm_out",
            "conv_shortcut": "nin_shortcut",
            "downsamplers.0": "downsample",
            "upsamplers.0": "upsample",
            "resnets": "block",
        }.items():
            name = name.replace(old, new)
        if ".attn_1." in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        out["first_stage_model." + name] = tensor
    return out


def clip(model, prefix):
    state = {name.removeprefix("text_model."): tensor for name, tensor in model.state_dict().items()}
    out = {f"{prefix}text_model.{name}": tensor for name, tensor in state.items()}
    count = state["embeddings.position_embedding.weight"].shape[0]
    return out | {f"{prefix}text_model.embeddings.position_ids": torch.arange(count)[None]}


def open_clip(model, prefix):
    """Queries, keys and values in one matrix, and the projection from the other side."""
    state = {name.removeprefix("text_model."): tensor for name, tensor in model.state_dict().items()}
    out = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "logit_scale": torch.tensor(4.6),
        "text_projection": torch.eye(model.config.hidden_size, dtype=model.dtype),
    }
    if "text_projection.weight" in state:
        out["text_projection"] = state["text_projection.weight"].T
    for i in range(model.config.num_hidden_layers):
        old, new = f"encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            three = [state[f"{old}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            out[f"{new}attn.in_proj_{kind}"] = torch.cat(three)
            for a, b in {
                "self_attn.out_proj": "attn.out_proj",
                "mlp.fc1": "mlp.c_fc",
                "mlp.fc2": "mlp.c_proj",
                "layer_norm1": "ln_1",
                "layer_norm2": "ln_2",
            }.items():
                out[f"{new}{b}.{kind}"] = state[f"{old}{a}.{kind}"]
    return {prefix + name: tensor for name, tensor in out.items()}


def whole(pipeline, name):
    out = unet(pipeline.unet) | autoencoder(pipeline.vae)
    if name == "sd15":
        out |= clip(pipeline.text_encoder, "cond_stage_model.transformer.")
    elif name == "sd21":
        out |= open_clip(pipeline.text_encoder, "cond_stage_model.model.")
    else:
        out |= clip(pipeline.text_encoder, "conditioner.embedders.0.transformer.")
        out |= open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    out |= {"alphas_cumprod": torch.ones(1000), "model_ema.decay": torch.tensor(0.9999)}
    return {name: tensor.contiguous().clone() for name, tensor in out.items()}


def same(pipeline, read):
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if hasattr(pipeline, part):
            old, new = (getattr(p, part).state_dict() for p in (pipeline, read))
            assert old.keys() == new.keys(), part
            assert all(torch.equal(old[name].float(), new[name].float()) for name in old), part


def main():
    directory = Path(sys.argv[1])
    classes = {"sd15": StableDiffusionImg2ImgPipeline, "sdxl": StableDiffusionXLImg2ImgPipeline}
    kinds = {"sd15": torch.float32, "sd21": torch.float16, "sdxl": torch.bfloat16}
    for seed, (name, build) in enumerate({"sd15": first, "sd21": second, "sdxl": xl}.items()):
        folder = directory / name
        pipeline = build(folder, 10 * seed + 2).to(dtype=kinds[name])
        save(pipeline, folder)
        if name == "sd15":
            prefixed(folder / "text_encoder/model.safetensors")
        save_file(whole(pipeline, name), folder / "one.safetensors")
        # It knows the second by widths that a small one does not have.
        if name in classes:
            file = str(folder / "one.safetensors")
            read = classes[name].from_single_file(file, config=str(folder), local_files_only=True)
            same(pipeline, read)


main()
