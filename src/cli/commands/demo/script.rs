//! `commands.sh`: the commands that generate the demo's pictures again, byte for byte.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::pictures::DemoPicture;
use crate::diffusion::compute::BUILT_WITH_CUDA;
use crate::imaging;
use crate::studio::text::clean;

/// Writes the script and makes it executable. It runs in its own folder, with one line for each picture.
pub fn write<'p>(path: &Path, pictures: impl Iterator<Item = &'p DemoPicture>) -> imaging::Result<()> {
    let program = absolute_program();
    let mut script = String::from(
        "#!/bin/sh\n\
         # Generates the pictures in this folder again, byte for byte. Each line also works on its own.\n\
         set -e\n\
         cd \"$(dirname \"$0\")\"\n\n",
    );
    for picture in pictures {
        let name = picture.saved.path.file_name().unwrap_or_default();
        let mut words = command(picture, Path::new("reference.png"), Path::new(name));
        words.insert(1, "--force".to_owned());
        // Writing to a string cannot fail.
        let _ = writeln!(script, "{program} {}", quoted(&words));
    }
    imaging::write_atomically(path, script.as_bytes())?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .map_err(|error| imaging::Error::Unwritable { path: path.to_owned(), reason: error.to_string() })
}

/// The arguments that generate a picture again.
pub fn command(picture: &DemoPicture, reference: &Path, output: &Path) -> Vec<String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut words = vec!["generate".to_owned()];
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    add("--reference", path(reference));
    add("--prompt", picture.prompt.prompt.clone());
    if !picture.prompt.negative.is_empty() {
        add("--negative", picture.prompt.negative.clone());
    }
    add("--seed", picture.saved.seed.to_string());
    // Everything else has the same default in `generate`.
    if picture.scale != 1.0 {
        add("--adapter-scale", picture.scale.to_string());
    }
    if let Some(guidance) = picture.prompt.guidance_scale {
        add("--guidance", guidance.to_string());
    }
    if BUILT_WITH_CUDA {
        add("--device", "cpu".to_owned());
    }
    add("--output", path(output));
    words
}

/// The name this program was called by, quoted for a shell.
pub fn program() -> String {
    quoted(&[called()])
}

fn called() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "pentimento".to_owned())
}

/// The same, valid in any folder: a path becomes absolute.
fn absolute_program() -> String {
    let called = called();
    let absolute = Path::new(&called).canonicalize().ok().filter(|_| called.contains('/'));
    quoted(&[absolute.map_or(called, |path| path.to_string_lossy().into_owned())])
}

/// Words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    let quote = |word: &String| {
        let word = clean(word);
        if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["--prompt", "it's a portrait", "", "demo/a.png"].map(str::to_owned);
        assert_eq!(quoted(&words), r"--prompt 'it'\''s a portrait' '' demo/a.png");
    }
}
