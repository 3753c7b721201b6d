use std::collections::HashMap;

/// A BTF string section under construction: each distinct string once, offset 0 the empty one.
///
/// Offsets never change once given, so that strings of line info may be added before or after
/// the types' names.
#[derive(Debug, Clone)]
pub struct StringTable {
    bytes: Vec<u8>,
    offsets: HashMap<Box<str>, u32>,
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
        }
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
        let offset = self.bytes.len() as u32;
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

    /// The section's bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
