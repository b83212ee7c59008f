"""The rows of benches/engines in PyTorch: peer.py NAME THREADS f32|bf16, then a CPU time for each line that comes in."""

import sys
import time

import torch
from torch.nn import functional as F

LEAST = 0.5


def unet():
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(cross_attention_dim=768, sample_size=64)
    latents, text = torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
    return lambda: model(latents, 500, text)


def decode(side):
    from diffusers import AutoencoderKL

    channels = (128, 256, 512, 512)
    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=channels, layers_per_block=2, latent_channels=4,
    )
    latents = torch.randn(1, 4, side // 8, side // 8)
    return lambda: model.decode(latents)


def flux(double, single):
    from diffusers import FluxTransformer2DModel

    model = FluxTransformer2DModel(num_layers=double, num_single_layers=single, guidance_embeds=True)
    image, text, pooled = torch.randn(1, 1024, 64), torch.randn(1, 512, 4096), torch.randn(1, 768)
    places = torch.zeros(1024, 3)
    places[:, 1], places[:, 2] = torch.arange(1024) // 32, torch.arange(1024) % 32
    told = dict(timestep=torch.tensor([0.5]), guidance=torch.tensor([3.5]), txt_ids=torch.zeros(512, 3), img_ids=places)
    return lambda: model(image, text, pooled, **told)


def linear(rows, inputs, outputs):
    x, weight, bias = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    return lambda: F.linear(x, weight, bias)


def conv(channels, side):
    x, weight, bias = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3), torch.randn(channels)
    return lambda: F.conv2d(x, weight, bias, padding=1)


def attention(heads, tokens, width):
    q, k, v = (torch.randn(1, heads, tokens, width) for _ in range(3))
    return lambda: F.scaled_dot_product_attention(q, k, v)


CASES = {
    "unet": unet,
    "decode-512": lambda: decode(512),
    "decode-1024": lambda: decode(1024),
    "flux-double": lambda: flux(1, 0),
    "flux-single": lambda: flux(0, 1),
    "linear-1536": lambda: linear(1536, 3072, 9216),
    "linear-4096": lambda: linear(4096, 320, 320),
    "conv-320": lambda: conv(320, 64),
    "conv-1280@16": lambda: conv(1280, 16),
    "conv-1280@32": lambda: conv(1280, 32),
    "conv-256": lambda: conv(256, 256),
    "attention-8": lambda: attention(8, 4096, 40),
    "attention-24": lambda: attention(24, 1536, 128),
}


def seconds(run):
    run()
    start, count = time.process_time(), 0
    while True:
        run()
        count += 1
        taken = time.process_time() - start
        if taken >= LEAST:
            return taken / count


def main():
    name, threads, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_default_dtype({"f32": torch.float32, "bf16": torch.bfloat16}[precision])
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    run = next(make for start, make in CASES.items() if name.startswith(start))()
    for _ in sys.stdin:
        print(seconds(run), flush=True)


main()
