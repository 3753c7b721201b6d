//! Names as C takes them.

use std::collections::HashMap;

use crate::Int;

/// The names given so far. C has two spaces of them: tags (`struct x`, `enum x`), and everything
/// else (typedefs, enum values).
pub(super) struct Names {
    tags: Space,
    idents: Space,
}

impl Default for Names {
    fn default() -> Names {
        let mut names = Names {
            tags: Space::default(),
            idents: Space::default(),
        };
        // Compilers have this one built in, for their own target; a kernel's is another.
        names.idents.fresh("__builtin_va_list");
        names
    }
}

#[derive(Default)]
struct Space {
    by_id: HashMap<u32, String>,
    /// Tags that several ids share: those of structs only announced.
    shared: HashMap<(String, &'static str), String>,
    used: HashMap<String, u32>,
}

impl Space {
    /// A name like `wanted` that was not given before: with `___2` and so on if need be, which
    /// CO-RE takes for a flavour of the same type.
    fn fresh(&mut self, wanted: &str) -> String {
        let wanted = c_ident(wanted);
        let count = self.used.entry(wanted.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            return wanted;
        }
        let mut number = *count;
        loop {
            let name = format!("{wanted}___{number}");
            if !self.used.contains_key(&name) {
                self.used.insert(wanted, number);
                self.used.insert(name.clone(), 1);
                return name;
            }
            number += 1;
        }
    }

    fn of(&mut self, id: u32, wanted: &str) -> String {
        if let Some(name) = self.by_id.get(&id) {
            return name.clone();
        }
        let name = self.fresh(wanted);
        self.by_id.insert(id, name.clone());
        name
    }
}

impl Names {
    /// The name of a typedef.
    pub(super) fn ident_of(&mut self, id: u32, wanted: &str) -> String {
        self.idents.of(id, wanted)
    }

    /// A name for one enum value; a new one each time it is written.
    pub(super) fn new_ident(&mut self, wanted: &str) -> String {
        self.idents.fresh(wanted)
    }

    /// The tag of a struct, union or enum.
    pub(super) fn tag_of(&mut self, id: u32, wanted: &str) -> String {
        self.tags.of(id, wanted)
    }

    /// The tag that all announcements of `keyword wanted` share.
    pub(super) fn shared_tag(&mut self, keyword: &'static str, wanted: &str) -> String {
        let key = (wanted.to_owned(), keyword);
        if let Some(name) = self.tags.shared.get(&key) {
            return name.clone();
        }
        let name = self.tags.fresh(wanted);
        self.tags.shared.insert(key, name.clone());
        name
    }
}

/// A name with what C does not take replaced: `Option<u32>` as `Option_u32_`.
pub(super) fn c_ident(name: &str) -> String {
    let mut ident: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => c,
            _ => '_',
        })
        .collect();
    if ident.starts_with(|c: char| c.is_ascii_digit()) || KEYWORDS.contains(&ident.as_str()) {
        ident.insert(0, '_');
    }
    ident
}

/// Words that C (of 1999 to 2017, with GNU's extensions) keeps to itself. Kernel types use none;
/// those of other languages do.
const KEYWORDS: [&str; 38] = [
    "asm",
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "typeof",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    "_Bool",
    "_Static_assert",
];

/// Whether the name is one that C has for numbers.
pub(super) fn is_c_number(name: &str) -> bool {
    !name.is_empty()
        && name.split(' ').all(|word| {
            matches!(
                word,
                "char"
                    | "short"
                    | "int"
                    | "long"
                    | "signed"
                    | "unsigned"
                    | "_Bool"
                    | "__int128"
                    | "float"
                    | "double"
                    | "_Float16"
                    | "__bf16"
                    | "__float128"
                    | "_Float128"
                    | "_Complex"
                    | "complex"
            )
        })
}

/// The C type of an integer.
pub(super) fn c_int<S>(int: &Int<S>) -> String {
    let base = match int.size {
        1 if int.bool => return "_Bool".into(),
        1 => "char",
        2 => "short",
        4 => "int",
        16 => "__int128",
        _ => "long long",
    };
    let sign = if int.signed { "signed" } else { "unsigned" };
    format!("{sign} {base}")
}

/// The C type of a floating-point number of this size.
pub(super) fn c_float(size: u32) -> String {
    match size {
        2 => "_Float16",
        4 => "float",
        16 => "long double",
        _ => "double",
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_valid_identifiers() {
        let mut names = Names::default();
        assert_eq!(names.tag_of(1, "foo"), "foo");
        assert_eq!(names.tag_of(2, "foo"), "foo___2");
        assert_eq!(names.tag_of(3, "foo___2"), "foo___2___2");
        assert_eq!(names.tag_of(2, "foo"), "foo___2");
        assert_eq!(names.ident_of(1, "foo"), "foo");
        assert_eq!(names.new_ident("foo"), "foo___2");
        assert_eq!(names.shared_tag("struct", "foo"), "foo___3");
        assert_eq!(names.shared_tag("struct", "foo"), "foo___3");
        assert_eq!(names.shared_tag("union", "foo"), "foo___4");
        assert_eq!(c_ident("Option<u32>"), "Option_u32_");
        assert_eq!(c_ident("0"), "_0");
        assert_eq!(c_ident("int"), "_int");
    }

    #[test]
    fn numbers_of_c() {
        assert!(is_c_number("long unsigned int"));
        assert!(is_c_number("_Bool"));
        assert!(!is_c_number("u32"));
        assert!(!is_c_number(""));
    }
}
