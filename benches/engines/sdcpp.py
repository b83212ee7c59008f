"""One UNet call of Stable Diffusion 1.5, 512x512, in stable-diffusion.cpp (ggml), with weights of chance.

    sdcpp.py make DIR                 writes the model, as diffusers has it, in 16 bits; wants diffusers
    sdcpp.py run DIR THREADS KIND     KIND is f16 or q8_0; then a CPU time for each line that comes in

A call is what lies between two steps of its sampler, with a guidance of 1: the library tells of each step, and waits there.
"""

import os
import sys
import time

STEPS = 999


def make(folder):
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    autoencoder = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
    )
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
    )
    StableDiffusionPipeline(
        unet=UNet2DConditionModel(cross_attention_dim=768, sample_size=64),
        vae=autoencoder,
        text_encoder=CLIPTextModel(text),
        tokenizer=None,
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    # The library knows a Stable Diffusion 1 by these names, which transformers no longer writes.
    file = os.path.join(folder, "text_encoder", "model.safetensors")
    tensors = load_file(file)
    save_file({f"text_model.{name.removeprefix('text_model.')}": t for name, t in tensors.items()}, file)


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

    model = StableDiffusion(model_path=folder, wtype=kind, n_threads=threads, verbose=False)
    model.generate_image(
        "virions", cfg_scale=1.0, sample_method="euler", sample_steps=STEPS, progress_callback=stepped
    )


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        run(sys.argv[2], int(sys.argv[3]), sys.argv[4])
