//! Runs the program, and makes checkpoints to run it on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

/// The output and exit status of the program.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program, without environment variables that change its behaviour.
pub fn pentimento() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
    command.env_remove("PENTIMENTO_IMAGES").env("PENTIMENTO_LOG", "off").stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { status: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ran {
    /// The one JSON document on stdout.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Asserts that it failed with this status and one error that contains all of these words, and printed nothing else.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "stderr: {}", self.stderr);
        assert_eq!(self.stdout, "");
        let sentence: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(sentence.len(), 1, "one sentence, not: {}", self.stderr);
        for word in words {
            assert!(sentence[0].contains(word), "{word:?} is not in: {}", sentence[0]);
        }
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains('\u{1b}'), "{:?}", self.stderr);
    }
}

impl Ran {
    /// Asserts that it succeeded and that no line is wider than 80 columns. Returns stdout.
    #[track_caller]
    pub fn fits(&self) -> &str {
        assert_eq!(self.status, 0, "{}", self.stderr);
        for line in self.stdout.lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
        assert!(!self.stdout.chars().any(|c| c.is_control() && c != '\n'), "{:?}", self.stdout);
        &self.stdout
    }
}

impl Ran {
    /// Asserts that clap refused the command line with a message that contains all of these words.
    #[track_caller]
    pub fn misused(&self, words: &[&str]) {
        self.refused(2, &[]);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }
}

/// Asserts that a JSON object has all of these fields.
#[track_caller]
pub fn promised(document: &serde_json::Value, fields: &[&str]) {
    for field in fields {
        assert!(document.get(field).is_some(), "{field} is not in {document}");
    }
}

/// Writes a small picture that differs for each shade.
pub fn picture(path: &Path, shade: u8) -> PathBuf {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 3) as u8 ^ shade, (y * 2) as u8, shade]);
    image::RgbImage::from_fn(72, 96, pixel).save(path).unwrap();
    path.to_owned()
}

/// The tiny checkpoints of the parity tests.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/data").join(name)
}

pub fn reference() -> PathBuf {
    data("pictures/landscape.png")
}

/// A temporary folder with a copy of the tiny checkpoint and its adapters, to be damaged by tests.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&data("sd1"), &folder.path().join("model"));
        copy(&data("sd1-adapters"), &folder.path().join("adapters"));
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A `generate` command with two steps and no reference. Removes the picture of an earlier one.
    pub fn generate(&self) -> Command {
        let _ = fs::remove_file(self.path("out.png"));
        self.generate_again()
    }

    /// The same command, which keeps an earlier picture.
    pub fn generate_again(&self) -> Command {
        let mut command = pentimento();
        command
            .args(["generate", "--prompt", "a portrait", "--steps", "2", "--device", "cpu", "--model"])
            .arg(self.path("model"))
            .arg("--output")
            .arg(self.path("out.png"));
        command
    }

    /// The same with a reference, through the adapter `linear`, `plus` or `full`.
    pub fn generate_with_reference(&self, adapter: &str) -> Command {
        let mut command = self.generate();
        command
            .arg("--reference")
            .arg(reference())
            .arg("--adapter")
            .arg(self.path(&format!("adapters/ip-adapter_{adapter}.safetensors")))
            .arg("--image-encoder")
            .arg(self.path("adapters/image_encoder"));
        command
    }

    /// Rewrites one safetensors file.
    pub fn spoil(&self, file: &str, change: impl FnOnce(&mut Tensors)) {
        let path = self.path(file);
        let mut tensors = Tensors::read(&path);
        change(&mut tensors);
        tensors.write(&path);
    }

    /// Replaces text in a file. The text must exist.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    /// Whether the folder holds no picture and no temporary file.
    pub fn nothing_was_written(&self) -> bool {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names == ["adapters", "model"]
    }
}

/// The tensors of a safetensors file: name, type, shape and bytes.
pub struct Tensors(pub Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let own = |(name, view): (String, safetensors::tensor::TensorView)| {
            (name, view.dtype(), view.shape().to_vec(), view.data().to_vec())
        };
        Self(tensors.tensors().into_iter().map(own).collect())
    }

    pub fn write(&self, path: &Path) {
        let views = self.0.iter().map(|(name, dtype, shape, bytes)| {
            (name.as_str(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    pub fn remove(&mut self, name: &str) {
        let before = self.0.len();
        self.0.retain(|tensor| tensor.0 != name);
        assert_eq!(self.0.len(), before - 1, "{name} is not there");
    }

    /// The tensor of this name.
    pub fn at(&mut self, name: &str) -> &mut (String, safetensors::Dtype, Vec<usize>, Vec<u8>) {
        self.0.iter_mut().find(|tensor| tensor.0 == name).unwrap_or_else(|| panic!("{name} is not there"))
    }

    pub fn add(&mut self, name: &str, shape: &[usize]) {
        let bytes = vec![0; shape.iter().product::<usize>() * 4];
        self.0.push((name.to_owned(), safetensors::Dtype::F32, shape.to_vec(), bytes));
    }
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
