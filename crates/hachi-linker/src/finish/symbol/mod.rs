//! The names of magic symbols: questions to the running kernel, asked through external functions.
//!
//! The format is specified in `docs/core-symbols.md`; [`Question::parse`] reads it and `Display`
//! writes it.

#[cfg(test)]
mod grammar;
mod types;

use std::fmt;

pub(crate) use types::TypeExpr;
use types::{Escaped, Parser};

/// What every magic symbol's name starts with.
pub(crate) const PREFIX: &str = "hachi:";

/// The only version of the encoding there is so far.
const VERSION: &str = "1";

/// How long a path may be; libbpf's limit (`BPF_CORE_SPEC_MAX_LEN`).
const MAX_STEPS: usize = 64;

/// A question about a field. The numbers are those of the records in `.BTF.ext`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FieldKind {
    ByteOffset = 0,
    ByteSize = 1,
    Exists = 2,
    Signed = 3,
    LshiftU64 = 4,
    RshiftU64 = 5,
}

/// A question about a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TypeKind {
    IdLocal = 6,
    IdTarget = 7,
    Exists = 8,
    Size = 9,
    Matches = 12,
}

/// A question about an enumerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EnumKind {
    Exists = 10,
    Value = 11,
}

/// A reference to something the kernel provides by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ExternKind {
    /// A call of a kernel function.
    Kfunc,
    /// Whether the kernel has the function.
    KfuncExists,
    /// The address of a kernel variable.
    Ksym,
    /// A pointer to a value of the kernel's configuration.
    Kconfig,
}

/// What kind of type a field is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RootKind {
    Struct,
    Union,
    /// The name that a structure or union without one has by a `typedef`.
    Typedef,
}

/// One step of an access path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Field(String),
    Index(u32),
}

/// What one magic symbol asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// About the field that `path` leads to from the root type.
    Field {
        kind: FieldKind,
        root_kind: RootKind,
        root: String,
        /// Steps over whole roots before the path begins.
        index: u32,
        path: Vec<Step>,
        leaf: TypeExpr,
        bits: Option<u8>,
    },
    /// About a type, which always has a name.
    Type { kind: TypeKind, ty: TypeExpr },
    /// About an enumerator.
    Enum {
        kind: EnumKind,
        name: String,
        variant: String,
        value: i64,
        /// The answer may need 64 bits.
        wide: bool,
    },
    /// For something in the kernel.
    Extern {
        kind: ExternKind,
        weak: bool,
        name: String,
        ty: TypeExpr,
    },
}

const FIELD_KINDS: [(&str, FieldKind); 6] = [
    ("field_byte_offset", FieldKind::ByteOffset),
    ("field_byte_size", FieldKind::ByteSize),
    ("field_exists", FieldKind::Exists),
    ("field_signed", FieldKind::Signed),
    ("field_lshift_u64", FieldKind::LshiftU64),
    ("field_rshift_u64", FieldKind::RshiftU64),
];
const ROOT_KINDS: [(&str, RootKind); 3] = [
    ("struct", RootKind::Struct),
    ("union", RootKind::Union),
    ("typedef", RootKind::Typedef),
];
const TYPE_KINDS: [(&str, TypeKind); 5] = [
    ("type_id_local", TypeKind::IdLocal),
    ("type_id_target", TypeKind::IdTarget),
    ("type_exists", TypeKind::Exists),
    ("type_size", TypeKind::Size),
    ("type_matches", TypeKind::Matches),
];
const ENUM_KINDS: [(&str, EnumKind); 2] = [
    ("enumval_exists", EnumKind::Exists),
    ("enumval_value", EnumKind::Value),
];
const EXTERN_KINDS: [(&str, ExternKind, bool); 7] = [
    ("kfunc", ExternKind::Kfunc, false),
    ("kfunc_weak", ExternKind::Kfunc, true),
    ("kfunc_exists", ExternKind::KfuncExists, true),
    ("ksym", ExternKind::Ksym, false),
    ("ksym_weak", ExternKind::Ksym, true),
    ("kconfig", ExternKind::Kconfig, false),
    ("kconfig_weak", ExternKind::Kconfig, true),
];

impl Question {
    /// Reads a symbol's name; `None` when it is an ordinary one.
    ///
    /// # Errors
    /// What is wrong with a name that starts with [`PREFIX`].
    pub(crate) fn parse(symbol: &str) -> Option<Result<Self, String>> {
        symbol.strip_prefix(PREFIX).map(Self::parse_rest)
    }

    fn parse_rest(rest: &str) -> Result<Self, String> {
        let (version, rest) = rest.split_once(':').ok_or("it ends too early")?;
        if version.trim() != VERSION {
            return Err(format!(
                "it uses version `{version}` of the encoding; this linker knows version {VERSION}"
            ));
        }
        let (kind, rest) = rest.split_once(':').ok_or("it ends too early")?;
        let kind = kind.trim();
        if let Some(&(_, kind)) = FIELD_KINDS.iter().find(|k| k.0 == kind) {
            return Self::parse_field(kind, rest);
        }
        if let Some(&(_, kind)) = TYPE_KINDS.iter().find(|k| k.0 == kind) {
            return Self::parse_type(kind, rest);
        }
        if let Some(&(_, kind)) = ENUM_KINDS.iter().find(|k| k.0 == kind) {
            return Self::parse_enum(kind, rest);
        }
        if let Some(&(_, kind, weak)) = EXTERN_KINDS.iter().find(|k| k.0 == kind) {
            return Self::parse_extern(kind, weak, rest);
        }
        Err(format!("this linker knows no question `{kind}`"))
    }

    fn parse_field(kind: FieldKind, rest: &str) -> Result<Self, String> {
        let (keyword, root, path_text) = subject(rest)?;
        let root_kind = ROOT_KINDS.iter().find(|k| k.0 == keyword).ok_or_else(|| {
            format!("a field's root is `struct`, `union` or `typedef`, not `{keyword}`")
        })?;
        let mut p = Parser::new(path_text.ok_or("the path is missing")?);
        let mut index = 0;
        if p.eat(b'[') {
            index = p.count()?;
            p.expect(b']')?;
            // Both `[1].a` and `[1]a` read naturally.
            p.eat(b'.');
        }
        let mut path = vec![Step::Field(p.name()?)];
        loop {
            if p.eat(b'.') {
                path.push(Step::Field(p.name()?));
            } else if p.eat(b'[') {
                path.push(Step::Index(p.count()?));
                p.expect(b']')?;
            } else {
                break;
            }
            if path.len() > MAX_STEPS {
                return Err("the path is too long".into());
            }
        }
        p.expect(b'=')?;
        let leaf = p.ty()?;
        let bits = p.bits(&leaf)?;
        p.end()?;
        if bits.is_some() && matches!(path.last(), Some(Step::Index(_))) {
            return Err("an array's element cannot be a bit field".into());
        }
        if matches!(leaf, TypeExpr::Void | TypeExpr::Fn(..)) {
            return Err(format!("a field cannot have the type `{leaf}`"));
        }
        Ok(Question::Field {
            kind,
            root_kind: root_kind.1,
            root,
            index,
            path,
            leaf,
            bits,
        })
    }

    fn parse_type(kind: TypeKind, rest: &str) -> Result<Self, String> {
        let (keyword, name, body) = subject(rest)?;
        let escaped = Escaped(&name);
        let text = match (keyword, body) {
            ("struct" | "union" | "enum", body) => {
                format!("{keyword} {escaped}{}", body.unwrap_or_default())
            }
            ("typedef", Some(body)) => format!("typedef {escaped}={body}"),
            ("typedef", None) => return Err("the type it stands for is missing".into()),
            (other, _) => return Err(format!("`{other}` is no kind of type")),
        };
        let mut p = Parser::new(&text);
        let ty = p.ty()?;
        p.end()?;
        Ok(Question::Type { kind, ty })
    }

    fn parse_enum(kind: EnumKind, rest: &str) -> Result<Self, String> {
        let (keyword, name, variant) = subject(rest)?;
        let wide = match keyword {
            "enum" => false,
            "enum64" => true,
            other => {
                return Err(format!(
                    "an enumerator's root is `enum` or `enum64`, not `{other}`"
                ));
            }
        };
        let mut p = Parser::new(variant.ok_or("the enumerator is missing")?);
        let variant = p.name()?;
        let value = if p.eat(b'=') { p.number()? } else { 0 };
        p.end()?;
        if !wide && i32::try_from(value).is_err() && u32::try_from(value).is_err() {
            return Err(format!(
                "{value} does not fit 32 bits: the root must be `enum64`"
            ));
        }
        Ok(Question::Enum {
            kind,
            name,
            variant,
            value,
            wide,
        })
    }

    fn parse_extern(kind: ExternKind, weak: bool, rest: &str) -> Result<Self, String> {
        let (name, ty) = rest.split_once(':').ok_or("its type is missing")?;
        let name = whole_name(name)?;
        let mut p = Parser::new(ty);
        let ty = p.ty()?;
        p.end()?;
        let function = matches!(ty, TypeExpr::Fn(..));
        match kind {
            ExternKind::Kfunc | ExternKind::KfuncExists if !function => {
                return Err(format!("`{ty}` is no function"));
            }
            ExternKind::Ksym | ExternKind::Kconfig if function => {
                return Err("a function is asked for by `kfunc`".into());
            }
            ExternKind::Kconfig if matches!(ty, TypeExpr::Void) => {
                return Err("a value of the configuration needs a type".into());
            }
            _ => {}
        }
        Ok(Question::Extern {
            kind,
            weak,
            name,
            ty,
        })
    }
}

/// KEYWORD ":" NAME [":" REST]
fn subject(rest: &str) -> Result<(&str, String, Option<&str>), String> {
    let (keyword, rest) = rest.split_once(':').ok_or("the type's name is missing")?;
    let (name, rest) = match rest.split_once(':') {
        Some((name, rest)) => (name, Some(rest)),
        None => (rest, None),
    };
    Ok((keyword.trim(), whole_name(name)?, rest))
}

fn whole_name(text: &str) -> Result<String, String> {
    let mut p = Parser::new(text);
    let name = p.name()?;
    p.end()?;
    Ok(name)
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{VERSION}:")?;
        match self {
            Question::Field {
                kind,
                root_kind,
                root,
                index,
                path,
                leaf,
                bits,
            } => {
                let kind = FIELD_KINDS[*kind as usize].0;
                let keyword = ROOT_KINDS[*root_kind as usize].0;
                write!(f, "{kind}:{keyword}:{}:", Escaped(root))?;
                if *index > 0 {
                    write!(f, "[{index}]")?;
                }
                for (i, step) in path.iter().enumerate() {
                    match step {
                        Step::Field(name) if i == 0 => write!(f, "{}", Escaped(name))?,
                        Step::Field(name) => write!(f, ".{}", Escaped(name))?,
                        Step::Index(index) => write!(f, "[{index}]")?,
                    }
                }
                write!(f, "={leaf}")?;
                match bits {
                    Some(bits) => write!(f, "/{bits}"),
                    None => Ok(()),
                }
            }
            Question::Type { kind, ty } => {
                let entry = TYPE_KINDS.iter().find(|k| k.1 == *kind);
                let kind = entry.map_or("", |k| k.0);
                // `struct name{…}` becomes `struct:name:{…}`, `typedef name=…` `typedef:name:…`.
                let text = ty.to_string();
                let (keyword, rest) = text.split_once(' ').unwrap_or((&text, ""));
                match rest.find(['{', '=']) {
                    None => write!(f, "{kind}:{keyword}:{rest}"),
                    Some(at) => {
                        let (name, body) = rest.split_at(at);
                        let body = body.strip_prefix('=').unwrap_or(body);
                        write!(f, "{kind}:{keyword}:{name}:{body}")
                    }
                }
            }
            Question::Enum {
                kind,
                name,
                variant,
                value,
                wide,
            } => {
                let entry = ENUM_KINDS.iter().find(|k| k.1 == *kind);
                let kind = entry.map_or("", |k| k.0);
                let keyword = if *wide { "enum64" } else { "enum" };
                let (name, variant) = (Escaped(name), Escaped(variant));
                write!(f, "{kind}:{keyword}:{name}:{variant}={value}")
            }
            Question::Extern {
                kind,
                weak,
                name,
                ty,
            } => {
                let entry = EXTERN_KINDS.iter().find(|k| (k.1, k.2) == (*kind, *weak));
                let kind = entry.map_or("", |k| k.0);
                write!(f, "{kind}:{}:{ty}", Escaped(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(symbol: &str) -> Result<Question, String> {
        Question::parse(symbol).expect("a magic symbol")
    }

    #[test]
    fn ordinary_symbols_are_left_alone() {
        for name in ["memcpy", "_ZN3foo3barE", "hachi_log", "hachi"] {
            assert_eq!(Question::parse(name), None);
        }
    }

    #[test]
    fn questions_survive_being_written_and_read() {
        for symbol in [
            "hachi:1:field_byte_offset:struct:task_struct:pid=i32",
            "hachi:1:field_exists:struct:task_struct___old:se.load[2].weight=u64",
            "hachi:1:field_rshift_u64:union:u:[3]flags=u32/3",
            "hachi:1:field_byte_size:struct:task_struct:comm=[u8;16]",
            "hachi:1:field_signed:struct:a%2eb:%31x=*struct t",
            "hachi:1:field_byte_offset:typedef:atomic_t:counter=i32",
            "hachi:1:type_exists:struct:bpf_map",
            "hachi:1:type_matches:struct:s:{a:u32,_:union{b:*u8}}",
            "hachi:1:type_size:typedef:atomic_t:struct",
            "hachi:1:type_id_target:enum:e",
            "hachi:1:type_id_local:union:u",
            "hachi:1:enumval_exists:enum:bpf_func_id:BPF_FUNC_loop=0",
            "hachi:1:enumval_value:enum64:e:BIG=-9223372036854775808",
            "hachi:1:kfunc:bpf_rcu_read_lock:fn()",
            "hachi:1:kfunc_weak:bpf_task_acquire:fn(p:*struct task_struct)->*struct task_struct",
            "hachi:1:kfunc_exists:bpf_task_release:fn(*struct task_struct)",
            "hachi:1:ksym:runqueues:struct rq",
            "hachi:1:ksym_weak:init_task:void",
            "hachi:1:kconfig:CONFIG_HZ:u32",
            "hachi:1:kconfig_weak:CONFIG_CC_VERSION_TEXT:[u8;64]",
        ] {
            let question = parse(symbol).unwrap_or_else(|e| panic!("{symbol}: {e}"));
            assert_eq!(question.to_string(), symbol);
        }
    }

    /// What `concat!` and `stringify!` make of tokens a user wrote.
    #[test]
    fn macros_may_build_symbols() {
        let built = concat!(
            "hachi:1:field_byte_offset:struct:",
            stringify!(task_struct),
            ":",
            stringify!(se.r#type[0].x),
            "=",
            stringify!([*const core::ffi::c_char; 4])
        );
        assert_eq!(
            parse(built).unwrap().to_string(),
            "hachi:1:field_byte_offset:struct:task_struct:se.type[0].x=[*c_char;4]"
        );
        let built = concat!(
            "hachi:1:kfunc:",
            stringify!(bpf_task_from_pid),
            ":",
            stringify!(fn(pid: i32) -> *mut task_struct)
        );
        assert_eq!(
            parse(built).unwrap().to_string(),
            "hachi:1:kfunc:bpf_task_from_pid:fn(pid:i32)->*struct task_struct"
        );
    }

    #[test]
    fn malformed_symbols_say_what_is_wrong() {
        for (symbol, said) in [
            ("hachi:", "ends too early"),
            ("hachi:2:kfunc:f:fn()", "version `2`"),
            (
                "hachi:1:field_offset:struct:s:a=u8",
                "no question `field_offset`",
            ),
            ("hachi:1:field_exists:enum:s:a=u8", "not `enum`"),
            ("hachi:1:field_exists:struct:s", "path is missing"),
            ("hachi:1:field_exists:struct:s:a", "expected `=`"),
            (
                "hachi:1:field_exists:struct:s:a=void",
                "cannot have the type",
            ),
            ("hachi:1:field_exists:struct::a=u8", "expected a name"),
            ("hachi:1:field_exists:struct:s:a=u8/9", "1 to 8 bits"),
            ("hachi:1:type_exists:typedef:t", "missing"),
            ("hachi:1:type_exists:thing:t", "no kind of type"),
            ("hachi:1:enumval_value:enum:e", "enumerator is missing"),
            ("hachi:1:enumval_value:enum:e:A=0x100000000", "`enum64`"),
            ("hachi:1:kfunc:f:u32", "no function"),
            ("hachi:1:ksym:f:fn()", "`kfunc`"),
            ("hachi:1:kconfig:C:void", "needs a type"),
        ] {
            let error = parse(symbol).expect_err(symbol);
            assert!(error.contains(said), "{symbol}: {error}");
        }
    }
}
