//! Stable Diffusion 1, 2 and XL: img2img as diffusers' pipelines do it.

mod scheduler;
