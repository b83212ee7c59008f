"""Tiny Stable Diffusion pipelines with random weights as diffusers writes them, and what diffusers draws with them.

    stable.py DIR

DIR holds picture.png, mask.png, noise.safetensors (tensor "noise") and request.json (prompt, negative prompt, a prompt
that is too long, strengths, steps, guidance, and the timestep of one call). Written are DIR/NAME/, a model folder, and
DIR/NAME.safetensors, its stages: "ids", "ids.negative" and "ids.long" of every tokenizer, "context", "negative.context"
(and of an XL "pooled", "negative.pooled"), "encoded" latents of the picture, "called" by one call of the network, and
for strength S "S.timesteps", "S.latents" (after every step), "S.decoded", and "S.inpainted" (after every step, under the
mask); and "alone.latents" (after every step) and "alone.decoded" of the prompt without the picture.
Noise is given, and the picture is encoded by the mean of its posterior, so that nothing here is drawn by lot.
"""

import json

import torch
from common import END, START, asked, clip_vocabulary, drawn, keep, save, watched
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders import vae as posterior
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as img2img
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_inpaint as inpaint
from diffusers.pipelines.stable_diffusion_xl import pipeline_stable_diffusion_xl_img2img as xl_img2img
from diffusers.pipelines.stable_diffusion_xl import pipeline_stable_diffusion_xl_inpaint as xl_inpaint
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

torch.set_grad_enabled(False)

BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)


def tokenizer(folder, form):
    """In the form that a model of the hub has its tokenizer in, and as transformers reads it."""
    vocab, _ = clip_vocabulary(folder)
    flags = dict(lstrip=False, rstrip=False, single_word=False)
    start, end = (dict(content=token, normalized=True, **flags) for token in (START, END))
    settings = dict(model_max_length=77, tokenizer_class="CLIPTokenizer")
    if form == "first":
        special = dict(bos_token=start, eos_token=end, unk_token=end, pad_token=END)
        settings |= {k: v if isinstance(v, str) else v | {"__type": "AddedToken"} for k, v in special.items()}
        (folder / "special_tokens_map.json").write_text(json.dumps(special))
    elif form == "second":
        special = dict(bos_token=start, eos_token=end, unk_token=end, pad_token="!")
        (folder / "special_tokens_map.json").write_text(json.dumps(special))
    elif form == "described":
        pad = dict(content="!", normalized=False, **flags)
        described = {"0": pad, str(vocab[START]): start, str(vocab[END]): end}
        settings |= dict(
            bos_token=START,
            eos_token=END,
            unk_token=END,
            pad_token="!",
            added_tokens_decoder={i: token | {"special": True} for i, token in described.items()},
        )
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    read = CLIPTokenizer.from_pretrained(folder)
    if form == "whole":
        for file in folder.iterdir():
            file.unlink()
        read.save_pretrained(folder)
        assert (folder / "tokenizer.json").exists()
    return read, vocab


def text_encoder(vocab, width, activation, end, projection=None):
    config = CLIPTextConfig(
        vocab_size=len(vocab),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act=activation,
        projection_dim=projection or width,
        bos_token_id=vocab[START],
        eos_token_id=end,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def autoencoder(**settings):
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 64, 96),
        layers_per_block=2,
        **settings,
    )


def first(folder, seed):
    """As Stable Diffusion 1.5: every setting that may be left out is its class's own."""
    words, vocab = tokenizer(folder / "tokenizer", "first")
    unet = UNet2DConditionModel(sample_size=64, block_out_channels=(32, 64, 64, 96), cross_attention_dim=32)
    return StableDiffusionImg2ImgPipeline(
        vae=drawn(autoencoder(), seed),
        text_encoder=drawn(text_encoder(vocab, 32, "quick_gelu", 2), seed + 1),
        tokenizer=words,
        unet=drawn(unet, seed + 2),
        scheduler=PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **BETAS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def second(folder, seed):
    """As Stable Diffusion 2.1: predicts velocities, projects by matrices, has its own number of heads at each level."""
    words, vocab = tokenizer(folder / "tokenizer", "second")
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(32, 64, 96),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=(1, 2, 1),
        norm_num_groups=16,
        attention_head_dim=(2, 4, 6),
        cross_attention_dim=48,
        use_linear_projection=True,
    )
    return StableDiffusionImg2ImgPipeline(
        vae=drawn(autoencoder(use_quant_conv=False, use_post_quant_conv=False), seed),
        text_encoder=drawn(text_encoder(vocab, 48, "gelu", vocab[END]), seed + 1),
        tokenizer=words,
        unet=drawn(unet, seed + 2),
        scheduler=DDIMScheduler(prediction_type="v_prediction", set_alpha_to_one=False, clip_sample=False, **BETAS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def xl(folder, seed):
    """As Stable Diffusion XL."""
    words, vocab = tokenizer(folder / "tokenizer", "whole")
    more_words, _ = tokenizer(folder / "tokenizer_2", "described")
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(32, 64, 96),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 3),
        attention_head_dim=(2, 4, 6),
        cross_attention_dim=32 + 48,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
    )
    return StableDiffusionXLImg2ImgPipeline(
        vae=drawn(autoencoder(scaling_factor=0.13025), seed),
        text_encoder=drawn(text_encoder(vocab, 32, "quick_gelu", 2), seed + 1),
        text_encoder_2=drawn(text_encoder(vocab, 48, "gelu", vocab[END], projection=24), seed + 3),
        tokenizer=words,
        tokenizer_2=more_words,
        unet=drawn(unet, seed + 2),
        scheduler=EulerDiscreteScheduler(**BETAS),
        add_watermarker=False,
    )


def prefixed(file):
    """Names of tensors as older versions wrote them, and as the models on the hub have them."""
    tensors = load_file(file)
    save_file({"text_model." + name: tensor for name, tensor in tensors.items()}, file)


def read(pipeline, request):
    """The stages of the prompts, and what a call of the network is told beside them."""
    tokenizers = [pipeline.tokenizer] + ([pipeline.tokenizer_2] if hasattr(pipeline, "tokenizer_2") else [])
    ids = lambda text: torch.stack(
        [
            torch.tensor(words(text, padding="max_length", max_length=77, truncation=True).input_ids).float()
            for words in tokenizers
        ]
    )
    made = {"ids": ids(request["prompt"]), "ids.negative": ids(request["negative"]), "ids.long": ids(request["long"])}
    if len(tokenizers) == 1:
        context, negative = pipeline.encode_prompt(
            request["prompt"], "cpu", 1, True, negative_prompt=request["negative"]
        )
        return made | {"context": context, "negative.context": negative}, None
    context, negative, pooled, negative_pooled = pipeline.encode_prompt(
        request["prompt"], negative_prompt=request["negative"]
    )
    made |= {"context": context, "negative.context": negative}
    made |= {"pooled": pooled, "negative.pooled": negative_pooled}
    return made, pooled


def alone(pipeline, drawer, request, noise, picture):
    """The prompt without the picture, in the picture's size."""
    note, seen = watched()
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        prompt=request["prompt"],
        negative_prompt=request["negative"],
        height=picture.height,
        width=picture.width,
        num_inference_steps=request["steps"],
        guidance_scale=request["guidance"],
        latents=noise.clone(),
        output_type="latent",
        callback_on_step_end=note,
    ).images
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return {"alone.latents": torch.stack(seen), "alone.decoded": decoded}


def stages(pipeline, painter, request, noise, picture, mask):
    posterior.randn_tensor = lambda shape, **_: torch.zeros(shape)
    for module in (img2img, inpaint, xl_img2img, xl_inpaint):
        module.randn_tensor = lambda shape, **_: noise.reshape(shape).clone()
    for drawer in (pipeline, painter):
        drawer.set_progress_bar_config(disable=True)
    made, pooled = read(pipeline, request)
    scale = pipeline.vae.config.scaling_factor
    pixels = pipeline.image_processor.preprocess(picture).float()
    made["encoded"] = scale * pipeline.vae.encode(pixels).latent_dist.mode()
    sizes = torch.tensor([[picture.height, picture.width, 0, 0, picture.height, picture.width]])
    added = {} if pooled is None else dict(added_cond_kwargs=dict(text_embeds=pooled, time_ids=sizes))
    made["called"] = pipeline.unet(made["encoded"], request["timestep"], made["context"], **added).sample
    for strength in request["strengths"]:
        note, seen = watched()
        arguments = dict(
            prompt=request["prompt"],
            negative_prompt=request["negative"],
            image=picture,
            strength=strength,
            num_inference_steps=request["steps"],
            guidance_scale=request["guidance"],
            output_type="latent",
            callback_on_step_end=note,
        )
        latents = pipeline(**arguments).images
        made[f"{strength}.latents"] = torch.stack(seen)
        made[f"{strength}.timesteps"] = pipeline.scheduler.timesteps[-len(seen) :].float()
        made[f"{strength}.decoded"] = pipeline.vae.decode(latents / scale).sample
        seen.clear()
        painter(mask_image=mask, height=picture.height, width=picture.width, **arguments)
        made[f"{strength}.inpainted"] = torch.stack(seen)
    return made


def main():
    directory, request, noise, picture, mask = asked()
    for seed, (name, build) in enumerate({"sd15": first, "sd21": second, "sdxl": xl}.items()):
        pipeline = build(directory / name, 10 * seed + 1)
        save(pipeline, directory / name)
        if name == "sd15":
            prefixed(directory / name / "text_encoder/model.safetensors")
        if name == "sdxl":
            painter = StableDiffusionXLInpaintPipeline(**pipeline.components, add_watermarker=False)
            drawer = StableDiffusionXLPipeline(**pipeline.components, add_watermarker=False)
        else:
            painter = StableDiffusionInpaintPipeline(**pipeline.components, requires_safety_checker=False)
            drawer = StableDiffusionPipeline(**pipeline.components, requires_safety_checker=False)
        made = stages(pipeline, painter, request, noise, picture, mask)
        made |= alone(pipeline, drawer, request, noise, picture)
        keep(directory, name, made)


if __name__ == "__main__":
    main()
