//! The tensors that a pickle describes, and their numbers row after row.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::pickle::{Global, Id, Pickle, STORAGES, Value};
use super::storages::Storages;

/// How deep dictionaries may lie in each other.
const DEEPEST: usize = 4;
/// The most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;

const MOST_NAMES: usize = 1_000_000;

/// A tensor's description.
#[derive(Debug)]
pub struct Stored {
    /// Its name in safetensors.
    pub dtype: &'static str,
    pub shape: Vec<u64>,
    strides: Vec<u64>,
    /// In values.
    offset: u64,
    key: String,
    item: u64,
}

/// The tensors by name, and the names of what is no tensor. A dictionary in a dictionary adds its name and a dot.
pub fn find(pickle: &Pickle) -> Result<(BTreeMap<String, Stored>, Vec<String>), String> {
    let mut found = Found { pickle, tensors: BTreeMap::new(), others: Vec::new(), open: HashSet::new(), visited: 0 };
    match &pickle.values[pickle.root] {
        Value::Dict(_) => found.collect(pickle.root, "", 0)?,
        _ => return Err("it holds no dictionary of tensors".to_owned()),
    }
    Ok((found.tensors, found.others))
}

/// The length in bytes of each storage that the pickle describes.
pub fn storage_bytes(pickle: &Pickle) -> HashMap<String, u64> {
    let described = pickle.values.iter().filter_map(|value| match value {
        Value::Storage(description) => storage(pickle, *description).ok(),
        _ => None,
    });
    described.map(|storage| (storage.key, storage.count * storage.item)).collect()
}

impl Stored {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<u64>() * self.item
    }

    /// Reads its numbers, row after row.
    pub fn read(&self, storages: &mut Storages) -> Result<Vec<u8>, String> {
        if self.bytes() == 0 {
            return Ok(Vec::new());
        }
        let span: u64 = self.shape.iter().zip(&self.strides).map(|(size, stride)| (size - 1) * stride).sum();
        let stored = storages.read(&self.key, self.offset * self.item, (span + 1) * self.item)?;
        if self.strides == contiguous(&self.shape) {
            return Ok(stored);
        }
        let item = self.item as usize;
        let mut bytes = Vec::with_capacity(self.bytes() as usize);
        let mut index = vec![0; self.shape.len()];
        loop {
            let at: u64 = index.iter().zip(&self.strides).map(|(at, stride)| at * stride).sum();
            bytes.extend_from_slice(&stored[at as usize * item..][..item]);
            // Counts up like an odometer.
            let Some(next) = (0..index.len()).rfind(|&axis| index[axis] + 1 < self.shape[axis]) else {
                return Ok(bytes);
            };
            index[next] += 1;
            index[next + 1..].fill(0);
        }
    }
}

struct Found<'a> {
    pickle: &'a Pickle,
    tensors: BTreeMap<String, Stored>,
    others: Vec<String>,
    /// The dictionaries that hold the current one.
    open: HashSet<Id>,
    /// How many entries of dictionaries were seen. A dictionary may lie in several others.
    visited: usize,
}

impl Found<'_> {
    fn collect(&mut self, dict: Id, prefix: &str, depth: usize) -> Result<(), String> {
        let Value::Dict(items) = &self.pickle.values[dict] else { return Ok(()) };
        if depth > DEEPEST || !self.open.insert(dict) {
            return Err("its dictionaries lie in each other without an end".to_owned());
        }
        for (key, value) in items {
            self.visited += 1;
            if self.visited > MOST_NAMES {
                return Err(format!("it has more than {MOST_NAMES} names"));
            }
            let key = match &self.pickle.values[*key] {
                Value::Text(key) => key.clone(),
                Value::Int(number) => number.to_string(),
                _ => return Err("a tensor has no name".to_owned()),
            };
            let name = format!("{prefix}{key}");
            match &self.pickle.values[*value] {
                Value::Dict(_) => self.collect(*value, &format!("{name}."), depth + 1)?,
                Value::Tensor(arguments) => {
                    let stored = tensor(self.pickle, *arguments).map_err(|reason| format!("{name}: {reason}"))?;
                    self.tensors.insert(name, stored);
                }
                _ => self.others.push(name),
            }
        }
        self.open.remove(&dict);
        Ok(())
    }
}

struct Storage {
    class: &'static str,
    item: u64,
    key: String,
    /// The number of its values.
    count: u64,
}

/// ("storage", class, key, device, number of values), and nothing or None.
fn storage(pickle: &Pickle, description: Id) -> Result<Storage, String> {
    let unknown = || "its storage is not described as PyTorch does".to_owned();
    let Value::Tuple(parts) = &pickle.values[description] else { return Err(unknown()) };
    let parts: Vec<&Value> = parts.iter().map(|id| &pickle.values[*id]).collect();
    match parts[..] {
        [
            Value::Text(word),
            Value::Global(Global::Storage(class)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(count),
        ]
        | [
            Value::Text(word),
            Value::Global(Global::Storage(class)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(count),
            Value::None,
        ] if word == "storage" => {
            let (_, dtype, item) = STORAGES.iter().find(|(name, ..)| name == class).ok_or_else(unknown)?;
            let count = u64::try_from(*count).ok().filter(|count| count.checked_mul(*item).is_some());
            let count = count.ok_or_else(unknown)?;
            Ok(Storage { class: dtype, item: *item, key: key.clone(), count })
        }
        _ => Err(unknown()),
    }
}

/// (storage, offset, shape, strides, …)
fn tensor(pickle: &Pickle, arguments: Id) -> Result<Stored, String> {
    let unknown = || "it is not described as PyTorch does".to_owned();
    let Value::Tuple(parts) = &pickle.values[arguments] else { return Err(unknown()) };
    let [stored, offset, shape, strides, ..] = parts[..] else { return Err(unknown()) };
    let Value::Storage(description) = pickle.values[stored] else { return Err(unknown()) };
    let Value::Int(offset) = pickle.values[offset] else { return Err(unknown()) };
    let offset = u64::try_from(offset).map_err(|_| unknown())?;
    let Storage { class: dtype, item, key, count } = storage(pickle, description)?;
    let (shape, strides) = (numbers(pickle, shape)?, numbers(pickle, strides)?);
    if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
        return Err(unknown());
    }
    let values = shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
    let last = shape.iter().zip(&strides).try_fold(offset, |last, (size, stride)| {
        size.saturating_sub(1).checked_mul(*stride).and_then(|steps| last.checked_add(steps))
    });
    match (values, last) {
        (Some(0), _) => {}
        // More values than are stored would be copies of each other.
        (Some(values), Some(last)) if values <= count && last < count => {}
        _ => return Err(format!("its shape {shape:?} reaches outside of its {count} stored values")),
    }
    Ok(Stored { dtype, shape, strides, offset, key, item })
}

fn numbers(pickle: &Pickle, tuple: Id) -> Result<Vec<u64>, String> {
    let wrong = || "its shape is not one".to_owned();
    let Value::Tuple(items) = &pickle.values[tuple] else { return Err(wrong()) };
    let number = |id: &Id| match pickle.values[*id] {
        Value::Int(number) => u64::try_from(number).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    items.iter().map(number).collect()
}

fn contiguous(shape: &[u64]) -> Vec<u64> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
