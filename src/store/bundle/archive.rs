//! A bundle as one file: a zip with `bundle.json`, the rows, and `blobs/HASH` for each blob, none of them compressed:
//! pictures are already, and what is not packed cannot unpack to more than it is.
//!
//! A file that comes in may have been made by anybody. Nothing of it is unpacked to the disk: entries are looked up by
//! the names they must have, any other name is refused, and nothing is read beyond its limit whatever the file says of
//! its sizes.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::check::wrong;
use super::rows::{Bundle, Digest};
use crate::store::open::sync_folder;
use crate::store::{Error, Result};

const ROWS: &str = "bundle.json";
const BLOBS: &str = "blobs/";

/// What the rows say they are, so that other zips with a `bundle.json` are told apart.
const FORMAT: &str = "pentimento bundle";
/// The version of the rows' form; a form that an older program would misread gets the next number.
const VERSION: u32 = 1;

/// Entries of a bundle.
const MOST_ENTRIES: usize = 100_000;
/// Bytes of the zip's own list of its entries.
const LARGEST_LIST: u64 = 32 << 20;
/// Bytes of `bundle.json`: some hundred thousand runs.
const LARGEST_ROWS: u64 = 128 << 20;
/// Bytes of a blob: a reference of the largest size, as PNG.
const LARGEST_BLOB: u64 = 512 << 20;
/// Bytes of all entries together.
const LARGEST_BUNDLE: u64 = 256 << 30;

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    generator: &'a str,
    #[serde(flatten)]
    bundle: &'a Bundle,
}

/// The part of the rows that says whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u64,
    #[serde(rename = "generator")]
    _generator: String,
    subjects: Vec<super::rows::SubjectRow>,
    presets: Vec<super::rows::PresetRow>,
    blobs: Vec<super::rows::BlobRow>,
}

/// Writes a bundle: blobs first, as they come, then the rows. The file appears when it is whole.
pub struct Writer {
    path: PathBuf,
    zip: ZipWriter<BufWriter<NamedTempFile>>,
    blobs: HashSet<Digest>,
}

impl Writer {
    /// Begins a file beside its place under another name; nothing is left of it unless it is finished.
    pub fn create(path: &Path) -> Result<Self> {
        let unwritable = |error| Error::file(path, "written", error);
        if path.is_dir() {
            return Err(unwritable(io::Error::other("it is a folder")));
        }
        // It holds pictures of people: its owner's alone, as tempfile makes it.
        let file = tempfile::Builder::new()
            .prefix(".pentimento-")
            .suffix(".zip")
            .tempfile_in(folder_of(path))
            .map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), zip: ZipWriter::new(BufWriter::new(file)), blobs: HashSet::new() })
    }

    /// Adds a blob, if it is not in it yet.
    pub fn add_blob(&mut self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest(blake3::hash(bytes));
        if self.blobs.insert(digest) {
            self.entry(&format!("{BLOBS}{}", digest.0.to_hex()), bytes)?;
        }
        Ok(digest)
    }

    /// Adds the rows, brings all to the disk and puts the file in its place. A file that is there stays, unless
    /// `replace` says otherwise. Gives the size in bytes.
    pub fn finish(mut self, bundle: &Bundle, replace: bool) -> Result<u64> {
        let generator = concat!("pentimento ", env!("CARGO_PKG_VERSION"));
        let written = Written { format: FORMAT, version: VERSION, generator, bundle };
        let rows = serde_json::to_vec(&written).map_err(|error| Error::BadValue(error.to_string()))?;
        self.entry(ROWS, &rows)?;
        let path = self.path;
        let unwritable = |error: io::Error| Error::file(&path, "written", error);
        let buffer = self.zip.finish().map_err(|error| unwritable(error.into()))?;
        let file = buffer.into_inner().map_err(|error| unwritable(error.into_error()))?;
        file.as_file().sync_all().map_err(unwritable)?;
        let size = file.as_file().metadata().map_err(unwritable)?.len();
        if replace {
            file.persist(&path).map_err(|error| unwritable(error.error))?;
        } else {
            file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => Error::FileExists { path: path.clone() },
                _ => unwritable(error.error),
            })?;
        }
        sync_folder(folder_of(&path))?;
        Ok(size)
    }

    fn entry(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o600);
        let written = self.zip.start_file(name, options).map_err(io::Error::from);
        written.and_then(|()| self.zip.write_all(bytes)).map_err(|error| Error::file(&self.path, "written", error))
    }
}

/// A bundle's file, opened and looked over.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<Budget>,
    /// The place of each blob among the entries.
    blobs: HashMap<Digest, usize>,
    rows: usize,
}

impl Archive {
    /// Opens a file and looks at the names and sizes in it.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |error| Error::file(path, "read", error);
        let wrong = |reason: String| wrong(reason).of_bundle(path);
        // Looked at before it is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is a folder, a device or a pipe, not a file")));
        }
        let left = Rc::new(Cell::new(LARGEST_LIST));
        let budget = Budget { file: BufReader::new(File::open(path).map_err(unreadable)?), left: left.clone() };
        let zip = ZipArchive::new(budget).map_err(|error| {
            wrong(if left.get() == 0 {
                "the list of what is in it is too long, or cannot be found".to_owned()
            } else {
                format!("it is no whole zip file ({error})")
            })
        })?;
        // What is read from now on has limits of its own.
        left.set(u64::MAX);
        if zip.len() > MOST_ENTRIES {
            return Err(wrong(format!("{} files are in it, and {MOST_ENTRIES} is the limit", zip.len())));
        }
        if zip.has_duplicate_names() {
            return Err(wrong("a name occurs in it twice".to_owned()));
        }
        let (mut blobs, mut rows, mut total) = (HashMap::new(), None, 0u64);
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|error| wrong(error.to_string()))?;
            let name = entry.name().map_err(|error| wrong(error.to_string()))?;
            let (limit, what) = if name == ROWS {
                rows = Some(index);
                (LARGEST_ROWS, "its rows")
            } else if let Some(hash) = name.strip_prefix(BLOBS).and_then(|name| blake3::Hash::from_hex(name).ok()) {
                blobs.insert(Digest(hash), index);
                (LARGEST_BLOB, "a picture in it")
            } else {
                return Err(wrong(foreign(&name)));
            };
            if entry.is_symlink() || entry.encrypted() {
                return Err(wrong(format!("{name:?} in it is a link or encrypted, and bundles have no such files")));
            }
            if entry.compression() != CompressionMethod::Stored {
                return Err(wrong(format!(
                    "{name:?} in it is compressed, and files in bundles are not; somebody packed it anew"
                )));
            }
            if entry.size() > limit {
                let (size, limit) = (entry.size() >> 20, limit >> 20);
                return Err(wrong(format!("{what} has {size} MiB, and {limit} MiB is the limit")));
            }
            total = total.saturating_add(entry.size());
        }
        if total > LARGEST_BUNDLE {
            return Err(wrong(format!(
                "it says that it holds {} GiB, and {} is the limit",
                total >> 30,
                LARGEST_BUNDLE >> 30
            )));
        }
        let rows =
            rows.ok_or_else(|| wrong(format!("there is no {ROWS} in it, so it is no bundle of this program")))?;
        Ok(Self { path: path.to_owned(), zip, blobs, rows })
    }

    /// The rows. Every blob they point to is there, and none besides.
    pub fn rows(&mut self) -> Result<Bundle> {
        let bytes = self.read(self.rows)?;
        let bundle = parse(&bytes).map_err(|reason| self.wrong(&reason))?;
        let needed = bundle.needed();
        if let Some(missing) = needed.iter().find(|blob| !self.blobs.contains_key(blob)) {
            return Err(self.wrong(&format!("its picture {} is missing", missing.0)));
        }
        if self.blobs.keys().any(|blob| !needed.contains(blob)) {
            return Err(self.wrong("there are pictures in it that its rows do not tell of"));
        }
        Ok(bundle)
    }

    /// The bytes of a blob, checked against its hash.
    pub fn blob(&mut self, hash: &blake3::Hash) -> Result<Vec<u8>> {
        let index = self.blobs.get(&Digest(*hash)).copied();
        let index = index.ok_or_else(|| self.wrong(&format!("its picture {hash} is missing")))?;
        let bytes = self.read(index)?;
        if blake3::hash(&bytes) != *hash {
            return Err(self.wrong(&format!("its picture {hash} holds something else than its name says")));
        }
        Ok(bytes)
    }

    /// An entry's bytes. Its size was held against the limits when the file was opened; more than that is not read.
    fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let mut read = || {
            let entry = self.zip.by_index(index)?;
            let size = entry.size();
            let mut bytes = Vec::new();
            entry.take(size + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((bytes, size))
        };
        match read() {
            Err(error) => Err(self.wrong(&format!("a file in it cannot be read ({error})"))),
            Ok((bytes, size)) if bytes.len() as u64 > size => {
                Err(self.wrong(&format!("a file in it is longer than the {size} bytes that it says")))
            }
            Ok((bytes, _)) => Ok(bytes),
        }
    }

    fn wrong(&self, reason: &str) -> Error {
        wrong(reason).of_bundle(&self.path)
    }
}

fn parse(bytes: &[u8]) -> std::result::Result<Bundle, String> {
    let head: Head = serde_json::from_slice(bytes)
        .map_err(|error| format!("its {ROWS} does not begin as that of a bundle ({error})"))?;
    if head.format != FORMAT {
        return Err(format!("its {ROWS} is of another format, {:?}", head.format.chars().take(40).collect::<String>()));
    }
    if head.version != u64::from(VERSION) {
        let version = head.version;
        return Err(format!(
            "its rows are of version {version} and this program reads version {VERSION}; use a newer pentimento here, \
             or this version there"
        ));
    }
    let form: Form =
        serde_json::from_slice(bytes).map_err(|error| format!("its {ROWS} cannot be understood ({error})"))?;
    Ok(Bundle { subjects: form.subjects, presets: form.presets, blobs: form.blobs })
}

/// Why a name is none of a bundle's.
fn foreign(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    let leads_out =
        name.starts_with(['/', '\\']) || name.contains(':') || name.split(['/', '\\']).any(|part| part == "..");
    if leads_out {
        format!("the name {shown:?} in it leads out of the bundle")
    } else {
        format!("{shown:?} in it is nothing that belongs into a bundle")
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// A file of which only so many bytes are read: a zip's list of its entries is read as a whole before anybody can look
/// at it.
struct Budget {
    file: BufReader<File>,
    left: Rc<Cell<u64>>,
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 && !buffer.is_empty() {
            return Err(io::Error::other("too much to read"));
        }
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read as u64);
        Ok(read)
    }
}

impl Seek for Budget {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
