"""Tiny pipelines with random weights as diffusers writes them, and what diffusers draws with them, stage by stage.

    reference.py DIR

DIR holds picture.png, mask.png, noise.safetensors (tensor "noise") and request.json (prompt, strengths, and for every pipeline
its steps). Written are DIR/NAME/, a model folder, and DIR/NAME.safetensors, its stages: "pooled" and "context" of the
prompt, "encoded" latents of the picture, and for strength S "S.sigmas", "S.latents" (after every step), "S.decoded",
and "S.inpainted" (after every step, under the mask); and "alone.latents" (after every step) and "alone.decoded" of the
prompt without the picture.
Noise is given, and the picture is encoded by the mean of its posterior, so that nothing here is drawn by lot.
"""

import torch
from common import END, START, WORDS, asked, clip_vocabulary, drawn, keep, save, watched
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from diffusers.models.autoencoders import vae as posterior
from diffusers.pipelines.flux import pipeline_flux as text2img
from diffusers.pipelines.flux import pipeline_flux_img2img as img2img
from diffusers.pipelines.flux import pipeline_flux_inpaint as inpaint
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

torch.set_grad_enabled(False)


def clip_words(folder):
    """CLIP's kind of tokenizer, as vocab.json and merges.txt; and itself."""
    vocab, merges = clip_vocabulary(folder)
    words = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=END, end_of_word_suffix="</w>"))
    words.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    words.add_special_tokens([START, END])
    words.post_processor = processors.RobertaProcessing(
        (END, vocab[END]), (START, vocab[START]), trim_offsets=False, add_prefix_space=False
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=START, eos_token=END, unk_token=END, pad_token=END, model_max_length=77
    )
    return fast, vocab


def t5_words(folder):
    """T5's kind of tokenizer, as tokenizer.json; and itself."""
    frame = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    letters = [(chr(c), -6.0) for c in range(ord("!"), ord("~") + 1)]
    vocab = frame + [("▁" + word, -1.0) for word in WORDS] + letters
    words = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=False))
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    words.add_special_tokens(["<pad>", "</s>", "<unk>"])
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="</s>", unk_token="<unk>", pad_token="<pad>", model_max_length=512
    )
    fast.save_pretrained(folder)
    return fast, len(vocab)


def flux(folder, dev, seed):
    clip, clip_vocab = clip_words(folder / "tokenizer")
    t5, t5_size = t5_words(folder / "tokenizer_2")
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=dev,
        axes_dims_rope=(8, 12, 12),
    )
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 64, 96),
        layers_per_block=2,
        latent_channels=16,
        scaling_factor=0.3711 if dev else 0.3611,
        shift_factor=0.1259 if dev else 0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    text = CLIPTextConfig(
        vocab_size=len(clip_vocab),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=clip_vocab[START],
        eos_token_id=clip_vocab[END],
        pad_token_id=clip_vocab[END],
    )
    long_text = T5Config(
        vocab_size=t5_size,
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0 if dev else 1.0, use_dynamic_shifting=dev)
    return FluxImg2ImgPipeline(
        scheduler=scheduler,
        vae=drawn(autoencoder, seed),
        text_encoder=drawn(CLIPTextModel(text), seed + 1),
        tokenizer=clip,
        text_encoder_2=drawn(T5EncoderModel(long_text), seed + 2),
        tokenizer_2=t5,
        transformer=drawn(transformer, seed + 3),
    )


def save_flux(pipeline, folder, shards):
    save(pipeline, folder)
    if shards:
        for file in (folder / "transformer").glob("*.safetensors"):
            file.unlink()
        pipeline.transformer.save_pretrained(folder / "transformer", max_shard_size="200KB")
        assert len(list((folder / "transformer").glob("*.safetensors"))) > 1


def stages(pipeline, request, steps, noise, picture, mask):
    height, width = picture.height, picture.width
    posterior.randn_tensor = lambda shape, **_: torch.zeros(shape)
    text2img.randn_tensor = img2img.randn_tensor = inpaint.randn_tensor = lambda shape, **_: noise.reshape(shape).clone()
    pipeline.set_progress_bar_config(disable=True)
    context, pooled, _ = pipeline.encode_prompt(
        request["prompt"], None, max_sequence_length=request["text_tokens"]
    )
    pixels = pipeline.image_processor.preprocess(picture, height=height, width=width).float()
    encoded = pipeline._encode_vae_image(pixels, None)
    made = {"context": context, "pooled": pooled, "encoded": encoded}
    unpacked = lambda latents: pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    for strength in request["strengths"]:
        note, seen = watched(unpacked)
        arguments = dict(
            prompt=request["prompt"],
            image=picture,
            height=height,
            width=width,
            strength=strength,
            num_inference_steps=steps,
            guidance_scale=request["guidance"],
            max_sequence_length=request["text_tokens"],
            output_type="latent",
            callback_on_step_end=note,
        )
        last = pipeline(**arguments).images
        config = pipeline.vae.config
        latents = unpacked(last) / config.scaling_factor + config.shift_factor
        made[f"{strength}.latents"] = torch.stack(seen)
        made[f"{strength}.sigmas"] = pipeline.scheduler.sigmas[-len(seen) - 1 :]
        made[f"{strength}.decoded"] = pipeline.vae.decode(latents).sample
        seen.clear()
        painter = FluxInpaintPipeline(**pipeline.components)
        painter.set_progress_bar_config(disable=True)
        painter(mask_image=mask, **arguments)
        made[f"{strength}.inpainted"] = torch.stack(seen)
    note, seen = watched(unpacked)
    drawer = FluxPipeline(**pipeline.components)
    drawer.set_progress_bar_config(disable=True)
    without = {name: value for name, value in arguments.items() if name not in ("image", "strength")}
    last = drawer(**without | {"callback_on_step_end": note})
    latents = unpacked(last.images) / pipeline.vae.config.scaling_factor + pipeline.vae.config.shift_factor
    made["alone.latents"] = torch.stack(seen)
    made["alone.decoded"] = pipeline.vae.decode(latents).sample
    return made


def main():
    directory, request, noise, picture, mask = asked()
    for seed, (name, steps) in enumerate(sorted(request["steps"].items())):
        dev = name.endswith("dev")
        pipeline = flux(directory / name, dev, 10 * seed + 1)
        save_flux(pipeline, directory / name, shards=dev)
        made = stages(pipeline, request, steps, noise, picture, mask)
        keep(directory, name, made)


if __name__ == "__main__":
    main()
