//! The names of the kernel's functions, by `/proc/kallsyms`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// Functions by address.
#[derive(Default)]
pub struct Symbols {
    by_address: BTreeMap<u64, String>,
    /// What calls of helpers are relative to.
    call_base: Option<u64>,
}

impl Symbols {
    /// All of them; none where the kernel hides addresses (`kernel.kptr_restrict`).
    pub fn read() -> Symbols {
        let mut symbols = Symbols::default();
        let Ok(file) = File::open("/proc/kallsyms") else {
            return symbols;
        };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            symbols.add(&line);
        }
        symbols
    }

    fn add(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let address = words
            .next()
            .and_then(|text| u64::from_str_radix(text, 16).ok());
        let (Some(address), Some(kind), Some(name)) = (address, words.next(), words.next()) else {
            return;
        };
        if address == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            return;
        }
        if name == "__bpf_call_base" {
            self.call_base = Some(address);
        }
        self.by_address
            .entry(address)
            .or_insert_with(|| name.to_owned());
    }

    /// The function that a call of a helper reaches: its distance from the base of all.
    pub fn helper(&self, offset: i32) -> Option<String> {
        let address = self.call_base?.checked_add_signed(i64::from(offset))?;
        self.by_address.get(&address).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_relative_to_a_base() {
        let mut symbols = Symbols::default();
        for line in [
            "ffffffff81000000 T __bpf_call_base",
            "ffffffff81000100 t bpf_map_lookup_elem",
            "ffffffff80ffff00 T before\t[module]",
            "ffffffff81000200 d data",
            "0000000000000000 T hidden",
            "not a line",
        ] {
            symbols.add(line);
        }
        assert_eq!(
            symbols.helper(0x100).as_deref(),
            Some("bpf_map_lookup_elem")
        );
        assert_eq!(symbols.helper(-0x100).as_deref(), Some("before"));
        assert_eq!(symbols.helper(0x200), None);
        assert_eq!(Symbols::default().helper(0), None);
    }
}
