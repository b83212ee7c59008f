"""LoRAs under the names of several programs for tiny pipelines, and what diffusers draws with them.

    loras.py DIR

DIR is as stable.py and reference.py have it; request.json holds "cases": by pipeline, each a list of files without their
ends and their weights, the empty one among them. Written are DIR/NAME/, a model folder, DIR/NAME/loras/FILE.safetensors,
and DIR/NAME.CASE.safetensors, its stages: "context" and "pooled" of the prompt, of Stable Diffusion "called" by one call
of the network, and of all "drawn.latents" (after every step) and "drawn.decoded".
Weights are drawn by lot, of every layer that a LoRA can be for, with alphas that are not the rank.
"""

import inspect
import shutil

import torch
from common import asked, keep, save, watched
from diffusers.loaders import lora_conversion_utils as conversion
from diffusers.loaders import lora_pipeline
from diffusers.models.autoencoders import vae as posterior
from diffusers.pipelines.flux import pipeline_flux_img2img as flux_img2img
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as img2img
from diffusers.pipelines.stable_diffusion_xl import pipeline_stable_diffusion_xl_img2img as xl_img2img
from diffusers.training_utils import _collate_lora_metadata
from gguf.constants import GGMLQuantizationType
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from quantised import INNER, WIDTH
from quantised import pipeline as quantised
from reference import flux, save_flux
from safetensors.torch import save_file
from stable import first, read, xl
from transformers.integrations import peft as integration

torch.set_grad_enabled(False)

# It asks for a version of PEFT that is not there yet, for adapters of other kinds.
integration.check_peft_version = lambda **_: None

RANK = 4
KOHYA = dict(down="lora_down.weight", up="lora_up.weight", alpha="alpha")
PEFT = dict(down="lora_A.weight", up="lora_B.weight", alpha=None)
XLABS = dict(down="down.weight", up="up.weight", alpha=None)


def layers(network):
    """Matrices and convolutions, by name."""
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {name: module for name, module in network.named_modules() if isinstance(module, kinds)}


def pair(shape, generator, rank=RANK):
    """Matrices for a layer of this shape, which move what it makes by about a quarter."""
    down = torch.randn((rank, *shape[1:]), generator=generator) / down_size(shape) ** 0.5
    up = torch.randn((shape[0], rank, *(1,) * (len(shape) - 2)), generator=generator) / (16 * rank) ** 0.5
    return down, up


def down_size(shape):
    size = 1
    for side in shape[1:]:
        size *= side
    return size


def lora(shapes, naming, generator, alpha=None):
    """Tensors for layers of these shapes, by the names that they have in the file."""
    made = {}
    for i, (name, shape) in enumerate(sorted(shapes.items())):
        # Ranks need not be the same.
        down, up = pair(shape, generator, RANK + i % 2 if naming["alpha"] else RANK)
        made[f"{name}.{naming['down']}"], made[f"{name}.{naming['up']}"] = down, up
        if naming["alpha"] and alpha:
            made[f"{name}.{naming['alpha']}"] = torch.tensor(alpha)
    return made


def shapes(network, name=lambda name: name):
    return {name(layer): tuple(module.weight.shape) for layer, module in layers(network).items()}


def flat(start):
    return lambda name: start + name.replace(".", "_")


def clip(start):
    """CLIP's layers as files have them, whose names had a model in front of them."""
    return lambda name: start + (name if name.startswith(("text_model.", "text_projection")) else "text_model." + name)


def ldm(unet):
    """The first programs' names of a UNet's layers, whose blocks are counted through."""
    per = unet.config.layers_per_block
    residual = dict(conv1="in_layers_2", time_emb_proj="emb_layers_1", conv2="out_layers_3", conv_shortcut="skip_connection")

    def name(layer):
        kind, *parts = layer.split(".")
        if kind == "conv_in":
            return "input_blocks_0_0"
        if kind == "conv_out":
            return "out_2"
        if kind.endswith("embedding"):
            number = {"linear_1": "0", "linear_2": "2"}[parts[0]]
            return f"time_embed_{number}" if kind == "time_embedding" else f"label_emb_0_{number}"
        if kind == "mid_block":
            what, i, *rest = parts
            if what == "attentions":
                return "middle_block_1_" + "_".join(rest)
            return f"middle_block_{2 * int(i)}_{residual[rest[0]]}"
        level, what, i, *rest = parts
        level, i = int(level), int(i)
        if kind == "down_blocks":
            block, start = 1 + level * (per + 1) + i, "input_blocks"
            if what == "downsamplers":
                return f"input_blocks_{(level + 1) * (per + 1)}_0_op"
        else:
            block, start = level * (per + 1) + i, "output_blocks"
            if what == "upsamplers":
                attends = len(getattr(unet.up_blocks[level], "attentions", None) or []) > 0
                return f"output_blocks_{(level + 1) * (per + 1) - 1}_{1 + attends}_conv"
        if what == "attentions":
            return f"{start}_{block}_1_" + "_".join(rest)
        return f"{start}_{block}_0_{residual[rest[0]]}"

    return lambda layer: "lora_unet_" + name(layer).replace(".", "_")


def trained(pipeline, folder, seed):
    """As diffusers' own scripts train and save one, with an alpha that stands in the file's settings alone."""
    generator = torch.Generator().manual_seed(seed)
    networks = {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder}
    targets = {"unet": ["to_q", "to_v", "conv1", "proj_in", "ff.net.2"], "text_encoder": ["q_proj", "fc1"]}
    given = {}
    for name, network in networks.items():
        pattern = {"conv1": 3} if name == "unet" else {}
        config = LoraConfig(r=RANK, lora_alpha=6, target_modules=targets[name], alpha_pattern=pattern)
        network.add_adapter(config, "default")
        for key, weight in network.named_parameters():
            if "lora_" in key:
                size = down_size(weight.shape) if "lora_A" in key else 16 * RANK
                weight.copy_(torch.randn(weight.shape, generator=generator) / size**0.5)
        given[f"{name}_lora_layers"] = get_peft_model_state_dict(network, adapter_name="default")
    metadata = _collate_lora_metadata(networks)
    type(pipeline).save_lora_weights(folder, weight_name="trained.safetensors", **given, **metadata)
    pipeline.unload_lora_weights()


def shrunk(function, *changes):
    """diffusers' own conversion, but for the widths and counts that it has written in."""
    source = inspect.getsource(function)
    for was, now in changes:
        assert source.count(was) == 1, was
        source = source.replace(was, now)
    scope = dict(vars(conversion))
    exec(source, scope)
    return scope[function.__name__]


def shrink(width, inner, double, single):
    lora_pipeline._convert_kohya_flux_lora_to_diffusers = shrunk(
        conversion._convert_kohya_flux_lora_to_diffusers,
        ("dims=[3072, 3072, 3072, 12288]", f"dims=[{width}, {width}, {width}, {inner}]"),
    )
    lora_pipeline._convert_fal_kontext_lora_to_diffusers = shrunk(
        conversion._convert_fal_kontext_lora_to_diffusers,
        ("inner_dim = 3072", f"inner_dim = {width}"),
        ("num_layers = 19", f"num_layers = {double}"),
        ("num_single_layers = 38", f"num_single_layers = {single}"),
    )


def bfl_shapes(width, inner, double, single, channels):
    """The blocks' matrices and the last one, with Black Forest Labs' names."""
    made = {"final_layer.linear": (channels, width)}
    for i in range(double):
        for branch in ["img", "txt"]:
            at = f"double_blocks.{i}.{branch}"
            made |= {f"{at}_mod.lin": (6 * width, width), f"{at}_attn.qkv": (3 * width, width)}
            made |= {f"{at}_attn.proj": (width, width), f"{at}_mlp.0": (inner, width), f"{at}_mlp.2": (width, inner)}
    for i in range(single):
        at = f"single_blocks.{i}"
        made |= {f"{at}.modulation.lin": (3 * width, width), f"{at}.linear1": (3 * width + inner, width)}
        made[f"{at}.linear2"] = (width, width + inner)
    return made


def xlabs_shapes(width, inner, double, single, _):
    """What XLabs' scripts train: attention's matrices alone, of single blocks a part of the first one."""
    made = {}
    for i in range(double):
        for branch in "12":
            at = f"double_blocks.{i}.processor"
            made |= {f"{at}.qkv_lora{branch}": (3 * width, width), f"{at}.proj_lora{branch}": (width, width)}
    for i in range(single):
        at = f"single_blocks.{i}.processor"
        made |= {f"{at}.qkv_lora": (3 * width, width), f"{at}.proj_lora": (width, width + inner)}
    return made


def write_stable(pipeline, folder, seed):
    generator = torch.Generator().manual_seed(seed)
    is_xl = hasattr(pipeline, "text_encoder_2")
    encoders = [("text_encoder", "lora_te1_" if is_xl else "lora_te_", pipeline.text_encoder)]
    if is_xl:
        encoders.append(("text_encoder_2", "lora_te2_", pipeline.text_encoder_2))
    else:
        trained(pipeline, folder, seed)
    kohya = shapes(pipeline.unet, ldm(pipeline.unet) if is_xl else flat("lora_unet_"))
    peft = shapes(pipeline.unet, lambda name: "unet." + name)
    for name, start, encoder in encoders:
        kohya |= shapes(encoder, lambda layer: flat(start)(clip("")(layer)))
        peft |= shapes(encoder, clip(name + "."))
    save_file(lora(kohya, KOHYA, generator, alpha=3.0), folder / "kohya.safetensors")
    save_file(lora(peft, PEFT, generator), folder / "peft.safetensors")


def write_flux(pipeline, folder, seed, numbers):
    generator = torch.Generator().manual_seed(seed)
    peft = shapes(pipeline.transformer, lambda name: "transformer." + name)
    peft |= shapes(pipeline.text_encoder, clip("text_encoder."))
    save_file(lora(peft, PEFT, generator), folder / "peft.safetensors")
    theirs = bfl_shapes(*numbers)
    made = {f"base_model.model.{name}": shape for name, shape in theirs.items()}
    save_file(lora(made, PEFT, generator), folder / "bfl.safetensors")
    save_file(lora(xlabs_shapes(*numbers), XLABS, generator), folder / "xlabs.safetensors")
    # diffusers drops kohya's layers outside of the blocks.
    made = {flat("lora_unet_")(name): shape for name, shape in theirs.items() if "blocks" in name}
    made |= shapes(pipeline.text_encoder, lambda layer: flat("lora_te1_")(clip("")(layer)))
    save_file(lora(made, KOHYA, generator, alpha=3.0), folder / "kohya.safetensors")


def write_t5(pipeline, folder, seed):
    """diffusers loads none for T5, so that it is added here."""
    generator = torch.Generator().manual_seed(seed)
    made = lora(shapes(pipeline.text_encoder_2, lambda name: "text_encoder_2." + name), PEFT, generator)
    save_file(made, folder / "t5.safetensors")
    return made


def add_t5(network, made, weight):
    for name, module in layers(network).items():
        down, up = (made[f"text_encoder_2.{name}.{end}"] for end in ["lora_A.weight", "lora_B.weight"])
        module.weight += weight * up @ down


def stages(pipeline, request, steps, noise, picture):
    height, width = picture.height, picture.width
    posterior.randn_tensor = lambda shape, **_: torch.zeros(shape)
    for module in (img2img, xl_img2img, flux_img2img):
        module.randn_tensor = lambda shape, **_: noise.reshape(shape).clone()
    pipeline.set_progress_bar_config(disable=True)
    is_flux = hasattr(pipeline, "transformer")
    config = pipeline.vae.config
    if is_flux:
        context, pooled, _ = pipeline.encode_prompt(
            request["prompt"], None, max_sequence_length=request["text_tokens"]
        )
        made = {"context": context, "pooled": pooled}
        more = dict(height=height, width=width, max_sequence_length=request["text_tokens"])
        unpacked = lambda latents: pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
        shift = config.shift_factor
        pixels = pipeline.image_processor.preprocess(picture, height=height, width=width).float()
        made["encoded"] = pipeline._encode_vae_image(pixels, None)
    else:
        made, pooled = read(pipeline, request)
        made = {name: stage for name, stage in made.items() if not name.startswith("ids")}
        pixels = pipeline.image_processor.preprocess(picture).float()
        made["encoded"] = config.scaling_factor * pipeline.vae.encode(pixels).latent_dist.mode()
        sizes = torch.tensor([[height, width, 0, 0, height, width]])
        added = {} if pooled is None else dict(added_cond_kwargs=dict(text_embeds=pooled, time_ids=sizes))
        made["called"] = pipeline.unet(made["encoded"], request["timestep"], made["context"], **added).sample
        more = dict(negative_prompt=request["negative"])
        unpacked, shift = lambda latents: latents, 0.0
    note, seen = watched(unpacked)
    last = pipeline(
        prompt=request["prompt"],
        image=picture,
        strength=request["strength"],
        num_inference_steps=steps,
        guidance_scale=request["guidance"],
        output_type="latent",
        callback_on_step_end=note,
        **more,
    ).images
    made["drawn.latents"] = torch.stack(seen)
    made["drawn.decoded"] = pipeline.vae.decode(unpacked(last) / config.scaling_factor + shift).sample
    return made


def main():
    directory, request, noise, picture, _ = asked()
    for seed, (name, cases) in enumerate(sorted(request["cases"].items())):
        folder = directory / name
        t5 = {}
        if name == "flux-dev":
            pipeline, numbers = flux(folder, True, seed), (64, 256, 2, 3, 64)
            save_flux(pipeline, folder, shards=False)
        elif name == "quantised":
            kinds = [GGMLQuantizationType[kind] for kind in request["kinds"]]
            pipeline, numbers = quantised(folder, name, kinds, seed, ""), (WIDTH, INNER, 2, 2, 64)
        else:
            pipeline = {"sd15": first, "sdxl": xl}[name](folder, seed)
            save(pipeline, folder)
        loras = folder / "loras"
        shutil.rmtree(loras, ignore_errors=True)
        loras.mkdir()
        if hasattr(pipeline, "transformer"):
            shrink(*numbers[:4])
            write_flux(pipeline, loras, seed, numbers)
            t5 = write_t5(pipeline, loras, seed)
        else:
            write_stable(pipeline, loras, seed)
        for case, files in sorted(cases.items()):
            added = [(file, weight) for file, weight in files if file != "t5"]
            for file, weight in files:
                if file == "t5":
                    add_t5(pipeline.text_encoder_2, t5, weight)
            for file, _ in added:
                pipeline.load_lora_weights(loras, weight_name=f"{file}.safetensors", adapter_name=file)
            if added:
                pipeline.set_adapters([file for file, _ in added], [weight for _, weight in added])
            made = stages(pipeline, request, request["steps"], noise, picture)
            keep(directory, f"{name}.{case}", made)
            if added:
                pipeline.unload_lora_weights()
            for file, weight in files:
                if file == "t5":
                    add_t5(pipeline.text_encoder_2, t5, -weight)


if __name__ == "__main__":
    main()
