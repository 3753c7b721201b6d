//! What a run begins with, as text: one thing a line.

use hachi_vm::Input;
use std::collections::BTreeMap;

use hachi_vm::machine::context::{Arch, Registers};
use hachi_vm::machine::{Image, World};

/// What a run begins with.
///
/// ```text
/// packet 45000054…             the packet, or the bytes of a context, in hexadecimal
/// field mark 7                 a field of the context
/// bytes user_ip4 7f000001      the bytes of a field of the context
/// argument 4096                the next argument of a function or tracepoint; or `@LABEL`
/// returned 0                   what the function returned
/// process 4711                 the process that runs, of one thread
/// uid 0                        its user
/// name cat                     its name
/// time 60000000000             nanoseconds since the machine was started
/// user 4096 2f746d7000         memory of the process: address and bytes
/// kernel 8192 00000000         memory of the kernel
/// types 9feb01…                the kernel's types; if there were others, the machine starts again
/// object task task_struct      a structure of the kernel's, with a label
/// member comm cat              a member of the last one: a number, text, or `@LABEL`
/// record STARTS process:4 name:16
///                              what records of a map have in them: names and bytes of parts
/// times 11                     how often the program runs, one run after the other
/// set STRICT 01000000          a global; if it had another value, the machine starts again
/// entry PORTS 581b 01          an entry that a map has
/// absent PORTS 581b            an entry that it has not
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scene {
    bytes: Vec<u8>,
    fields: Vec<(String, Field)>,
    arguments: Vec<Number>,
    returned: Option<u64>,
    process: Option<u32>,
    uid: Option<u32>,
    name: Option<String>,
    time: Option<u64>,
    images: Vec<Image>,
    pub types: Option<Vec<u8>>,
    pub records: Vec<Record>,
    pub objects: Vec<Object>,
    pub times: Option<u64>,
    pub globals: Vec<(String, Vec<u8>)>,
    pub entries: Vec<Entry>,
}

/// A structure of the kernel's.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    pub label: String,
    /// The name of its type.
    pub name: String,
    /// Names and values.
    pub members: Vec<(String, String)>,
}

/// What the records of a map have in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub map: String,
    /// Names and bytes of the parts.
    pub parts: Vec<(String, usize)>,
}

impl Record {
    fn read(text: &str) -> Option<Record> {
        let mut words = text.split(' ');
        let map = words.next()?.to_owned();
        let part = |word: &str| {
            let (name, size) = word.split_once(':')?;
            Some((name.to_owned(), size.parse().ok()?))
        };
        Some(Record {
            map,
            parts: words.map(part).collect::<Option<_>>()?,
        })
    }

    /// A record in words: parts that are no numbers as text up to the first zero. None if it has
    /// not as many bytes as its parts.
    pub fn show(&self, mut bytes: &[u8]) -> Option<String> {
        let mut shown = Vec::new();
        for (name, size) in &self.parts {
            let (part, rest) = bytes.split_at_checked(*size)?;
            bytes = rest;
            let mut number = [0; 8];
            let value = match size {
                1 | 2 | 4 | 8 => {
                    number[..*size].copy_from_slice(part);
                    u64::from_le_bytes(number).to_string()
                }
                _ => {
                    let text = part.split(|byte| *byte == 0).next().unwrap_or_default();
                    format!("{:?}", String::from_utf8_lossy(text))
                }
            };
            shown.push(format!("{name} {value}"));
        }
        bytes.is_empty().then(|| shown.join(", "))
    }
}

/// A number, or the address of an object.
#[derive(Debug, PartialEq, Eq)]
pub enum Number {
    Value(u64),
    Of(String),
}

/// The addresses of objects, by their labels.
pub type Places = BTreeMap<String, u64>;

impl Number {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Number> {
        match text.strip_prefix('@') {
            Some(label) => Some(Number::Of(label.to_owned())),
            None => number(text).map(Number::Value),
        }
    }

    /// What it is. Objects that are not there are at 0.
    pub fn value(&self, places: &Places) -> u64 {
        match self {
            Number::Value(value) => *value,
            Number::Of(label) => places.get(label).copied().unwrap_or(0),
        }
    }
}

/// An entry of a map, as it is to be before the run.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub map: String,
    pub key: Vec<u8>,
    /// None: there is none.
    pub value: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Scene {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Scene, String> {
        let mut scene = Scene::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let read = scene.read(line);
            read.ok_or_else(|| format!("`{line}` is not a line of a scene"))?;
        }
        Ok(scene)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let two = || rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "packet" => self.bytes = bytes(rest)?,
            "field" => {
                let (name, value) = two();
                let value = Field::Number(number(value)?);
                self.fields.push((name.to_owned(), value));
            }
            "bytes" => {
                let (name, value) = two();
                let value = Field::Bytes(bytes(value)?);
                self.fields.push((name.to_owned(), value));
            }
            "argument" => self.arguments.push(Number::parse(rest)?),
            "returned" => self.returned = Some(number(rest)?),
            "process" => self.process = Some(rest.parse().ok()?),
            "uid" => self.uid = Some(rest.parse().ok()?),
            "name" => self.name = Some(rest.to_owned()),
            "types" => self.types = Some(bytes(rest)?),
            "object" => {
                let (label, name) = two();
                self.objects.push(Object {
                    label: label.to_owned(),
                    name: name.to_owned(),
                    members: Vec::new(),
                });
            }
            "member" => {
                let (name, value) = two();
                let object = self.objects.last_mut()?;
                object.members.push((name.to_owned(), value.to_owned()));
            }
            "record" => self.records.push(Record::read(rest)?),
            "time" => self.time = Some(number(rest)?),
            "times" => self.times = Some(number(rest)?),
            "set" => {
                let (name, value) = two();
                self.globals.push((name.to_owned(), bytes(value)?));
            }
            "entry" | "absent" => {
                let mut words = rest.split(' ');
                let (map, key) = (words.next()?.to_owned(), bytes(words.next()?)?);
                let value = match word {
                    "entry" => Some(bytes(words.next()?)?),
                    _ => None,
                };
                self.entries.push(Entry { map, key, value });
            }
            "user" | "kernel" => {
                let (address, value) = two();
                self.images.push(Image {
                    address: number(address)?,
                    bytes: bytes(value)?,
                    user: word == "user",
                });
            }
            _ => return None,
        }
        Some(())
    }

    /// Puts what surrounds the run into the world.
    pub fn surround(&self, world: &mut World) {
        let task = &mut world.task;
        if let Some(process) = self.process {
            (task.pid, task.tgid) = (process, process);
        }
        if let Some(uid) = self.uid {
            task.uid = uid;
        }
        if let Some(name) = &self.name {
            task.comm.clone_from(name);
        }
        if let Some(time) = self.time {
            world.now = time;
        }
        world.images.clone_from(&self.images);
    }

    /// What the program is run with.
    pub fn input(&self, places: &Places) -> Input<'_> {
        let mut input = Input::new(&self.bytes);
        for (name, value) in &self.fields {
            input = match value {
                Field::Number(number) => input.field(name.clone(), *number),
                Field::Bytes(bytes) => input.array(name.clone(), bytes),
            };
        }
        let mut registers = Registers::new(Arch::X86_64);
        let arguments = self.arguments.iter();
        let arguments: Vec<u64> = arguments.map(|of| of.value(places)).collect();
        for (number, value) in arguments.iter().enumerate() {
            registers = registers.argument(number, *value);
        }
        input = input.arguments(arguments);
        if let Some(value) = self.returned {
            registers = registers.result(value);
            input = input.returned(value);
        }
        match self.arguments.is_empty() && self.returned.is_none() {
            true => input,
            false => input.registers(registers),
        }
    }
}

/// A number, in decimal or (with `0x`) in hexadecimal; negative ones as the program sees them.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.starts_with('-') => text.parse::<i64>().ok().map(i64::cast_unsigned),
        None => text.parse().ok(),
    }
}

/// Bytes of hexadecimal digits, with or without space between them.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    pairs.iter().map(byte).collect()
}
