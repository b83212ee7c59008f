"""What diffusers' schedulers make of small latents, step by step.

    schedulers.py DIR

DIR holds request.json (cases, steps, strengths) and noise.safetensors (tensors "clean", "noise", and "steps", one for every step).
A case is a scheduler_config.json; the class that is chosen instead of its own, with settings, or null; and whether the
pipeline is one of SD 1 and 2, which overrule some settings. Written is DIR/schedulers.safetensors: for case C, N steps and
strength S "C.N.S.timesteps", "C.N.S.sigmas" (noise over picture at every step), "C.N.S.alone" (what the noise of a picture without a reference is times), "C.N.S.noised" (the clean latents under the noise of every step)
and "C.N.S.latents" (after every step).
The model is a function that needs no weights, and noise is given, so that nothing here is drawn by lot.
"""

import json
import sys
import warnings
from pathlib import Path

import diffusers
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline
from diffusers.schedulers import (
    scheduling_dpmsolver_multistep,
    scheduling_euler_ancestral_discrete,
    scheduling_lcm,
)
from safetensors.torch import load_file, save_file

# Those that draw noise at steps.
NOISY = [scheduling_dpmsolver_multistep, scheduling_euler_ancestral_discrete, scheduling_lcm]

torch.set_grad_enabled(False)
warnings.filterwarnings("ignore")
diffusers.logging.set_verbosity_error()


def model(latents, timestep):
    return torch.tanh(0.8 * latents + (timestep / 1000 - 0.3))


def pipeline(case):
    """The pipeline of a case, without anything but its scheduler."""
    scheduler = getattr(diffusers, case["config"]["_class_name"]).from_config(case["config"])
    if case["chosen"] is not None:
        name, settings = case["chosen"]
        scheduler = getattr(diffusers, name).from_config(scheduler.config, **settings)
    parts = dict(vae=None, text_encoder=None, tokenizer=None, unet=None, scheduler=scheduler)
    if case["first_models"]:
        return StableDiffusionImg2ImgPipeline(
            safety_checker=None, feature_extractor=None, requires_safety_checker=False, **parts
        )
    return StableDiffusionXLImg2ImgPipeline(text_encoder_2=None, tokenizer_2=None, **parts)


def ratios(scheduler, timesteps, first):
    if hasattr(scheduler, "sigmas"):
        return scheduler.sigmas[first : first + len(timesteps)]
    bars = scheduler.alphas_cumprod[timesteps]
    return ((1 - bars) / bars) ** 0.5


def stages(case, steps, strength, given):
    pipe = pipeline(case)
    scheduler = pipe.scheduler
    scheduler.set_timesteps(steps)
    timesteps, _ = pipe.get_timesteps(steps, strength, "cpu")
    if len(timesteps) == 0:
        return None
    clean, noise = given["clean"], given["noise"]
    latents = scheduler.add_noise(clean, noise, timesteps[:1])
    noised, seen = [latents], []
    for i, timestep in enumerate(timesteps):
        drawn = lambda shape, **_: given["steps"][i].reshape(shape).clone()
        for module in NOISY:
            module.randn_tensor = drawn
        output = model(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(output, timestep, latents, return_dict=False)[0]
        seen.append(latents)
        if i + 1 < len(timesteps):
            noised.append(scheduler.add_noise(clean, noise, timesteps[i + 1 : i + 2]))
    return {
        "timesteps": timesteps.float(),
        "sigmas": ratios(scheduler, timesteps, len(scheduler.timesteps) - len(timesteps)).float(),
        "alone": torch.tensor([float(scheduler.init_noise_sigma)]),
        "noised": torch.stack(noised),
        "latents": torch.stack(seen),
    }


def main(directory):
    request = json.loads((directory / "request.json").read_text())
    given = load_file(directory / "noise.safetensors")
    made = {}
    for name, case in request["cases"].items():
        for steps in request["steps"]:
            for strength in request["strengths"]:
                for stage, tensor in (stages(case, steps, strength, given) or {}).items():
                    made[f"{name}.{steps}.{strength}.{stage}"] = tensor.contiguous()
    save_file(made, directory / "schedulers.safetensors")


main(Path(sys.argv[1]))
