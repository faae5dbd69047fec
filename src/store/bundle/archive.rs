//! A bundle as a zip file: `bundle.json` with the rows, and `blobs/HASH` for each blob. Entries are not compressed:
//! images already are, and an uncompressed entry cannot be a zip bomb.
//!
//! Anyone may have made a file that is imported. Nothing is extracted to the disk. Entries with unexpected names are
//! refused. Each read has a limit that does not depend on the sizes stated in the file.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::check::wrong;
use super::rows::{Bundle, Digest};
use crate::store::blobs::MAX_BLOB;
use crate::store::disk::{Folder, parent};
use crate::store::temporary::{Temporary, remove_dead};
use crate::store::{Error, Result};

/// The name of an incomplete bundle begins and ends with these.
const PREFIX: &str = ".pentimento-";
const SUFFIX: &str = ".zip";

const ROWS: &str = "bundle.json";
const BLOBS: &str = "blobs/";

/// The value of `format` in `bundle.json`, which identifies it as ours.
const FORMAT: &str = "pentimento bundle";
/// Version of the rows. It is raised for every change that older programs would misread.
const VERSION: u32 = 1;

/// Limit of the number of entries.
const MAX_ENTRIES: usize = 100_000;
/// Limit of the zip's central directory in bytes.
const MAX_DIRECTORY: u64 = 32 << 20;
/// Limit of `bundle.json` in bytes: some hundred thousand runs.
const MAX_ROWS: u64 = 128 << 20;
/// Limit of all entries together in bytes.
const MAX_BUNDLE: u64 = 256 << 30;

/// `bundle.json`, as it is written.
#[derive(Serialize)]
struct RowsOut<'a> {
    format: &'a str,
    version: u32,
    generator: &'a str,
    #[serde(flatten)]
    bundle: &'a Bundle,
}

/// The part of `bundle.json` that says whether the rest can be read.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

/// `bundle.json`, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsIn {
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

/// Writes a bundle: first the blobs, then the rows. The file appears under its name when it is complete.
pub struct Writer {
    path: PathBuf,
    folder: Arc<Folder>,
    zip: ZipWriter<BufWriter<Output>>,
    /// The first error of writing.
    error: SharedError,
    blobs: HashSet<Digest>,
}

impl Writer {
    /// Creates a temporary file in the folder of `path`. It is deleted unless [`Writer::finish`] succeeds.
    pub fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::file(path, "write", io::Error::other("it is a folder")));
        }
        // Its mode is 0600, because it holds images of people.
        let folder = Folder::open(parent(path)).map_err(|error| match error {
            Error::File { source, .. } => Error::file(path, "write", source),
            error => error,
        });
        let folder = Arc::new(folder?);
        // Exports that were killed.
        remove_dead(&folder, |name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))?;
        let error = SharedError::default();
        let file = Temporary::new(&folder, PREFIX, SUFFIX)?;
        let zip = ZipWriter::new(BufWriter::new(Output {
            file,
            error: error.clone(),
            has_failed: false,
            position: 0,
            end: 0,
        }));
        Ok(Self { path: path.to_owned(), folder, zip, error, blobs: HashSet::new() })
    }

    /// Adds a blob, unless it was added before.
    pub fn add_blob(&mut self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest(blake3::hash(bytes));
        if self.blobs.insert(digest) {
            self.entry(&format!("{BLOBS}{}", digest.0.to_hex()), bytes)?;
        }
        Ok(digest)
    }

    /// Adds the rows and renames the file to its final name. Fails if that file exists, unless `overwrite` is set.
    /// Returns the size in bytes.
    pub fn finish(mut self, bundle: &Bundle, overwrite: bool) -> Result<u64> {
        let generator = concat!("pentimento ", env!("CARGO_PKG_VERSION"));
        let written = RowsOut { format: FORMAT, version: VERSION, generator, bundle };
        let rows = serde_json::to_vec(&written).map_err(|error| Error::BadValue(error.to_string()))?;
        self.entry(ROWS, &rows)?;
        let path = self.path;
        let failed = |error: io::Error| Error::file(&path, "write", error);
        let buffer = self.zip.finish().map_err(|error| failed(error.into()))?;
        let Output { file, .. } = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
        check(&self.error).map_err(failed)?;
        let size = file.len().map_err(failed)?;
        let name = path.file_name().unwrap_or_default();
        if overwrite {
            file.replace(name)?
        } else {
            file.place(name)?
        }
        self.folder.sync()?;
        Ok(size)
    }

    fn entry(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o600);
        let written = self.zip.start_file(name, options).map_err(io::Error::from);
        let written = written.and_then(|()| self.zip.write_all(bytes)).and_then(|()| check(&self.error));
        written.map_err(|error| Error::file(&self.path, "write", error))
    }
}

/// Fails with the error that writing has met, if there is one.
fn check(error: &SharedError) -> io::Result<()> {
    error.take().map_or(Ok(()), Err)
}

type SharedError = Rc<RefCell<Option<io::Error>>>;

/// A file that keeps its first error to itself and from then on only pretends to write. The zip library completes its
/// file even when it is dropped, and prints an error or panics if that fails.
struct Output {
    file: Temporary,
    error: SharedError,
    has_failed: bool,
    position: u64,
    end: u64,
}

impl Output {
    /// Takes an error and pretends the result, which says where the file is now.
    fn or_pretend(&mut self, result: io::Result<u64>, pretended: u64) -> u64 {
        self.position = result.unwrap_or_else(|error| {
            self.has_failed = true;
            self.error.borrow_mut().get_or_insert(error);
            pretended
        });
        self.end = self.end.max(self.position);
        self.position
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.position;
        let result = match self.has_failed {
            true => Ok(before + bytes.len() as u64),
            false => self.file.write(bytes).map(|length| before + length as u64),
        };
        Ok((self.or_pretend(result, before + bytes.len() as u64) - before) as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let pretended = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(distance) => self.position.saturating_add_signed(distance),
            SeekFrom::End(distance) => self.end.saturating_add_signed(distance),
        };
        let result = if self.has_failed { Ok(pretended) } else { self.file.seek(to) };
        Ok(self.or_pretend(result, pretended))
    }
}

/// An opened bundle file, whose names and sizes are checked.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<Budget>,
    /// The index of each blob among the entries.
    blobs: HashMap<Digest, usize>,
    rows: usize,
}

impl Archive {
    /// Opens a file and checks the names and sizes of its entries.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::file(path, "read", error);
        let wrong = |reason: String| wrong(reason).of_bundle(path);
        // Checked before the file is opened: opening a pipe would block until there is a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let left = Rc::new(Cell::new(MAX_DIRECTORY));
        let budget = Budget { file: BufReader::new(File::open(path).map_err(failed)?), left: left.clone() };
        let zip = ZipArchive::new(budget).map_err(|error| {
            wrong(if left.get() == 0 {
                "its list of entries is too long or missing".to_owned()
            } else {
                format!("it is not a complete zip file ({error})")
            })
        })?;
        // Entries have their own limits.
        left.set(u64::MAX);
        if zip.len() > MAX_ENTRIES {
            return Err(wrong(format!("it has {} entries; the limit is {MAX_ENTRIES}", zip.len())));
        }
        if zip.has_duplicate_names() {
            return Err(wrong("two entries have the same name".to_owned()));
        }
        let (mut blobs, mut rows, mut total) = (HashMap::new(), None, 0u64);
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|error| wrong(error.to_string()))?;
            let name = entry.name().map_err(|error| wrong(error.to_string()))?;
            let (limit, what) = if name == ROWS {
                rows = Some(index);
                (MAX_ROWS, ROWS)
            } else if let Some(hash) = name.strip_prefix(BLOBS).and_then(|name| blake3::Hash::from_hex(name).ok()) {
                blobs.insert(Digest(hash), index);
                (MAX_BLOB, "a blob")
            } else {
                return Err(wrong(unexpected(&name)));
            };
            if entry.is_symlink() || entry.encrypted() {
                return Err(wrong(format!("entry {name:?} is a link or encrypted")));
            }
            if entry.compression() != CompressionMethod::Stored {
                return Err(wrong(format!("entry {name:?} is compressed; bundles are not, so it was repacked")));
            }
            if entry.size() > limit {
                let (size, limit) = (entry.size() >> 20, limit >> 20);
                return Err(wrong(format!("{what} is {size} MiB; the limit is {limit} MiB")));
            }
            total = total.saturating_add(entry.size());
        }
        if total > MAX_BUNDLE {
            return Err(wrong(format!("it is {} GiB; the limit is {} GiB", total >> 30, MAX_BUNDLE >> 30)));
        }
        let rows = rows.ok_or_else(|| wrong(format!("it has no {ROWS}, so it is not a bundle")))?;
        Ok(Self { path: path.to_owned(), zip, blobs, rows })
    }

    /// Reads the rows. Fails if a blob that they need is missing, or if there is any other blob.
    pub fn rows(&mut self) -> Result<Bundle> {
        let bytes = self.read(self.rows)?;
        let bundle = parse(&bytes).map_err(|reason| self.wrong(&reason))?;
        let needed = bundle.needed();
        if let Some(missing) = needed.iter().find(|blob| !self.blobs.contains_key(blob)) {
            return Err(self.wrong(&format!("image {} is missing", missing.0)));
        }
        if self.blobs.keys().any(|blob| !needed.contains(blob)) {
            return Err(self.wrong("it has blobs that no row uses"));
        }
        Ok(bundle)
    }

    /// Reads a blob and checks it against its hash.
    pub fn blob(&mut self, hash: &blake3::Hash) -> Result<Vec<u8>> {
        let index = self.blobs.get(&Digest(*hash)).copied();
        let index = index.ok_or_else(|| self.wrong(&format!("image {hash} is missing")))?;
        let bytes = self.read(index)?;
        if blake3::hash(&bytes) != *hash {
            return Err(self.wrong(&format!("the content of image {hash} does not match its hash")));
        }
        Ok(bytes)
    }

    /// Reads an entry, up to the size that was checked when the file was opened.
    fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let mut read = || {
            let entry = self.zip.by_index(index)?;
            let size = entry.size();
            let mut bytes = Vec::new();
            entry.take(size + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((bytes, size))
        };
        match read() {
            Err(error) => Err(self.wrong(&format!("an entry cannot be read ({error})"))),
            Ok((bytes, size)) if bytes.len() as u64 > size => {
                Err(self.wrong(&format!("an entry is longer than its stated {size} bytes")))
            }
            Ok((bytes, _)) => Ok(bytes),
        }
    }

    fn wrong(&self, reason: &str) -> Error {
        wrong(reason).of_bundle(&self.path)
    }
}

fn parse(bytes: &[u8]) -> std::result::Result<Bundle, String> {
    let header: Header = serde_json::from_slice(bytes)
        .map_err(|error| format!("its {ROWS} has no valid format and version ({error})"))?;
    if header.format != FORMAT {
        return Err(format!(
            "its {ROWS} has the unknown format {:?}",
            header.format.chars().take(40).collect::<String>()
        ));
    }
    if header.version != u64::from(VERSION) {
        let version = header.version;
        return Err(format!(
            "its version is {version}, but this program reads version {VERSION}; use the same pentimento on both sides"
        ));
    }
    let rows: RowsIn = serde_json::from_slice(bytes).map_err(|error| format!("its {ROWS} is invalid ({error})"))?;
    Ok(Bundle { subjects: rows.subjects, presets: rows.presets, blobs: rows.blobs })
}

/// Why a bundle cannot have an entry with this name.
fn unexpected(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    let leads_out =
        name.starts_with(['/', '\\']) || name.contains(':') || name.split(['/', '\\']).any(|part| part == "..");
    if leads_out { format!("entry {shown:?} points outside the bundle") } else { format!("unexpected entry {shown:?}") }
}

/// A file with a limit on the bytes read. The zip library reads the whole list of entries before it can be checked.
struct Budget {
    file: BufReader<File>,
    left: Rc<Cell<u64>>,
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 && !buffer.is_empty() {
            return Err(io::Error::other("too many bytes to read"));
        }
        let max = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..max])?;
        self.left.set(self.left.get() - read as u64);
        Ok(read)
    }
}

impl Seek for Budget {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
