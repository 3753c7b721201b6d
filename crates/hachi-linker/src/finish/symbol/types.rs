//! Types as they are written within a symbol's name.

use std::fmt;

/// A type, as a symbol's name spells it (grammar: `docs/core-symbols.md`, "Types").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TypeExpr {
    /// An integer.
    Int(&'static IntType),
    /// `bool`.
    Bool,
    /// A floating point number of this many bytes.
    Float { bytes: u32 },
    /// No type; also what `*` alone points to.
    Void,
    /// A pointer.
    Ptr(Box<TypeExpr>),
    /// An array of this many elements.
    Array(Box<TypeExpr>, u32),
    /// A structure or union. Without members it stands for any.
    Composite {
        union: bool,
        name: Option<String>,
        members: Vec<Member>,
    },
    /// An enum. Without variants it stands for any.
    Enum {
        name: Option<String>,
        variants: Vec<(String, i64)>,
    },
    /// A name for another type.
    Typedef(String, Box<TypeExpr>),
    /// A function: parameters with their names (which may be empty), and the result.
    Fn(Vec<(String, TypeExpr)>, Box<TypeExpr>),
}

/// An integer type. Its name in C matters for `type_matches`, which distinguishes C's `long` from
/// its `long long`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntType {
    /// As it is written in a symbol.
    spelling: &'static str,
    pub bytes: u32,
    pub signed: bool,
    /// As the kernel's BTF has it.
    pub c_name: &'static str,
}

macro_rules! ints {
    ($($spelling:literal $bytes:literal $signed:literal $c_name:literal;)*) => {
        &[$(IntType { spelling: $spelling, bytes: $bytes, signed: $signed, c_name: $c_name },)*]
    };
}

/// All integer types.
static INTS: &[IntType] = ints! {
    "u8" 1 false "unsigned char";
    "i8" 1 true "signed char";
    "c_char" 1 true "char";
    "u16" 2 false "short unsigned int";
    "i16" 2 true "short int";
    "u32" 4 false "unsigned int";
    "i32" 4 true "int";
    "u64" 8 false "long long unsigned int";
    "i64" 8 true "long long int";
    "c_ulong" 8 false "long unsigned int";
    "c_long" 8 true "long int";
    "u128" 16 false "__int128 unsigned";
    "i128" 16 true "__int128";
};

/// Other spellings of integer types.
const ALIASES: [(&str, &str); 10] = [
    ("c_uchar", "u8"),
    ("c_schar", "i8"),
    ("c_ushort", "u16"),
    ("c_short", "i16"),
    ("c_uint", "u32"),
    ("c_int", "i32"),
    ("c_ulonglong", "u64"),
    ("c_longlong", "i64"),
    ("usize", "c_ulong"),
    ("isize", "c_long"),
];

impl TypeExpr {
    /// The integer of this spelling.
    pub(crate) fn int(spelling: &str) -> Option<TypeExpr> {
        let alias = ALIASES.iter().find(|alias| alias.0 == spelling);
        let spelling = alias.map_or(spelling, |alias| alias.1);
        INTS.iter()
            .find(|int| int.spelling == spelling)
            .map(TypeExpr::Int)
    }
}

/// A member of a structure or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    /// Empty for an unnamed member.
    pub name: String,
    pub ty: TypeExpr,
    /// Width of a bit field.
    pub bits: Option<u8>,
}

/// How deep types may nest in one symbol; far beyond what a person writes.
const MAX_DEPTH: u32 = 32;

/// Reads the tokens of one symbol's last field.
///
/// Everything is ASCII or `%`-escaped; white space only separates tokens.
pub(super) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Parser {
            text: text.as_bytes(),
            at: 0,
            depth: 0,
        }
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Parsed<()> {
        if self.eat(wanted) {
            return Ok(());
        }
        Err(format!(
            "expected `{}`, found {}",
            char::from(wanted),
            self.found()
        ))
    }

    pub(super) fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(format!("expected the end, found {}", self.found())),
        }
    }

    fn found(&mut self) -> String {
        match self.peek() {
            None => "the end".into(),
            Some(_) => {
                let rest = String::from_utf8_lossy(&self.text[self.at..]);
                format!("`{rest}`")
            }
        }
    }

    /// A name, unescaped; `None` when none starts here.
    pub(super) fn try_name(&mut self) -> Parsed<Option<String>> {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == b'_' || c == b'%' => {}
            _ => return Ok(None),
        }
        let word = self.word()?;
        // A raw identifier: `stringify!` gives it as written.
        if word == "r" && self.text.get(self.at) == Some(&b'#') {
            self.at += 1;
            return self.word().map(Some);
        }
        Ok(Some(word))
    }

    fn word(&mut self) -> Parsed<String> {
        let mut bytes = Vec::new();
        while let Some(&c) = self.text.get(self.at) {
            if c.is_ascii_alphanumeric() || c == b'_' {
                bytes.push(c);
                self.at += 1;
            } else if c == b'%' {
                let digits = self.text.get(self.at + 1..self.at + 3);
                let byte = digits
                    .filter(|d| d.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|d| std::str::from_utf8(d).ok())
                    .and_then(|d| u8::from_str_radix(d, 16).ok())
                    .filter(|&byte| byte != 0)
                    .ok_or("`%` must be followed by two hexadecimal digits other than 00")?;
                bytes.push(byte);
                self.at += 3;
            } else {
                break;
            }
        }
        String::from_utf8(bytes).map_err(|_| "a name is not UTF-8".into())
    }

    pub(super) fn name(&mut self) -> Parsed<String> {
        match self.try_name()? {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(format!("expected a name, found {}", self.found())),
        }
    }

    /// A decimal or hexadecimal number with an optional sign.
    pub(super) fn number(&mut self) -> Parsed<i64> {
        let negative = self.eat(b'-');
        self.peek();
        let start = self.at;
        while self
            .text
            .get(self.at)
            .is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_')
        {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at]
            .iter()
            .map(|&c| char::from(c))
            .filter(|&c| c != '_')
            .collect();
        let magnitude = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse(),
        }
        .map_err(|_| format!("expected a number, found `{digits}`"))?;
        // Values above i64::MAX are kept by their bit pattern, as an unsigned enum's are.
        let value = magnitude as i64;
        Ok(if negative {
            value.wrapping_neg()
        } else {
            value
        })
    }

    pub(super) fn count(&mut self) -> Parsed<u32> {
        u32::try_from(self.number()?).map_err(|_| "a count must fit 32 bits".into())
    }

    /// The optional width of a bit field of type `ty`.
    pub(super) fn bits(&mut self, ty: &TypeExpr) -> Parsed<Option<u8>> {
        if !self.eat(b'/') {
            return Ok(None);
        }
        let width = match ty {
            TypeExpr::Int(int) if int.bytes <= 8 => int.bytes * 8,
            TypeExpr::Bool => 8,
            TypeExpr::Enum { .. } => 32,
            _ => return Err("only an integer or enum can be a bit field".into()),
        };
        match self.count()? {
            bits if bits == 0 || bits > width => Err(format!(
                "a bit field of this type has 1 to {width} bits, not {bits}"
            )),
            bits => Ok(Some(bits as u8)),
        }
    }

    pub(super) fn ty(&mut self) -> Parsed<TypeExpr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the type is nested too deeply".into());
        }
        let ty = self.type_inner()?;
        self.depth -= 1;
        Ok(ty)
    }

    fn type_inner(&mut self) -> Parsed<TypeExpr> {
        match self.peek() {
            Some(b'*') => return self.pointer(),
            Some(b'[') => {
                self.at += 1;
                let element = self.ty()?;
                self.expect(b';')?;
                let count = self.count()?;
                self.expect(b']')?;
                return Ok(TypeExpr::Array(Box::new(element), count));
            }
            Some(b'(') => {
                self.at += 1;
                self.expect(b')')?;
                return Ok(TypeExpr::Void);
            }
            _ => {}
        }
        let Some(word) = self.try_name()? else {
            return Err(format!("expected a type, found {}", self.found()));
        };
        match word.as_str() {
            "struct" | "union" => {
                let name = self.try_name()?;
                let members = match self.peek() {
                    Some(b'{') => self.members()?,
                    _ => Vec::new(),
                };
                Ok(TypeExpr::Composite {
                    union: word == "union",
                    name,
                    members,
                })
            }
            "enum" => {
                let name = self.try_name()?;
                let variants = match self.peek() {
                    Some(b'{') => self.variants()?,
                    _ => Vec::new(),
                };
                Ok(TypeExpr::Enum { name, variants })
            }
            "typedef" => {
                let name = self.name()?;
                self.expect(b'=')?;
                Ok(TypeExpr::Typedef(name, Box::new(self.ty()?)))
            }
            "fn" => self.function(),
            _ => self.named(word),
        }
    }

    fn pointer(&mut self) -> Parsed<TypeExpr> {
        self.expect(b'*')?;
        let before = self.at;
        match self.try_name()?.as_deref() {
            Some("const" | "mut") => {}
            _ => self.at = before,
        }
        let pointee = match self.peek() {
            Some(c) if c == b'*' || c == b'[' || c == b'(' || c == b'_' || c == b'%' => {
                self.ty()?
            }
            Some(c) if c.is_ascii_alphabetic() => self.ty()?,
            _ => TypeExpr::Void,
        };
        Ok(TypeExpr::Ptr(Box::new(pointee)))
    }

    /// A built-in type, or else a structure, by the last segment of a path.
    fn named(&mut self, first: String) -> Parsed<TypeExpr> {
        let mut name = first;
        while self.peek() == Some(b':') && self.text.get(self.at + 1) == Some(&b':') {
            self.at += 2;
            name = self.name()?;
        }
        if let Some(int) = TypeExpr::int(&name) {
            return Ok(int);
        }
        Ok(match name.as_str() {
            "bool" => TypeExpr::Bool,
            "f32" | "c_float" => TypeExpr::Float { bytes: 4 },
            "f64" | "c_double" => TypeExpr::Float { bytes: 8 },
            "void" | "c_void" => TypeExpr::Void,
            _ => TypeExpr::Composite {
                union: false,
                name: Some(name),
                members: Vec::new(),
            },
        })
    }

    fn members(&mut self) -> Parsed<Vec<Member>> {
        self.list(b'{', b'}', |p| {
            let name = p.name()?;
            p.expect(b':')?;
            let ty = p.ty()?;
            let bits = p.bits(&ty)?;
            let name = if name == "_" { String::new() } else { name };
            Ok(Member { name, ty, bits })
        })
    }

    fn variants(&mut self) -> Parsed<Vec<(String, i64)>> {
        self.list(b'{', b'}', |p| {
            let name = p.name()?;
            let value = if p.eat(b'=') { p.number()? } else { 0 };
            Ok((name, value))
        })
    }

    /// The rest of a signature, after `fn`.
    pub(super) fn function(&mut self) -> Parsed<TypeExpr> {
        let params = self.list(b'(', b')', |p| {
            let start = p.at;
            if let Some(name) = p.try_name()? {
                // `name: T`, and not the path `name::T`.
                if p.peek() == Some(b':') && p.text.get(p.at + 1) != Some(&b':') {
                    p.at += 1;
                    return Ok((name, p.ty()?));
                }
                p.at = start;
            }
            Ok((String::new(), p.ty()?))
        })?;
        let result = if self.eat(b'-') {
            self.expect(b'>')?;
            self.ty()?
        } else {
            TypeExpr::Void
        };
        Ok(TypeExpr::Fn(params, Box::new(result)))
    }

    /// `open item , item , close`, a trailing comma allowed.
    fn list<T>(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        loop {
            if self.eat(close) {
                return Ok(items);
            }
            items.push(item(self)?);
            if !self.eat(b',') {
                self.expect(close)?;
                return Ok(items);
            }
        }
    }
}

/// A name as it is written in a symbol.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                b'0'..=b'9' if at == 0 => write!(f, "%{byte:02x}")?,
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for TypeExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeExpr::Int(int) => f.write_str(int.spelling),
            TypeExpr::Bool => f.write_str("bool"),
            TypeExpr::Float { bytes } => write!(f, "f{}", bytes * 8),
            TypeExpr::Void => f.write_str("void"),
            TypeExpr::Ptr(to) => write!(f, "*{to}"),
            TypeExpr::Array(of, count) => write!(f, "[{of};{count}]"),
            TypeExpr::Composite {
                union,
                name,
                members,
            } => {
                f.write_str(if *union { "union" } else { "struct" })?;
                if let Some(name) = name {
                    write!(f, " {}", Escaped(name))?;
                }
                if members.is_empty() {
                    return Ok(());
                }
                for (i, member) in members.iter().enumerate() {
                    f.write_str(if i == 0 { "{" } else { "," })?;
                    match member.name.as_str() {
                        "" => f.write_str("_")?,
                        name => Escaped(name).fmt(f)?,
                    }
                    write!(f, ":{}", member.ty)?;
                    if let Some(bits) = member.bits {
                        write!(f, "/{bits}")?;
                    }
                }
                f.write_str("}")
            }
            TypeExpr::Enum { name, variants } => {
                f.write_str("enum")?;
                if let Some(name) = name {
                    write!(f, " {}", Escaped(name))?;
                }
                for (i, (name, value)) in variants.iter().enumerate() {
                    f.write_str(if i == 0 { "{" } else { "," })?;
                    write!(f, "{}={value}", Escaped(name))?;
                }
                f.write_str(if variants.is_empty() { "" } else { "}" })
            }
            TypeExpr::Typedef(name, of) => write!(f, "typedef {}={of}", Escaped(name)),
            TypeExpr::Fn(params, result) => {
                f.write_str("fn(")?;
                for (i, (name, ty)) in params.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    if !name.is_empty() {
                        write!(f, "{}:", Escaped(name))?;
                    }
                    ty.fmt(f)?;
                }
                f.write_str(")")?;
                match **result {
                    TypeExpr::Void => Ok(()),
                    _ => write!(f, "->{result}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<TypeExpr> {
        let mut parser = Parser::new(text);
        let ty = parser.ty()?;
        parser.end()?;
        Ok(ty)
    }

    #[test]
    fn rust_spellings() {
        let cases = [
            ("u32", "u32"),
            ("core::ffi::c_int", "i32"),
            ("usize", "c_ulong"),
            ("c_char", "c_char"),
            ("[u8; 16]", "[u8;16]"),
            ("*const core::ffi::c_void", "*void"),
            ("*mut task_struct", "*struct task_struct"),
            ("*mut *const u8", "**u8"),
            ("*", "*void"),
            ("struct", "struct"),
            ("struct r#type{r#in:u8/3,}", "struct type{in:u8/3}"),
            (
                "union{_:struct{a:u8},b:[i64;0]}",
                "union{_:struct{a:u8},b:[i64;0]}",
            ),
            ("enum e { A, B = 0x10, C = -1 }", "enum e{A=0,B=16,C=-1}"),
            ("typedef pid_t = i32", "typedef pid_t=i32"),
            (
                "fn(p: *mut task_struct, u32,) -> ()",
                "fn(p:*struct task_struct,u32)",
            ),
            ("fn(a::b) -> bool", "fn(struct b)->bool"),
            ("struct a%2eb", "struct a%2eb"),
        ];
        for (text, canonical) in cases {
            let ty = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(ty.to_string(), canonical, "{text}");
            assert_eq!(parse(canonical), Ok(ty), "{text}");
        }
    }

    #[test]
    fn malformed_types_are_errors() {
        for text in [
            "",
            "[u8",
            "[u8;x]",
            "[u8;-1]",
            "u32 u32",
            "struct{a}",
            "fn(",
            "*const struct{a:u8/9}",
            "struct a%zz",
            "struct a%00",
            "enum{A=}",
            "typedef x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"*".repeat(100)).is_err());
        assert!(parse(&"*".repeat(20)).is_ok());
    }
}
