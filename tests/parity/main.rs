//! Parity with diffusers, joint by joint: see README.md beside this file.

mod checkpoint;
mod golden;
mod verdict;

mod decoder;
mod noise;
mod reference;
mod runs;
mod samplers;
mod text;
mod unet;
