//! A reader of pickles that calls nothing.
//!
//! It knows the opcodes and the few names that a file of tensors needs (CPython, `Lib/pickletools.py`; PyTorch,
//! `torch/_weights_only_unpickler.py`), and refuses all others. Values lie in one list and refer to each other by
//! number, so that no input makes it recurse or copy.

use std::collections::HashMap;

/// The most values that a pickle may make.
const MOST_VALUES: usize = 4_000_000;

/// The number of a value.
pub type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float,
    /// An integer of more than 64 bits, little-endian.
    Long(Vec<u8>),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name that is allowed.
    Global(Global),
    /// A persistent id: the description of a storage.
    Storage(Id),
    /// The arguments of `_rebuild_tensor_v2`.
    Tensor(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    RebuildTensor,
    OrderedDict,
    /// A storage class, by its name in the module torch.
    Storage(&'static str),
}

/// The storage classes of PyTorch, each with the type and the size of its numbers in safetensors.
pub const STORAGES: [(&str, &str, u64); 10] = [
    ("FloatStorage", "F32", 4),
    ("HalfStorage", "F16", 2),
    ("BFloat16Storage", "BF16", 2),
    ("DoubleStorage", "F64", 8),
    ("LongStorage", "I64", 8),
    ("IntStorage", "I32", 4),
    ("ShortStorage", "I16", 2),
    ("CharStorage", "I8", 1),
    ("ByteStorage", "U8", 1),
    ("BoolStorage", "BOOL", 1),
];

/// All values of a pickle, and which one it stands for.
#[derive(Debug)]
pub struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
    /// The bytes that it takes of the input.
    pub length: usize,
}

/// Reads the pickle that `bytes` begin with. `Err` is the reason for a refusal.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), memo: HashMap::new() };
    while !machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { values: machine.values, root, length: machine.at })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    /// `None` is a mark.
    stack: Vec<Option<Id>>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Executes an opcode; true at the end of the pickle.
    fn step(&mut self) -> Result<bool, String> {
        let opcode = self.take(1)?[0];
        match opcode {
            // PROTO, FRAME
            0x80 => {
                self.take(1)?;
            }
            0x95 => {
                self.take(8)?;
            }
            b'.' => return Ok(true),
            b'(' => self.stack.push(None),
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88))?,
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let value = self.take(1)?[0];
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let length = self.take(1)?[0];
                self.text(length.into())?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                self.push(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let key = self.take(1)?[0];
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let key = self.take(1)?[0];
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.global(&module, &name)?;
                    }
                    _ => return Err("it names something without a text".to_owned()),
                }
            }
            b'Q' => {
                let description = self.pop()?;
                self.push(Value::Storage(description))?;
            }
            b'R' => self.call()?,
            b'b' => self.build()?,
            _ => return Err(format!("it has the instruction 0x{opcode:02x}, which no file of tensors needs")),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| "it ends too early".to_owned())?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take(256).position(|byte| *byte == b'\n');
        let length = length.ok_or_else(|| "it has a name that does not end".to_owned())?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8(self.take(length)?.to_vec()).map_err(|_| "it has a damaged text".to_owned())?;
        self.push(Value::Text(text))
    }

    fn long(&mut self) -> Result<(), String> {
        let length = self.take(1)?[0];
        let bytes = self.take(length.into())?.to_vec();
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        if bytes.len() > 8 {
            return self.push(Value::Long(bytes));
        }
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(&bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)))
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES || self.stack.len() >= MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        self.stack.push(Some(self.values.len()));
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().flatten().ok_or_else(|| "its instructions do not fit each other".to_owned())
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().flatten().ok_or_else(|| "its instructions do not fit each other".to_owned())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.stack.iter().rposition(Option::is_none);
        let mark = mark.ok_or_else(|| "its instructions do not fit each other".to_owned())?;
        let items = self.stack.split_off(mark);
        Ok(items.into_iter().flatten().collect())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.values[list] {
            Value::List(own) => own.extend(items),
            _ => return Err("it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        match (&mut self.values[dict], items.as_chunks::<2>()) {
            (Value::Dict(own), (pairs, [])) => own.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err("it sets items of what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let value = self.top()?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let value = *self.memo.get(&key).ok_or_else(|| "it refers to a value that it does not have".to_owned())?;
        if self.stack.len() >= MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        self.stack.push(Some(value));
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let storage = STORAGES.iter().find(|(class, ..)| *class == name).filter(|_| module == "torch");
        let global = match (module, name, storage) {
            ("torch._utils", "_rebuild_tensor_v2", _) => Global::RebuildTensor,
            ("collections", "OrderedDict", _) => Global::OrderedDict,
            (_, _, Some((class, ..))) => Global::Storage(class),
            _ => return Err(format!("it calls for {module}.{name}, which could run code")),
        };
        self.push(Value::Global(global))
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let made = match (&self.values[function], &self.values[arguments]) {
            (Value::Global(Global::RebuildTensor), Value::Tuple(_)) => Value::Tensor(arguments),
            (Value::Global(Global::OrderedDict), Value::Tuple(items)) if items.is_empty() => Value::Dict(Vec::new()),
            _ => return Err("it calls what is no function of tensors".to_owned()),
        };
        self.push(made)
    }

    /// Sets attributes: only those of a dictionary, which hold the versions of a model's modules.
    fn build(&mut self) -> Result<(), String> {
        let (state, object) = (self.pop()?, self.top()?);
        match (&self.values[object], &self.values[state]) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            _ => Err("it sets attributes of what is no dictionary".to_owned()),
        }
    }
}
