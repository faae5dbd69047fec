//! Tells what a file is by its first bytes, whatever its name says.

use std::path::Path;

use crate::diffusion::Error;

/// How many bytes [`FileKind::of`] needs at most.
pub(crate) const START: usize = 512;

/// In bytes. The header of the largest known checkpoints is below 1 MiB.
pub(super) const LARGEST_HEADER: u64 = 64 << 20;

/// What people put where weights or configs belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Empty,
    Safetensors,
    /// A pickle of PyTorch in its ZIP format, or a bare pickle.
    Pickle,
    Zip,
    LfsPointer,
    WebPage,
    Gguf,
    Onnx,
}

impl FileKind {
    /// Recognises a file by its first bytes; `None` for other files.
    pub fn of(start: &[u8]) -> Option<Self> {
        let text = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
        let begins =
            |word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()));
        // The first two bytes of a header's length may look like those of a pickle.
        if is_safetensors(start) {
            return Some(Self::Safetensors);
        }
        match start {
            [] => Some(Self::Empty),
            [b'P', b'K', 3, 4, ..] => Some(if has_pickle(start) { Self::Pickle } else { Self::Zip }),
            [0x80, 2..=5, ..] => Some(Self::Pickle),
            [b'G', b'G', b'U', b'F', ..] => Some(Self::Gguf),
            // The fields ir_version and producer_name of ONNX's ModelProto (onnx.proto).
            [0x08, 1..=30, 0x12, ..] => Some(Self::Onnx),
            _ if begins("version https://git-lfs") => Some(Self::LfsPointer),
            _ if ["<!doctype html", "<html", "<head", "<?xml"].into_iter().any(begins) => Some(Self::WebPage),
            _ => None,
        }
    }

    /// The error for a file of this kind where a config belongs; `None` if it may be a config.
    pub fn refuse_as_config(self, path: &Path) -> Option<Error> {
        match self {
            Self::Empty | Self::LfsPointer | Self::WebPage => self.refuse_as_weights(path),
            _ => None,
        }
    }

    /// The error for a file of this kind where weights belong; `None` for safetensors and for pickles.
    pub fn refuse_as_weights(self, path: &Path) -> Option<Error> {
        let remedy = match self {
            Self::Safetensors | Self::Pickle => return None,
            Self::Empty => "download it again",
            Self::Zip => "unpack it, and use the safetensors files in it",
            Self::LfsPointer => "run `git lfs pull` in its folder, or download the file itself",
            Self::WebPage => "download the file itself; its site may ask you to log in first",
            Self::Gguf | Self::Onnx => "use the safetensors file of the same model",
        };
        Some(Error::WrongFile { path: path.to_owned(), what: self.name(), remedy: remedy.to_owned() })
    }

    /// What it is, after "is".
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Safetensors => "a safetensors file",
            Self::Pickle => "a pickle file",
            Self::Zip => "a ZIP archive",
            Self::LfsPointer => "a Git LFS pointer, which stands for a file",
            Self::WebPage => "a web page",
            Self::Gguf => "a GGUF file, which this program does not read",
            Self::Onnx => "an ONNX file, which this program does not read",
        }
    }
}

/// The byte order mark that some editors put before UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

fn is_safetensors(start: &[u8]) -> bool {
    match start.split_first_chunk::<8>() {
        Some((length, [b'{', ..])) => u64::from_le_bytes(*length) <= LARGEST_HEADER,
        _ => false,
    }
}

/// Whether the first file of a ZIP archive is the pickle of PyTorch's format.
fn has_pickle(start: &[u8]) -> bool {
    start.windows(9).any(|word| word == b"/data.pkl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 34\n";
        let zip = |name: &str| [&b"PK\x03\x04"[..], &[0; 26], name.as_bytes()].concat();
        let cases: [(&[u8], Option<FileKind>); 14] = [
            (b"", Some(FileKind::Empty)),
            (lfs, Some(FileKind::LfsPointer)),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML>", Some(FileKind::WebPage)),
            (b"<html><body>", Some(FileKind::WebPage)),
            (b"GGUF\x03\0\0\0", Some(FileKind::Gguf)),
            (b"\x08\x07\x12\x07pytorch", Some(FileKind::Onnx)),
            (b"\x80\x02}q\0.", Some(FileKind::Pickle)),
            (&zip("ip-adapter/data.pkl"), Some(FileKind::Pickle)),
            (&zip("model/unet/config.json"), Some(FileKind::Zip)),
            (b"\x80\x02\0\0\0\0\0\0{\"a\":", Some(FileKind::Safetensors)),
            (b"\x08\x07\0\0\0\0\0\0{\"a\":", Some(FileKind::Safetensors)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff{", None),
            (b"{\"a\": 1}", None),
            (b"\x08", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
