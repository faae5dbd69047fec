//! The domain in plain types, without input or output. Sees no other module.

pub mod settings;
pub mod text;
