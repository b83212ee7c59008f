"""A tiny Redux model with random weights beside a tiny FLUX.1-dev, as diffusers writes them, and what it draws with both.

    redux.py DIR

DIR holds what reference.py has, and request.json has prompt, strength, steps, guidance, text_tokens and weights. Written
are DIR/flux, a model folder, DIR/redux, another, and DIR/redux.safetensors: "pixels" as SigLIP gets them, "tokens" that are
made of them, and for weight W "W.context" (the prompt's and the picture's), "W.latents" (after every step) and
"W.decoded". At 1 the context is the pipeline's own; else the picture's tokens are W times what they are, and the prompt's
as they are.
"""

import torch
from common import asked, drawn, keep, watched
from diffusers import FluxPriorReduxPipeline
from diffusers.models.autoencoders import vae as posterior
from diffusers.pipelines.flux import pipeline_flux_img2img as img2img
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from reference import flux, save_flux
from transformers import SiglipVisionConfig, SiglipVisionModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

torch.set_grad_enabled(False)

SIDE = 56


def redux():
    vision = SiglipVisionConfig(
        hidden_size=144,
        intermediate_size=200,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=14,
    )
    return FluxPriorReduxPipeline(
        image_encoder=drawn(SiglipVisionModel(vision), 41),
        feature_extractor=SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        image_embedder=drawn(ReduxImageEncoder(redux_dim=144, txt_in_features=32), 42),
    )


def main():
    directory, request, noise, picture, _ = asked()
    pipeline = flux(directory / "flux", True, 31)
    save_flux(pipeline, directory / "flux", shards=False)
    prior = redux()
    prior.save_pretrained(directory / "redux")
    # Asked for once more with text encoders, since it tells the prompt only then.
    texts = {name: pipeline.components[name] for name in ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")}
    prior = FluxPriorReduxPipeline(**{**prior.components, **texts})
    height, width = picture.height, picture.width
    posterior.randn_tensor = lambda shape, **_: torch.zeros(shape)
    img2img.randn_tensor = lambda shape, **_: noise.reshape(shape).clone()
    pipeline.set_progress_bar_config(disable=True)
    context, pooled, _ = pipeline.encode_prompt(
        request["prompt"], None, max_sequence_length=request["text_tokens"]
    )
    pixels = prior.feature_extractor.preprocess(images=picture, do_resize=True, return_tensors="pt", do_convert_rgb=True)
    seen = prior.encode_image(picture, "cpu", 1)
    tokens = prior.image_embedder(seen).image_embeds
    made = {"pixels": pixels["pixel_values"], "tokens": tokens, "pooled": pooled}
    encoded = pipeline._encode_vae_image(
        pipeline.image_processor.preprocess(picture, height=height, width=width).float(), None
    )
    made["encoded"] = encoded
    unpacked = lambda latents: pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    for weight in request["weights"]:
        both = torch.cat([context, weight * tokens], dim=1)
        if weight == 1:
            both, same = prior(
                picture, prompt_embeds=context.clone(), pooled_prompt_embeds=pooled.clone(), return_dict=False
            )
            assert torch.equal(same, pooled)
        note, seen = watched(unpacked)
        last = pipeline(
            prompt_embeds=both,
            pooled_prompt_embeds=pooled,
            image=picture,
            height=height,
            width=width,
            strength=request["strength"],
            num_inference_steps=request["steps"],
            guidance_scale=request["guidance"],
            output_type="latent",
            callback_on_step_end=note,
        ).images
        config = pipeline.vae.config
        latents = unpacked(last) / config.scaling_factor + config.shift_factor
        made[f"{weight}.context"] = both
        made[f"{weight}.latents"] = torch.stack(seen)
        made[f"{weight}.decoded"] = pipeline.vae.decode(latents).sample
    keep(directory, "redux", made)


if __name__ == "__main__":
    main()
