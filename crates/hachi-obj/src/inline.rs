//! `.hachi.inline`: which functions the instructions were inlined through.
//!
//! Line information has room for one place for each instruction. Hachi's linker leaves the others
//! here: the code that was inlined there, and the calls by which it got there. The format is
//! described in `docs/inline-section.md`. Loaders that do not know the section pass over it.
//!
//! Records are found by the name and size of the function they are about, not by offsets in a
//! section. So they stay right when another linker moves functions, and are ignored for a function
//! that was changed.

use std::collections::HashMap;

use hachi_btf::Endian;

/// Name of the section.
pub const SECTION: &str = ".hachi.inline";

const MAGIC: [u8; 4] = *b"hinl";
const VERSION: u16 = 1;
const HEADER: usize = 28;

/// Numbers in a row of the table of frames.
const FRAME: usize = 6;

/// The longest way from an instruction to its program that is followed.
const MAX_DEPTH: usize = 64;

/// Frames that are read for one function: small tables can describe very many.
const MAX_FRAMES: usize = 1 << 16;

/// One place on the way from an instruction out to its program: where it is written, or a call by
/// which that was inlined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct InlineFrame<'a> {
    /// The function that holds the place, as its author named it; empty when unknown.
    pub function: &'a str,
    /// The file.
    pub file: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// The text of the line; empty when unknown.
    pub text: &'a str,
}

/// What is known of one function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InlineFunction<'a> {
    /// Its symbol's name.
    pub name: &'a str,
    /// Its size in bytes.
    pub size: u32,
    /// From which byte of the function on which way counts, innermost place first; by offset. No
    /// way at all for code that was not inlined.
    pub records: Vec<(u32, Vec<InlineFrame<'a>>)>,
}

impl<'a> InlineFunction<'a> {
    /// What is known of the function with this symbol, of `size` bytes.
    pub fn new(name: &'a str, size: u32, records: Vec<(u32, Vec<InlineFrame<'a>>)>) -> Self {
        InlineFunction {
            name,
            size,
            records,
        }
    }
}

/// The section's bytes for these functions.
pub fn encode(functions: &[InlineFunction<'_>], endian: Endian) -> Vec<u8> {
    let mut tables = Tables::default();
    tables.strings.push(0);
    let mut rows = Vec::new();
    for function in functions {
        number(&mut rows, tables.string(function.name));
        number(&mut rows, function.size);
        number(&mut rows, function.records.len() as u32);
        let mut before = 0;
        for (offset, way) in &function.records {
            // Outer places first, since frames refer to those before them.
            let frame = way.iter().rev().take(MAX_DEPTH);
            let frame = frame.fold(0, |parent, frame| tables.frame(frame, parent));
            number(&mut rows, offset.wrapping_sub(before));
            number(&mut rows, frame);
            before = *offset;
        }
    }
    let half = |half: u16| match endian {
        Endian::Little => half.to_le_bytes(),
        Endian::Big => half.to_be_bytes(),
    };
    let word = |word: usize| match endian {
        Endian::Little => (word as u32).to_le_bytes(),
        Endian::Big => (word as u32).to_be_bytes(),
    };
    let content = tables.frames.len() + rows.len() + tables.strings.len();
    let padding = content.next_multiple_of(4) - content;
    tables.strings.extend(std::iter::repeat_n(0, padding));
    let mut out = MAGIC.to_vec();
    out.extend(half(VERSION));
    out.extend(half(HEADER as u16));
    for count in [
        tables.frame_at.len(),
        tables.frames.len(),
        functions.len(),
        rows.len(),
        tables.strings.len(),
    ] {
        out.extend(word(count));
    }
    out.extend(tables.frames);
    out.extend(rows);
    out.extend(tables.strings);
    out
}

/// Appends a number in LEB128: seven bits a byte, the lowest first, the top bit set in all but the
/// last.
fn number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes such a number from the front.
fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Strings and frames, each once.
#[derive(Default)]
struct Tables {
    strings: Vec<u8>,
    string_at: HashMap<String, u32>,
    frames: Vec<u8>,
    /// Numbers of frames, from 1.
    frame_at: HashMap<[u32; FRAME], u32>,
}

impl Tables {
    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(at) = self.string_at.get(text) {
            return *at;
        }
        let at = self.strings.len() as u32;
        self.strings
            .extend(text.bytes().map(|byte| byte.max(b'\x01')));
        self.strings.push(0);
        self.string_at.insert(text.to_owned(), at);
        at
    }

    fn frame(&mut self, frame: &InlineFrame<'_>, parent: u32) -> u32 {
        let row = [
            self.string(frame.function),
            self.string(frame.file),
            frame.line,
            frame.column,
            self.string(frame.text),
            parent,
        ];
        let next = self.frame_at.len() as u32 + 1;
        *self.frame_at.entry(row).or_insert_with(|| {
            row.iter().for_each(|part| number(&mut self.frames, *part));
            next
        })
    }
}

/// The contents of a section. Nothing is read before it is asked for, and nothing in it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct InlineInfo<'a> {
    bytes: &'a [u8],
    endian: Endian,
}

/// One table of contents. Linkers that do not know the section put those of several objects behind
/// each other.
struct Unit<'a> {
    frames: Vec<[u32; FRAME]>,
    /// How many functions there are, and their rows.
    functions: (u32, &'a [u8]),
    strings: &'a [u8],
}

impl<'a> InlineInfo<'a> {
    /// The bytes of a section, in the object's byte order.
    pub fn new(bytes: &'a [u8], endian: Endian) -> Self {
        InlineInfo { bytes, endian }
    }

    /// What is known of the function of this name and size (in bytes). Nothing when there is no
    /// such function, when there are several, or when the section is damaged.
    pub fn function(&self, name: &str, size: usize) -> Option<InlineFunction<'a>> {
        let mut found = None;
        for unit in self.units() {
            for function in unit.functions(|n, s| n == name && s as usize == size) {
                // Two functions of one name that are alike: nobody can tell which is meant.
                if found.is_some() {
                    return None;
                }
                found = Some(function);
            }
        }
        found
    }

    #[cfg(test)]
    fn functions(&self) -> Vec<InlineFunction<'a>> {
        let all = self.units().map(|unit| unit.functions(|_, _| true));
        all.flatten().collect()
    }

    fn units(&self) -> impl Iterator<Item = Unit<'a>> + use<'a> {
        let endian = self.endian;
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (unit, after) = Unit::parse(rest, endian)?;
            rest = after;
            Some(unit)
        })
    }
}

impl<'a> Unit<'a> {
    /// The first table of some bytes, and what is behind it.
    fn parse(bytes: &'a [u8], endian: Endian) -> Option<(Unit<'a>, &'a [u8])> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let half = |at: usize| {
            let bytes = [header[at], header[at + 1]];
            match endian {
                Endian::Little => u16::from_le_bytes(bytes),
                Endian::Big => u16::from_be_bytes(bytes),
            }
        };
        let word = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            match endian {
                Endian::Little => u32::from_le_bytes(bytes),
                Endian::Big => u32::from_be_bytes(bytes),
            }
        };
        let length = usize::from(half(6));
        if header[..4] != MAGIC || half(4) != VERSION || length < HEADER {
            return None;
        }
        let rest = bytes.get(length..)?;
        let (mut frames, rest) = rest.split_at_checked(word(12) as usize)?;
        let (functions, rest) = rest.split_at_checked(word(20) as usize)?;
        let (strings, rest) = rest.split_at_checked(word(24) as usize)?;
        let mut rows = Vec::new();
        for _ in 0..word(8) {
            let mut row = [0; FRAME];
            for part in &mut row {
                *part = take_number(&mut frames)?;
            }
            rows.push(row);
        }
        let unit = Unit {
            frames: rows,
            functions: (word(16), functions),
            strings,
        };
        Some((unit, rest))
    }

    /// A string; empty when there is none at that place.
    fn text(&self, at: u32) -> &'a str {
        let from = self.strings.get(at as usize..).unwrap_or_default();
        let end = from.iter().position(|byte| *byte == 0);
        std::str::from_utf8(&from[..end.unwrap_or(0)]).unwrap_or_default()
    }

    /// The functions of some names and sizes, up to the first row that is damaged.
    fn functions(&self, wanted: impl Fn(&str, u32) -> bool) -> Vec<InlineFunction<'a>> {
        let (count, mut rows) = self.functions;
        let mut functions = Vec::new();
        for _ in 0..count {
            match self.function(&mut rows, &wanted) {
                Some(function) => functions.extend(function),
                None => break,
            }
        }
        functions
    }

    /// The next function if it is wanted; `None` when its row is damaged.
    fn function(
        &self,
        rows: &mut &[u8],
        wanted: &impl Fn(&str, u32) -> bool,
    ) -> Option<Option<InlineFunction<'a>>> {
        let name = self.text(take_number(rows)?);
        let size = take_number(rows)?;
        if !wanted(name, size) {
            for _ in 0..take_number(rows)? {
                take_number(rows)?;
                take_number(rows)?;
            }
            return Some(None);
        }
        let mut records = Vec::new();
        let mut offset = 0u32;
        let mut left = MAX_FRAMES;
        for _ in 0..take_number(rows)? {
            offset = offset.checked_add(take_number(rows)?)?;
            let mut way = self.way(take_number(rows)?);
            way.truncate(left);
            left -= way.len();
            records.push((offset, way));
        }
        Some(Some(InlineFunction {
            name,
            size,
            records,
        }))
    }

    /// The places from a frame out to the program.
    fn way(&self, mut number: u32) -> Vec<InlineFrame<'a>> {
        let mut way = Vec::new();
        while let Some(index) = (number as usize).checked_sub(1)
            && way.len() < MAX_DEPTH
        {
            let Some([function, file, line, column, text, parent]) = self.frames.get(index) else {
                break;
            };
            way.push(InlineFrame {
                function: self.text(*function),
                file: self.text(*file),
                line: *line,
                column: *column,
                text: self.text(*text),
            });
            // Outer places stand before inner ones, so that no way goes round in circles.
            if *parent >= number {
                break;
            }
            number = *parent;
        }
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &'static str, line: u32) -> InlineFrame<'static> {
        InlineFrame {
            function,
            file: "src/main.rs",
            line,
            column: 5,
            text: "    call();",
        }
    }

    fn functions() -> Vec<InlineFunction<'static>> {
        vec![
            InlineFunction {
                name: "firewall",
                size: 80,
                records: vec![
                    (0, vec![]),
                    (
                        16,
                        vec![frame("ratio", 3), frame("inner", 9), frame("firewall", 20)],
                    ),
                    (40, vec![frame("other", 5), frame("firewall", 20)]),
                ],
            },
            InlineFunction {
                name: "helper",
                size: 16,
                records: vec![(8, vec![frame("größe", 7), frame("helper", 8)])],
            },
        ]
    }

    #[test]
    fn written_tables_are_read_in_both_byte_orders() {
        for endian in [Endian::Little, Endian::Big] {
            let bytes = encode(&functions(), endian);
            assert!(bytes.len().is_multiple_of(4));
            let info = InlineInfo::new(&bytes, endian);
            assert_eq!(info.functions(), functions());
            assert_eq!(info.function("helper", 16), Some(functions()[1].clone()));
            assert_eq!(info.function("helper", 24), None, "it was changed");
            assert_eq!(info.function("nobody", 16), None);
        }
    }

    #[test]
    fn adjacent_tables_are_joined_and_namesakes_are_skipped() {
        let own = encode(&functions()[..1], Endian::Little);
        let other = encode(&functions()[1..], Endian::Little);
        let both = [own.clone(), other].concat();
        let info = InlineInfo::new(&both, Endian::Little);
        assert_eq!(info.functions(), functions());
        let twice = [own.clone(), own].concat();
        let info = InlineInfo::new(&twice, Endian::Little);
        assert_eq!(info.function("firewall", 80), None);
    }

    #[test]
    fn another_version_is_ignored() {
        let mut bytes = encode(&functions(), Endian::Little);
        bytes[4] = 2;
        assert_eq!(InlineInfo::new(&bytes, Endian::Little).functions(), []);
        let bytes = encode(&functions(), Endian::Little);
        assert_eq!(InlineInfo::new(&bytes, Endian::Big).functions(), []);
    }

    #[test]
    fn damage_is_survived() {
        let whole = encode(&functions(), Endian::Little);
        for end in 0..whole.len() {
            let info = InlineInfo::new(&whole[..end], Endian::Little);
            assert_eq!(info.functions(), [], "cut at {end}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let info = InlineInfo::new(&bytes, Endian::Little);
                for function in info.functions() {
                    assert!(
                        function
                            .records
                            .iter()
                            .all(|(_, way)| way.len() <= MAX_DEPTH)
                    );
                }
                let _ = info.function("firewall", 80);
            }
        }
    }
}
