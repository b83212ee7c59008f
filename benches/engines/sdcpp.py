"""Calls of networks in stable-diffusion.cpp (ggml), for pictures of 512x512, with weights of chance.

    sdcpp.py make DIR                 writes the models: Stable Diffusion 1.5 as diffusers has it, in 16 bits, and
                                      a FLUX.1-dev of few blocks as GGUF in Q8_0; wants diffusers, transformers and gguf
    sdcpp.py run DIR THREADS KIND     KIND is f16 or q8_0 (Stable Diffusion 1.5's UNet with such weights), flux (that
                                      transformer) or flux-flash (the same with the fused attention that it can take);
                                      then a CPU time for each line that comes in

A call is what lies between two steps of its sampler, with a guidance of 1: the library tells of each step, and waits there.
"""

import os
import sys
import time

STEPS = 999
FLUX, AUTOENCODER = "flux-q8_0.gguf", "flux-vae"
# Of FLUX.1-dev's 19 and 38.
DOUBLE, SINGLE = 1, 2


def make(folder):
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)

    def autoencoder(latents, **rest):
        return AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=latents,
            **rest,
        )

    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
    )
    StableDiffusionPipeline(
        unet=UNet2DConditionModel(cross_attention_dim=768, sample_size=64),
        vae=autoencoder(4),
        text_encoder=CLIPTextModel(text),
        tokenizer=None,
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    # The library knows a CLIP by these names, which transformers no longer writes.
    file = os.path.join(folder, "text_encoder", "model.safetensors")
    tensors = load_file(file)
    save_file({f"text_model.{name.removeprefix('text_model.')}": t for name, t in tensors.items()}, file)
    autoencoder(16, use_quant_conv=False, use_post_quant_conv=False).save_pretrained(os.path.join(folder, AUTOENCODER))
    make_flux(os.path.join(folder, FLUX))


def make_flux(path):
    """The transformer; what is no block of it stays in 16 bits, as people have it."""
    import gguf
    import numpy

    width, inner, head = 3072, 12288, 128
    random = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "flux")

    def numbers(*shape):
        return random.standard_normal(shape, numpy.float32) * numpy.float32(0.02)

    def linear(name, inputs, outputs):
        weight = numbers(outputs, inputs)
        if "blocks." in name:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name + ".weight", gguf.quants.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name + ".weight", weight.astype(numpy.float16))
        writer.add_tensor(name + ".bias", numbers(outputs))

    def norms(name):
        for part in ("query", "key"):
            writer.add_tensor(f"{name}.{part}_norm.scale", 1 + numbers(head))

    linear("img_in", 64, width)
    linear("txt_in", 4096, width)
    for name, inputs in (("time_in", 256), ("vector_in", 768), ("guidance_in", 256)):
        linear(name + ".in_layer", inputs, width)
        linear(name + ".out_layer", width, width)
    linear("final_layer.adaLN_modulation.1", width, 2 * width)
    linear("final_layer.linear", width, 64)
    for at in (f"double_blocks.{i}.{branch}_" for i in range(DOUBLE) for branch in ("img", "txt")):
        linear(at + "mod.lin", width, 6 * width)
        linear(at + "attn.qkv", width, 3 * width)
        linear(at + "attn.proj", width, width)
        linear(at + "mlp.0", width, inner)
        linear(at + "mlp.2", inner, width)
        norms(at + "attn.norm")
    for at in (f"single_blocks.{i}." for i in range(SINGLE)):
        linear(at + "modulation.lin", width, 3 * width)
        linear(at + "linear1", width, 3 * width + inner)
        linear(at + "linear2", width + inner, width)
        norms(at + "norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run(folder, threads, kind):
    # What the library says does not belong to what is measured.
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from stable_diffusion_cpp import StableDiffusion

    start = None

    def stepped(_, steps, __):
        nonlocal start
        if steps != STEPS:
            return
        if start is not None:
            print(time.process_time() - start, file=told, flush=True)
        if not sys.stdin.readline():
            os._exit(0)
        start = time.process_time()

    within = lambda *names: os.path.join(folder, *names)
    if kind.startswith("flux"):
        # Without a T5 the text is 256 tokens of zeros: as many as of a prompt of any usual length.
        parts = dict(
            diffusion_model_path=within(FLUX),
            vae_path=within(AUTOENCODER, "diffusion_pytorch_model.safetensors"),
            clip_l_path=within("text_encoder", "model.safetensors"),
            diffusion_flash_attn=kind == "flux-flash",
        )
    else:
        parts = dict(model_path=folder, wtype=kind)
    model = StableDiffusion(n_threads=threads, verbose=False, **parts)
    model.generate_image(
        "virions", cfg_scale=1.0, sample_method="euler", sample_steps=STEPS, progress_callback=stepped
    )


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        run(sys.argv[2], int(sys.argv[3]), sys.argv[4])
