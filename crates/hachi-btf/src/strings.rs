use std::collections::HashMap;

use crate::{Btf, Types as _};

/// A BTF string section under construction: each distinct string once, offset 0 the empty one.
///
/// Offsets never change once given, so that strings of line info may be added before or after
/// the types' names.
#[derive(Debug, Clone)]
pub struct StringTable {
    bytes: Vec<u8>,
    offsets: HashMap<Box<str>, u32>,
    /// The offset of the first byte: where the base's strings end.
    first: u32,
    /// How many types the base has.
    base_types: u32,
}

impl Default for StringTable {
    fn default() -> Self {
        StringTable::new()
    }
}

impl StringTable {
    /// A table with only the empty string.
    pub fn new() -> StringTable {
        StringTable {
            bytes: vec![0],
            offsets: HashMap::new(),
            first: 0,
            base_types: 0,
        }
    }

    /// A table that continues the strings of `base` and uses those it has.
    pub fn split(base: &Btf<'_>) -> StringTable {
        let mut table = match base.base() {
            Some(below) => StringTable::split(below),
            None => StringTable::new(),
        };
        let mut offset = base.first_string();
        for text in base.string_bytes().split_inclusive(|&byte| byte == 0) {
            let text_len = text.len() as u32;
            if let Ok(text) = std::str::from_utf8(&text[..text.len() - 1])
                && !text.is_empty()
            {
                table.offsets.entry(text.into()).or_insert(offset);
            }
            offset += text_len;
        }
        table.bytes.clear();
        table.first = offset;
        table.base_types = base.last_id();
        table
    }

    /// A table that begins with the strings of `btf`, all where they are there; so what refers to
    /// them by offset can keep to it.
    pub fn keeping(btf: &Btf<'_>) -> StringTable {
        let mut table = StringTable::split(btf);
        table.bytes = btf.string_bytes().to_vec();
        table.first = btf.first_string();
        table.base_types = btf.first_id() - 1;
        table
    }

    pub(crate) fn base_types(&self) -> u32 {
        self.base_types
    }

    /// The offset of `text`, which is added if it is new. The text is cut at an embedded NUL,
    /// as the format must.
    pub fn add(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or_default();
        if text.is_empty() {
            return 0;
        }
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = self.first + self.bytes.len() as u32;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.offsets.insert(text.into(), offset);
        offset
    }

    /// The offset of `text` if the table has it.
    pub fn get(&self, text: &str) -> Option<u32> {
        match text {
            "" => Some(0),
            text => self.offsets.get(text).copied(),
        }
    }

    /// The section's bytes so far, without those of a base.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
