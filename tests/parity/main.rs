//! Compares each stage of the pipeline, and whole generations, with diffusers. See README.md in this folder.

mod checkpoint;
mod comparison;
mod golden;

mod decoder;
mod noise;
mod reference;
mod runs;
mod samplers;
mod text;
mod unet;
