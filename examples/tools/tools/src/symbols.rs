//! Names for addresses: of the kernel by `/proc/kallsyms`, of processes by the symbols in their
//! files.

use object::{Object, ObjectSegment, ObjectSymbol};
use std::collections::HashMap;
use std::fs;

/// Names by address, sorted.
#[derive(Default)]
struct Names(Vec<(u64, String)>);

impl Names {
    fn new(mut names: Vec<(u64, String)>) -> Self {
        names.sort();
        Names(names)
    }

    /// The last that begins at the address or before it.
    fn at(&self, address: u64) -> Option<&str> {
        let after = self.0.partition_point(|(start, _)| *start <= address);
        Some(&self.0.get(after.checked_sub(1)?)?.1)
    }
}

/// Finds names, and keeps what it has read.
#[derive(Default)]
pub struct Symbols {
    kernel: Option<Names>,
    files: HashMap<String, Option<File>>,
    maps: HashMap<u32, Vec<Mapping>>,
}

/// The symbols of a file, and where its parts want to be in memory.
struct File {
    names: Names,
    /// Offset in the file, length, and address.
    segments: Vec<(u64, u64, u64)>,
}

/// A part of a file in the memory of a process.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: String,
}

impl Symbols {
    /// The kernel's function at the address.
    pub fn kernel(&mut self, address: u64) -> String {
        let names = self.kernel.get_or_insert_with(|| {
            let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
            let line = |line: &str| {
                let mut words = line.split_whitespace();
                let address = u64::from_str_radix(words.next()?, 16).ok()?;
                Some((address, words.nth(1)?.to_owned()))
            };
            Names::new(text.lines().filter_map(line).collect())
        });
        names
            .at(address)
            .map_or_else(|| unknown(address), str::to_owned)
    }

    /// The function at the address in a process that still runs.
    pub fn user(&mut self, pid: u32, address: u64) -> String {
        self.user_name(pid, address)
            .unwrap_or_else(|| unknown(address))
    }

    fn user_name(&mut self, pid: u32, address: u64) -> Option<String> {
        let maps = self.maps.entry(pid).or_insert_with(|| mappings(pid));
        let mapping = maps
            .iter()
            .find(|map| (map.start..map.end).contains(&address))?;
        let offset = address - mapping.start + mapping.offset;
        // As the process sees the file system.
        let path = format!("/proc/{pid}/root{}", mapping.path);
        let file = self
            .files
            .entry(path.clone())
            .or_insert_with(|| File::read(&path));
        let file = file.as_ref()?;
        let segment = file
            .segments
            .iter()
            .find(|(from, length, _)| (*from..from + length).contains(&offset));
        let &(from, _, address) = segment?;
        let name = file.names.at(offset - from + address)?;
        Some(format!("{:#}", rustc_demangle::demangle(name)))
    }
}

impl File {
    fn read(path: &str) -> Option<Self> {
        let data = fs::read(path).ok()?;
        let file = object::File::parse(&*data).ok()?;
        let symbols = file.symbols().chain(file.dynamic_symbols());
        let functions = symbols
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text && symbol.is_definition());
        let names =
            functions.filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned())));
        let segments = file.segments().map(|segment| {
            let (offset, length) = segment.file_range();
            (offset, length, segment.address())
        });
        Some(File {
            names: Names::new(names.collect()),
            segments: segments.collect(),
        })
    }
}

/// Lines as `55d0-55e0 r-xp 00001000 fd:00 1234 /usr/bin/cat`.
fn mappings(pid: u32) -> Vec<Mapping> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let offset = words.nth(1)?;
        let path = words.nth(2)?;
        Some(Mapping {
            start: hex(start)?,
            end: hex(end)?,
            offset: hex(offset)?,
            path: path.to_owned(),
        })
    };
    text.lines().filter_map(line).collect()
}

fn unknown(address: u64) -> String {
    format!("[{address:#x}]")
}
