//! Names that the kernel, C tools and people can read.
//!
//! The kernel takes letters, digits, `_` and `.` in names of types, functions and variables; Rust's
//! debug information has `Option<core::num::NonZero<u32>>`, and symbols are mangled.

use std::fmt::Write;

/// The kernel's own limit was 128 bytes until 5.x; a map's or program's name counts less anyway.
const MAX_LEN: usize = 120;

/// Whether the kernel takes a name as it is (`btf_name_valid_identifier`).
pub(super) fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next();
    name.len() <= MAX_LEN
        && first.is_some_and(|c| c.is_ascii_alphabetic() || c == b'_' || c == b'.')
        && bytes.all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'.')
}

/// A valid name for what Rust calls `name`: `Option<u32>` becomes `Option_u32`, `(u8, u64)`
/// `tuple_u8_u64`, `&mut [u16]` `mut_slice_u16`. Valid names, and the empty one, stay.
pub(super) fn readable(name: &str) -> String {
    if name.is_empty() || is_valid(name) {
        return name.to_owned();
    }
    let mut words = Words::default();
    let mut reader = Reader {
        rest: name,
        depth: 0,
    };
    while !reader.rest.is_empty() {
        let before = reader.rest.len();
        reader.ty(&mut words);
        if reader.rest.len() == before {
            reader.skip();
        }
    }
    capped(words.0)
}

/// Shortens what is too long, keeping different names different.
pub(super) fn capped(name: String) -> String {
    if name.len() <= MAX_LEN {
        return name;
    }
    // FNV-1a: it only has to be the same every time.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{}_{hash:08x}", &name[..MAX_LEN - 9])
}

/// Words joined by single underscores.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, word: &str) {
        if !self.0.is_empty() && !self.0.ends_with('_') && !word.starts_with('_') {
            self.0.push('_');
        }
        for c in word.chars() {
            match c {
                '0'..='9' if self.0.is_empty() => {
                    self.0.push('_');
                    self.0.push(c);
                }
                c if c.is_ascii_alphanumeric() || c == '_' => self.0.push(c),
                // Writing to a String cannot fail.
                c => drop(write!(self.0, "u{:x}", u32::from(c))),
            }
        }
    }
}

/// Reads a type's name as rustc writes it into debug information. Whatever it does not know, it
/// skips.
struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn ty(&mut self, words: &mut Words) {
        self.depth += 1;
        if self.depth < 64 {
            self.ty_inner(words);
        }
        self.depth -= 1;
    }

    fn ty_inner(&mut self, words: &mut Words) {
        self.rest = self.rest.trim_start();
        if self.eat("&mut ") {
            words.add("mut");
            self.ty(words);
        } else if self.eat("&") {
            words.add("ref");
            self.ty(words);
        } else if self.eat("*const ") {
            words.add("ptr");
            self.ty(words);
        } else if self.eat("*mut ") {
            words.add("ptr_mut");
            self.ty(words);
        } else if self.eat("!") {
            words.add("never");
        } else if self.eat("()") {
            words.add("unit");
        } else if self.eat("(") {
            words.add("tuple");
            self.list(")", words);
        } else if self.eat("[") {
            let mut of = Words::default();
            self.ty(&mut of);
            if self.eat(";") {
                words.add("array");
                words.add(&of.0);
                self.ty(words);
            } else {
                words.add("slice");
                words.add(&of.0);
            }
            self.eat("]");
        } else if self.eat("<") {
            // `<T as Trait>::Name`
            self.ty(words);
            self.rest = self.rest.trim_start();
            if self.eat("as ") {
                self.ty(words);
            }
            self.eat(">");
            if self.eat("::") {
                self.path(words);
            }
        } else {
            self.path(words);
        }
    }

    /// `a::b::C<D, 4>`: the last segment counts, and what it is applied to.
    fn path(&mut self, words: &mut Words) {
        for keyword in ["dyn ", "impl ", "unsafe ", "extern \"C\" "] {
            if self.eat(keyword) {
                if keyword == "dyn " {
                    words.add("dyn");
                }
                return self.ty(words);
            }
        }
        if self.eat("fn(") {
            words.add("fn");
            self.list(")", words);
            self.rest = self.rest.trim_start();
            if self.eat("->") {
                self.ty(words);
            }
            return;
        }
        loop {
            let mut own = Words::default();
            if self.eat("{") {
                // `{closure_env#0}`
                let end = self.rest.find('}').unwrap_or(self.rest.len());
                let (inner, rest) = self.rest.split_at(end);
                self.rest = rest.strip_prefix('}').unwrap_or(rest);
                for word in inner.split(|c: char| !c.is_alphanumeric() && c != '_') {
                    own.add(word);
                }
            } else if self.eat("-") {
                own.add("minus");
                own.add(self.word());
            } else {
                own.add(self.word());
            }
            if self.rest.starts_with('<') {
                self.eat("<");
                self.list(">", &mut own);
            }
            if !self.eat("::") {
                words.add(&own.0);
                return;
            }
        }
    }

    /// The items up to `close`, which is consumed.
    fn list(&mut self, close: &str, words: &mut Words) {
        while !self.rest.is_empty() {
            self.rest = self.rest.trim_start();
            if self.eat(close) {
                return;
            }
            let before = self.rest.len();
            self.ty(words);
            self.rest = self.rest.trim_start();
            // `,` between items, `+` between the traits of an object, `=` before an associated
            // type.
            let _ = self.eat(",") || self.eat("+") || self.eat("=");
            if self.rest.len() == before {
                self.skip();
            }
        }
    }
}

/// A mangled symbol's path without its hash: `firewall::maps::BLOCKED`. `None` when it is not
/// Rust's.
pub(super) fn demangled(symbol: &str) -> Option<String> {
    let name = rustc_demangle::try_demangle(symbol).ok()?;
    Some(format!("{name:#}"))
}

/// What a person would call a symbol.
pub(super) fn display(symbol: &str) -> String {
    demangled(symbol).unwrap_or_else(|| symbol.to_owned())
}

/// The segments of a path: `a::B<c::D>::e` has three.
pub(super) fn segments(path: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0i32, 0);
    let mut segments = Vec::new();
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            // Not the arrow of a signature.
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth -= 1,
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') && at >= start => {
                segments.push(&path[start..at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    segments.push(&path[start..]);
    segments.retain(|segment| !segment.is_empty());
    segments
}

/// A short name for a function with this path: its own name, with the type's before it for a method
/// and the outer function's for a closure. `name` is its name in debug information, which knows
/// type arguments.
pub(super) fn function(path: &str, name: &str) -> String {
    let segments = segments(path);
    // v0 mangling has type arguments as a segment of their own: `classify::<u32>`.
    let named = |segment: &&&str| {
        !segment.starts_with('<') || segment.contains(" as ") || segment.starts_with("<impl")
    };
    let mut own = segments.iter().filter(named).rev();
    let last = own.next().copied().unwrap_or(path);
    let outer = own.next().copied().unwrap_or_default();
    let closure = last.starts_with("{");
    let is_type = outer.starts_with('<') || outer.starts_with(char::is_uppercase);
    let last = match name {
        _ if closure => "closure".to_owned(),
        "" => readable(last),
        name => readable(name),
    };
    if outer.is_empty() || !(closure || is_type) {
        return capped(last);
    }
    let outer = match outer.split_once('<') {
        // The letters of type parameters tell nothing.
        Some((head, _)) if !head.is_empty() => readable(head),
        _ => match outer.strip_prefix("<impl ") {
            Some(inner) => readable(inner.trim_end_matches('>')),
            None => readable(outer),
        },
    };
    capped(format!("{outer}_{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_types_get_readable_names() {
        for (rust, name) in [
            ("u32", "u32"),
            ("", ""),
            ("Option<u32>", "Option_u32"),
            (
                "Option<core::num::nonzero::NonZero<u32>>",
                "Option_NonZero_u32",
            ),
            ("(u8, u64)", "tuple_u8_u64"),
            ("(u8, (u16,))", "tuple_u8_tuple_u16"),
            ("&str", "ref_str"),
            ("&mut [u16]", "mut_slice_u16"),
            ("[u8; 4]", "array_u8_4"),
            ("Gen<u16, 4>", "Gen_u16_4"),
            ("Gen<-1>", "Gen_minus_1"),
            ("*const u8", "ptr_u8"),
            ("*mut core::ffi::c_void", "ptr_mut_c_void"),
            ("&dyn p2::Tr", "ref_dyn_Tr"),
            ("{closure_env#0}", "closure_env_0"),
            ("{closure_env#0}<a::B>", "closure_env_0_B"),
            ("PhantomData<(u32, ())>", "PhantomData_tuple_u32_unit"),
            ("PhantomData<fn(u8) -> u64>", "PhantomData_fn_u8_u64"),
            ("Map<<a::B as c::D>::E>", "Map_B_D_E"),
            ("größe", "gru00f6u00dfe".replace("u00", "u").as_str()),
            ("Box<dyn Fn(u8) -> u8 + Send>", "Box_dyn_Fn"),
        ] {
            let made = readable(rust);
            if rust.starts_with("Box") {
                assert!(made.starts_with(name), "{rust}: {made}");
            } else {
                assert_eq!(made, name, "{rust}");
            }
            assert!(rust.is_empty() || is_valid(&made), "{rust}: {made}");
        }
    }

    #[test]
    fn anything_becomes_valid() {
        for odd in [
            "<<<", "((", "9lives", "a b", "::", "-", "{", "&", "x<", "[;]", "fn(", "a$b", "'a'",
        ] {
            let made = readable(odd);
            assert!(made.is_empty() || is_valid(&made), "{odd}: {made}");
        }
        let deep = "&".repeat(10_000);
        assert!(is_valid(&readable(&deep)));
        assert_ne!(readable(&"a".repeat(200)), readable(&"a".repeat(201)));
    }

    #[test]
    fn functions_are_named_by_their_own_names() {
        for (path, debug, name) in [
            ("fw::helper", "helper", "helper"),
            ("fw::classify::<u32>", "classify<u32>", "classify_u32"),
            ("fw::classify", "", "classify"),
            ("fw::Map<K,V>::get", "get", "Map_get"),
            ("fw::Map<K,V>::get", "get<u8>", "Map_get_u8"),
            (
                "<fw::Map<u8> as core::ops::Index<u8>>::index",
                "index",
                "Map_u8_Index_u8_index",
            ),
            (
                "core::slice::index::<impl core::ops::Index<I> for [T]>::index",
                "",
                "Index_I_for_slice_T_index",
            ),
            ("fw::run::{{closure}}", "{closure#0}", "run_closure"),
            ("fw::run::{closure#1}", "", "run_closure"),
            ("memcpy", "", "memcpy"),
        ] {
            assert_eq!(function(path, debug), name, "{path}");
        }
    }

    #[test]
    fn legacy_and_v0_names_are_demangled() {
        assert_eq!(
            demangled("_ZN3two5inner5FIRST17h13122fa397d747a2E").as_deref(),
            Some("two::inner::FIRST")
        );
        assert_eq!(
            demangled("_RNvNtCs1234_7mycrate3foo3BAR").as_deref(),
            Some("mycrate::foo::BAR")
        );
        assert_eq!(demangled("xdp_prog"), None);
        assert_eq!(segments("a::B<c::D>::e"), ["a", "B<c::D>", "e"]);
    }
}
