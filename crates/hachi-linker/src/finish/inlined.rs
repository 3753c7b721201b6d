//! `.hachi.inline`: the functions that instructions were inlined through.
//!
//! Compiled code brings numbers in place of lines, which a table of the code generator's explains
//! (`crate::lines`); given objects bring the section itself.

use std::collections::{HashMap, HashSet};

use hachi_obj::inline::{self, InlineFrame, InlineFunction, InlineInfo};

use super::elf::{Place, SymbolKind};
use super::info::shorten;
use super::link::Unit;
use crate::lines::{Frame, LineTable};
use crate::sources::Sources;
use hachi_diag::is_library_file;

/// A section larger than this is left out: a program of that size is looked at by other means.
const MAX_SIZE: usize = 1 << 20;

impl Unit {
    /// Puts the lines that numbers stand for in their place, with their texts, and notes how the
    /// code was inlined.
    pub(super) fn resolve_lines(&mut self, table: &LineTable, sources: &mut Sources) {
        self.frames.0.extend(table.frames.0.iter().cloned());
        for section in &mut self.sections {
            for record in &mut section.lines {
                let (line, frame) = table.resolve(record.line);
                section.inlined.push((record.insn_off, frame));
                if line == record.line {
                    continue;
                }
                record.line = line;
                if let Some(text) = sources.line(&record.file, line) {
                    record.text = text.into();
                }
            }
        }
        for frame in &mut self.frames.0 {
            if !is_library_file(&frame.file)
                && let Some(text) = sources.line(&frame.file, frame.line)
            {
                frame.text = text.to_owned();
            }
        }
    }

    /// Takes over what a given object says of its functions.
    pub(super) fn take_inline_info(&mut self, bytes: &[u8], object: usize) {
        let info = InlineInfo::new(bytes, self.endian);
        let mut known = HashMap::new();
        for symbol in &self.symbols {
            let Place::In(section) = symbol.place else {
                continue;
            };
            if symbol.object != object || symbol.kind != SymbolKind::Func || symbol.replaced {
                continue;
            }
            let Some(function) = info.function(&symbol.name, symbol.size as usize) else {
                continue;
            };
            let section = &mut self.sections[section];
            for (offset, way) in function.records {
                let frame = way.iter().rev().fold(0, |parent, frame| {
                    let frame = Frame {
                        function: frame.function.to_owned(),
                        file: frame.file.to_owned(),
                        line: frame.line,
                        column: frame.column,
                        text: frame.text.to_owned(),
                        parent,
                    };
                    *known
                        .entry(frame.clone())
                        .or_insert_with(|| self.frames.add(frame))
                });
                let offset = symbol.value + u64::from(offset);
                section.inlined.push((offset as u32, frame));
            }
        }
    }

    /// The section's bytes; nothing when no code was inlined.
    pub(super) fn inline_info(&self) -> Vec<u8> {
        let mut functions = Vec::new();
        let mut named = HashSet::new();
        for index in self.functions() {
            let symbol = &self.symbols[index];
            let Place::In(section) = symbol.place else {
                continue;
            };
            // Of several names for one place one is enough.
            if !named.insert((section, symbol.value)) {
                continue;
            }
            let records = self.records(section, symbol.value, symbol.value + symbol.size);
            if records.iter().any(|(_, way)| !way.is_empty()) {
                let size = symbol.size as u32;
                functions.push(InlineFunction::new(&symbol.name, size, records));
            }
        }
        if functions.is_empty() {
            return Vec::new();
        }
        let bytes = inline::encode(&functions, self.endian);
        match bytes.len() > MAX_SIZE {
            true => Vec::new(),
            false => bytes,
        }
    }

    /// What is known of the code from `start` to `end` of a section, by offset from `start`.
    fn records(&self, section: usize, start: u64, end: u64) -> Vec<(u32, Vec<InlineFrame<'_>>)> {
        let mut records: Vec<(u32, u32)> = Vec::new();
        for &(offset, frame) in &self.sections[section].inlined {
            if !(start..end).contains(&u64::from(offset)) {
                continue;
            }
            let offset = (u64::from(offset) - start) as u32;
            match records.last_mut() {
                // What was there before was cut out.
                Some(last) if last.0 == offset => last.1 = frame,
                Some(last) if last.1 == frame => {}
                None if frame == 0 => {}
                _ => records.push((offset, frame)),
            }
        }
        // A line that is in the line information is not written twice.
        let lines = &self.sections[section].lines;
        let quoted: HashSet<(&str, u32)> = lines.iter().map(|l| (&*l.file, l.line)).collect();
        let way = |number| {
            let frames = self.frames.way(number);
            frames.map(|frame| {
                let mut place = InlineFrame::default();
                (place.function, place.file) = (&frame.function, &frame.file);
                (place.line, place.column) = (frame.line, frame.column);
                if !quoted.contains(&(&*frame.file, frame.line)) {
                    place.text = &frame.text;
                }
                place
            })
        };
        records
            .into_iter()
            .map(|(offset, number)| (offset, way(number).collect()))
            .collect()
    }

    /// Replaces absolute paths of the building machine in frames, as `shorten_files` does in lines.
    pub(super) fn shorten_frames(&mut self, package: Option<&str>) {
        for frame in &mut self.frames.0 {
            frame.file = shorten(&frame.file, package);
        }
    }
}
