"""A tiny FLUX.1-dev as GGUF files, and what diffusers draws with the numbers in them, stage by stage.

    quantised.py DIR

DIR is as reference.py has it; request.json holds "files", the types of each pair of files, the most wanted first: a matrix
has the first that its rows are whole blocks of, in turn from the first, or else is F16, as real files have it.
Written are DIR/NAME/, a model folder in the flat layout without its autoencoder, and DIR/NAME.safetensors, its stages.
Blocks that the library cannot quantise to are drawn by lot, bit by bit, and scaled to what weights are like.
"""

import inspect
import shutil

import gguf
import numpy
import torch
from common import END, START, asked, drawn, keep
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxTransformer2DModel,
)
from diffusers.loaders import single_file_utils
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from reference import clip_words, stages, t5_words
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

torch.set_grad_enabled(False)

WIDTH, HEADS, INNER, CONTEXT, POOLED, CHANNELS = 256, 2, 1024, 256, 64, 64
DOUBLE, SINGLE = 2, 2
T5_BLOCKS = 2


def transformer_shapes():
    """Black Forest Labs' names, (outputs, inputs) of matrices and widths of vectors."""
    shapes = {}

    def linear(name, inputs, outputs):
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)

    linear("img_in", CHANNELS, WIDTH)
    linear("txt_in", CONTEXT, WIDTH)
    for name, inputs in [("time_in", 256), ("guidance_in", 256), ("vector_in", POOLED)]:
        linear(f"{name}.in_layer", inputs, WIDTH)
        linear(f"{name}.out_layer", WIDTH, WIDTH)
    for block in range(DOUBLE):
        for branch in ["img", "txt"]:
            at = f"double_blocks.{block}.{branch}"
            linear(f"{at}_mod.lin", WIDTH, 6 * WIDTH)
            linear(f"{at}_attn.qkv", WIDTH, 3 * WIDTH)
            linear(f"{at}_attn.proj", WIDTH, WIDTH)
            linear(f"{at}_mlp.0", WIDTH, INNER)
            linear(f"{at}_mlp.2", INNER, WIDTH)
            for norm in ["query", "key"]:
                shapes[f"{at}_attn.norm.{norm}_norm.scale"] = (WIDTH // HEADS,)
    for block in range(SINGLE):
        at = f"single_blocks.{block}"
        linear(f"{at}.modulation.lin", WIDTH, 3 * WIDTH)
        linear(f"{at}.linear1", WIDTH, 3 * WIDTH + INNER)
        linear(f"{at}.linear2", WIDTH + INNER, WIDTH)
        for norm in ["query", "key"]:
            shapes[f"{at}.norm.{norm}_norm.scale"] = (WIDTH // HEADS,)
    linear("final_layer.adaLN_modulation.1", WIDTH, 2 * WIDTH)
    linear("final_layer.linear", WIDTH, CHANNELS)
    return shapes


# Where a block has its scale and, if it has one, the scale of its least values; and how many of the one the other is,
# so that numbers lie around 0.
SCALES = {
    GGMLQuantizationType.Q2_K: (80, 82, 1.5),
    GGMLQuantizationType.Q3_K: (108, None, 0),
    GGMLQuantizationType.Q4_K: (0, 2, 7.5),
    GGMLQuantizationType.Q5_K: (0, 2, 15.5),
    GGMLQuantizationType.Q6_K: (208, None, 0),
}


def lot(kind, shape, chance):
    """Blocks of any bits, with scales that give numbers the spread of weights."""
    numbers, size = GGML_QUANT_SIZES[kind]
    blocks = chance.integers(0, 256, (shape[0], shape[1] // numbers, size), dtype=numpy.uint8)
    scale, least, ratio = SCALES[kind]

    def put(value):
        for place, value in [(scale, value), (least, ratio * value)]:
            if place is not None:
                blocks[:, :, place : place + 2] = numpy.array([value], dtype=numpy.float16).view(numpy.uint8)

    put(1.0)
    rows = blocks.reshape(shape[0], -1)
    put(1.0 / (gguf.dequantize(rows, kind).std() * shape[1] ** 0.5))
    return blocks.reshape(shape[0], -1)


def write(path, architecture, shapes, kinds, seed, prefix=""):
    """Writes drawn numbers, and gives them as the file has them."""
    chance = numpy.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    # As the files of text models have a vocabulary.
    writer.add_array("tokenizer.ggml.tokens", ["<pad>", "</s>", "virion"])
    writer.add_array("tokenizer.ggml.scores", [0.0, 0.0, -1.0])
    made, turn, used = {}, 0, set()
    for name, shape in sorted(shapes.items()):
        if len(shape) == 1:
            bias = name.endswith("bias")
            stored = chance.normal(0.0 if bias else 1.0, 0.05 if bias else 0.1, shape).astype(numpy.float32)
            kind = GGMLQuantizationType.F32
        else:
            turns = kinds[turn % len(kinds) :] + kinds[: turn % len(kinds)]
            fit = [kind for kind in turns if shape[1] % GGML_QUANT_SIZES[kind][0] == 0]
            kind = fit[0] if fit else GGMLQuantizationType.F16
            turn += 1
            if kind in SCALES:
                stored = lot(kind, shape, chance)
            else:
                numbers = chance.normal(0.0, shape[1] ** -0.5, shape).astype(numpy.float32)
                stored = gguf.quantize(numbers, kind)
        used.add(kind)
        writer.add_tensor(prefix + name, stored, raw_dtype=kind)
        made[name] = torch.from_numpy(gguf.dequantize(stored, kind).astype(numpy.float32).reshape(shape).copy())
    assert set(kinds) <= used, "a type that no matrix has"
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return made


def converted(theirs):
    """By diffusers' own conversion, but for the one width that it has written in."""
    source = inspect.getsource(single_file_utils.convert_flux_transformer_checkpoint_to_diffusers)
    assert source.count("inner_dim = 3072") == 1
    scope = dict(vars(single_file_utils))
    exec(source.replace("inner_dim = 3072", f"inner_dim = {WIDTH}"), scope)
    return scope["convert_flux_transformer_checkpoint_to_diffusers"](dict(theirs))


def transformer(folder, name, kinds, seed, prefix):
    path = folder / f"flux1-dev-{name}.gguf"
    made = write(path, "flux", transformer_shapes(), kinds, seed, prefix)
    model = FluxTransformer2DModel(
        in_channels=CHANNELS,
        num_layers=DOUBLE,
        num_single_layers=SINGLE,
        attention_head_dim=WIDTH // HEADS,
        num_attention_heads=HEADS,
        joint_attention_dim=CONTEXT,
        pooled_projection_dim=POOLED,
        guidance_embeds=True,
    )
    model.load_state_dict(converted(made), strict=True)
    return model.eval()


def t5(folder, name, kinds, seed, vocabulary):
    model = T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=CONTEXT,
            d_kv=64,
            d_ff=512,
            num_layers=T5_BLOCKS,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, T5_BLOCKS)
    theirs = {}
    for own, weight in model.state_dict().items():
        if own != "encoder.embed_tokens.weight":
            theirs[names.get_name(own, try_suffixes=(".weight",))] = (own, tuple(weight.shape))
    shapes = {there: shape for there, (_, shape) in theirs.items()}
    path = folder / f"t5-v1_1-xxl-encoder-{name}.gguf"
    made = write(path, "t5encoder", shapes, kinds, seed)
    state = {theirs[there][0]: weight for there, weight in made.items()}
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"encoder.embed_tokens.weight"}
    return model.eval()


def pipeline(folder, name, kinds, seed, prefix):
    clip, clip_vocab = clip_words(folder / "tokenizer")
    words, vocabulary = t5_words(folder / "tokenizer_2")
    text = CLIPTextConfig(
        vocab_size=len(clip_vocab),
        hidden_size=POOLED,
        intermediate_size=64,
        num_hidden_layers=2,
        # The flat layout has no configuration: heads are 64 wide.
        num_attention_heads=1,
        max_position_embeddings=77,
        bos_token_id=clip_vocab[START],
        eos_token_id=clip_vocab[END],
        pad_token_id=clip_vocab[END],
    )
    text = drawn(CLIPTextModel(text), seed)
    save_file(text.state_dict(), folder / "clip_l.safetensors")
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32,) * 4,
        layers_per_block=1,
        latent_channels=CHANNELS // 4,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    return FluxImg2ImgPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=drawn(autoencoder, seed + 1),
        text_encoder=text,
        tokenizer=clip,
        text_encoder_2=t5(folder, name, kinds, seed + 2, vocabulary),
        tokenizer_2=words,
        transformer=transformer(folder, name, kinds, seed + 3, prefix),
    )


def main():
    directory, request, noise, picture, mask = asked()
    for seed, (name, kinds) in enumerate(sorted(request["files"].items())):
        folder = directory / name
        shutil.rmtree(folder, ignore_errors=True)
        kinds = [GGMLQuantizationType[kind] for kind in kinds]
        prefix = "model.diffusion_model." if seed % 2 else ""
        made = pipeline(folder, name, kinds, 10 * seed + 1, prefix)
        made = stages(made, request, request["steps"], noise, picture, mask)
        keep(directory, name, made)


if __name__ == "__main__":
    main()
