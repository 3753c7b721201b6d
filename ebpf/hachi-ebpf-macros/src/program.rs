//! The attributes of programs that differ in a row of a table only.

use proc_macro::TokenStream;

use crate::args::{self, Arg, Text};
use crate::function::{self, Returns};
use crate::tokens::Error;

/// A kind of program.
pub struct Kind {
    pub attribute: &'static str,
    /// What a program looks like.
    pub signature: &'static str,
    /// The section's name, to which words and the target are added.
    pub section: &'static str,
    /// The arguments whose values, joined by `joint`, are the target: all of them or none.
    pub target: &'static [&'static str],
    pub joint: &'static str,
    /// An `offset` may be added to the target.
    pub offset: bool,
    /// Words that may be said, and what each adds to the section's name, in this order.
    pub words: &'static [(&'static str, &'static str)],
    pub returns: Returns,
}

/// The word that most kinds know, if any.
const SLEEPABLE: &[(&str, &str)] = &[("sleepable", ".s")];

/// What most kinds are.
const PLAIN: Kind = Kind {
    attribute: "",
    signature: "",
    section: "",
    target: &["function"],
    joint: "/",
    offset: false,
    words: &[],
    returns: Returns::Zero,
};

pub const BTF_TRACEPOINT: Kind = Kind {
    attribute: "btf_tracepoint",
    signature: "fn name(ctx: BtfTracePointContext) -> i32",
    section: "tp_btf",
    ..PLAIN
};

pub const RAW_TRACEPOINT: Kind = Kind {
    attribute: "raw_tracepoint",
    signature: "fn name(ctx: RawTracePointContext) -> i32",
    section: "raw_tracepoint",
    target: &["tracepoint"],
    words: &[("writable", ".w")],
    ..PLAIN
};

pub const TRACEPOINT: Kind = Kind {
    attribute: "tracepoint",
    signature: "fn name(ctx: TracePointContext) -> u32",
    section: "tracepoint",
    target: &["category", "name"],
    ..PLAIN
};

pub const FENTRY: Kind = Kind {
    attribute: "fentry",
    signature: "fn name(ctx: FEntryContext) -> i32",
    section: "fentry",
    words: SLEEPABLE,
    ..PLAIN
};

pub const FEXIT: Kind = Kind {
    attribute: "fexit",
    signature: "fn name(ctx: FExitContext) -> i32",
    section: "fexit",
    words: SLEEPABLE,
    ..PLAIN
};

pub const FMOD_RET: Kind = Kind {
    attribute: "fmod_ret",
    signature: "fn name(ctx: FModRetContext) -> i32",
    section: "fmod_ret",
    words: SLEEPABLE,
    returns: Returns::Its("i32"),
    ..PLAIN
};

pub const FSESSION: Kind = Kind {
    attribute: "fsession",
    signature: "fn name(ctx: FSessionContext) -> i32",
    section: "fsession",
    words: SLEEPABLE,
    returns: Returns::Its("i32"),
    ..PLAIN
};

pub const LSM: Kind = Kind {
    attribute: "lsm",
    signature: "fn name(ctx: LsmContext) -> i32",
    section: "lsm",
    target: &["hook"],
    words: SLEEPABLE,
    returns: Returns::Its("i32"),
    ..PLAIN
};

pub const LSM_CGROUP: Kind = Kind {
    attribute: "lsm_cgroup",
    signature: "fn name(ctx: LsmContext) -> i32",
    section: "lsm_cgroup",
    target: &["hook"],
    returns: Returns::Its("i32"),
    ..PLAIN
};

pub const KPROBE: Kind = Kind {
    attribute: "kprobe",
    signature: "fn name(ctx: ProbeContext) -> u32",
    section: "kprobe",
    offset: true,
    words: &[("multi", ".multi")],
    ..PLAIN
};

pub const KRETPROBE: Kind = Kind {
    attribute: "kretprobe",
    signature: "fn name(ctx: RetProbeContext) -> u32",
    section: "kretprobe",
    words: &[("multi", ".multi")],
    ..PLAIN
};

pub const KPROBE_SESSION: Kind = Kind {
    attribute: "kprobe_session",
    signature: "fn name(ctx: ProbeSessionContext) -> u32",
    section: "kprobe.session",
    returns: Returns::Its("u32"),
    ..PLAIN
};

pub const KSYSCALL: Kind = Kind {
    attribute: "ksyscall",
    signature: "fn name(ctx: SyscallProbeContext) -> u32",
    section: "ksyscall",
    target: &["syscall"],
    ..PLAIN
};

pub const KRETSYSCALL: Kind = Kind {
    attribute: "kretsyscall",
    signature: "fn name(ctx: RetProbeContext) -> u32",
    section: "kretsyscall",
    target: &["syscall"],
    ..PLAIN
};

pub const UPROBE: Kind = Kind {
    attribute: "uprobe",
    signature: "fn name(ctx: ProbeContext) -> u32",
    section: "uprobe",
    target: &["path", "function"],
    joint: ":",
    offset: true,
    words: &[("multi", ".multi"), ("sleepable", ".s")],
    ..PLAIN
};

pub const URETPROBE: Kind = Kind {
    attribute: "uretprobe",
    signature: "fn name(ctx: RetProbeContext) -> u32",
    section: "uretprobe",
    target: &["path", "function"],
    joint: ":",
    words: &[("multi", ".multi"), ("sleepable", ".s")],
    ..PLAIN
};

pub const UPROBE_SESSION: Kind = Kind {
    attribute: "uprobe_session",
    signature: "fn name(ctx: ProbeSessionContext) -> u32",
    section: "uprobe.session",
    target: &["path", "function"],
    joint: ":",
    words: SLEEPABLE,
    returns: Returns::Its("u32"),
    ..PLAIN
};

pub const USDT: Kind = Kind {
    attribute: "usdt",
    signature: "fn name(ctx: UsdtContext) -> u32",
    section: "usdt",
    target: &["path", "provider", "name"],
    joint: ":",
    words: SLEEPABLE,
    ..PLAIN
};

pub const ITER: Kind = Kind {
    attribute: "iter",
    signature: "fn name(ctx: IterContext) -> i32",
    section: "iter",
    target: &["target"],
    words: SLEEPABLE,
    returns: Returns::Its("i32"),
    ..PLAIN
};

/// What was written in the attribute.
struct Chosen {
    name: Option<Text>,
    section: String,
}

pub fn expand(
    kind: &Kind,
    attribute: TokenStream,
    mut item: TokenStream,
) -> Result<TokenStream, Error> {
    let chosen = choose(kind, args::parse(attribute)?)?;
    let function = function::parse(item.clone(), kind.signature, kind.returns)?;
    item.extend(function.entry(&chosen.section, chosen.name.as_ref(), kind.returns));
    Ok(item)
}

fn choose(kind: &Kind, args: Vec<Arg>) -> Result<Chosen, Error> {
    // A tracepoint's `name` is the program's where there is no `category`.
    let named = |key: &str| args.iter().any(|arg| arg.key.to_string() == key);
    let has_target = kind.target.first().is_some_and(|first| named(first));
    let mut targets: Vec<Option<Text>> = kind.target.iter().map(|_| None).collect();
    let (mut name, mut offset) = (None, None);
    let mut said = vec![false; kind.words.len()];
    for arg in args {
        let key = arg.key.to_string();
        let place = kind.target.iter().position(|target| *target == key);
        match (place, key.as_str()) {
            (Some(place), _) if has_target => {
                let text = arg.into_text()?;
                check_target(&text)?;
                targets[place] = Some(text);
            }
            (_, "name") => {
                let text = arg.into_text()?;
                args::check_name(&text)?;
                name = Some(text);
            }
            (_, "offset") if kind.offset && has_target => {
                offset = Some(arg.into_number()?);
            }
            (_, word) => {
                let Some(at) = kind.words.iter().position(|(known, _)| *known == word) else {
                    return Err(Error::new(arg.key.span(), known(kind)));
                };
                arg.flag()?;
                said[at] = true;
            }
        }
    }
    let mut section = kind.section.to_owned();
    for ((_, suffix), said) in kind.words.iter().zip(said) {
        section.push_str(if said { suffix } else { "" });
    }
    if has_target {
        let mut before = "/";
        for (target, key) in targets.iter().zip(kind.target) {
            let Some(target) = target else {
                let span = targets.iter().flatten().next().map(|t| t.literal.span());
                return Err(Error::new(
                    span.unwrap_or(proc_macro::Span::call_site()),
                    format!("`{} = \"…\"` is missing", key),
                ));
            };
            section.push_str(before);
            section.push_str(&target.text);
            before = kind.joint;
        }
    }
    if let Some(offset) = offset {
        section.push_str(&format!("+{offset}"));
    }
    Ok(Chosen { name, section })
}

/// What a target may look like: anything that a section's name can hold.
fn check_target(text: &Text) -> Result<(), Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    if text.text.is_empty() || text.text.contains(bad) {
        return Err(Error::new(
            text.literal.span(),
            "expected the name of what the program is attached to",
        ));
    }
    Ok(())
}

/// The arguments that an attribute takes, in words.
fn known(kind: &Kind) -> String {
    let mut all: Vec<String> = kind
        .target
        .iter()
        .map(|key| format!("`{key} = \"…\"`"))
        .collect();
    if !kind.target.contains(&"name") {
        all.push("`name = \"…\"`".to_owned());
    }
    if kind.offset {
        all.push("`offset = …`".to_owned());
    }
    all.extend(kind.words.iter().map(|(word, _)| format!("`{word}`")));
    let last = all.pop().unwrap_or_default();
    format!(
        "`#[{}]` knows {} and {last}",
        kind.attribute,
        all.join(", ")
    )
}
