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
    /// The section's name, to which `.s` is added for sleepable programs and `/TARGET` for a target.
    pub section: &'static str,
    /// The arguments whose values, joined by `/`, are the target: all of them or none.
    pub target: &'static [&'static str],
    pub sleepable: bool,
    pub returns: Returns,
}

pub const BTF_TRACEPOINT: Kind = Kind {
    attribute: "btf_tracepoint",
    signature: "fn name(ctx: BtfTracePointContext) -> i32",
    section: "tp_btf",
    target: &["function"],
    sleepable: false,
    returns: Returns::Zero,
};

pub const RAW_TRACEPOINT: Kind = Kind {
    attribute: "raw_tracepoint",
    signature: "fn name(ctx: RawTracePointContext) -> i32",
    section: "raw_tracepoint",
    target: &["tracepoint"],
    sleepable: false,
    returns: Returns::Zero,
};

pub const TRACEPOINT: Kind = Kind {
    attribute: "tracepoint",
    signature: "fn name(ctx: TracePointContext) -> u32",
    section: "tracepoint",
    target: &["category", "name"],
    sleepable: false,
    returns: Returns::Zero,
};

pub const FENTRY: Kind = Kind {
    attribute: "fentry",
    signature: "fn name(ctx: FEntryContext) -> i32",
    section: "fentry",
    target: &["function"],
    sleepable: true,
    returns: Returns::Zero,
};

pub const FEXIT: Kind = Kind {
    attribute: "fexit",
    signature: "fn name(ctx: FExitContext) -> i32",
    section: "fexit",
    target: &["function"],
    sleepable: true,
    returns: Returns::Zero,
};

pub const LSM: Kind = Kind {
    attribute: "lsm",
    signature: "fn name(ctx: LsmContext) -> i32",
    section: "lsm",
    target: &["hook"],
    sleepable: true,
    returns: Returns::Its("i32"),
};

pub const KPROBE: Kind = Kind {
    attribute: "kprobe",
    signature: "fn name(ctx: ProbeContext) -> u32",
    section: "kprobe",
    target: &["function"],
    sleepable: false,
    returns: Returns::Zero,
};

pub const KRETPROBE: Kind = Kind {
    attribute: "kretprobe",
    signature: "fn name(ctx: RetProbeContext) -> u32",
    section: "kretprobe",
    target: &["function"],
    sleepable: false,
    returns: Returns::Zero,
};

pub const ITER: Kind = Kind {
    attribute: "iter",
    signature: "fn name(ctx: IterContext) -> i32",
    section: "iter",
    target: &["target"],
    sleepable: true,
    returns: Returns::Its("i32"),
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
    let (mut name, mut offset, mut sleepable) = (None, None, false);
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
            (_, "sleepable") if kind.sleepable => {
                arg.flag()?;
                sleepable = true;
            }
            (_, "offset") if kind.section == "kprobe" && has_target => {
                offset = Some(arg.into_number()?);
            }
            _ => return Err(Error::new(arg.key.span(), known(kind))),
        }
    }
    let mut section = kind.section.to_owned();
    if sleepable {
        section.push_str(".s");
    }
    if has_target {
        for (target, key) in targets.iter().zip(kind.target) {
            let Some(target) = target else {
                let span = targets.iter().flatten().next().map(|t| t.literal.span());
                return Err(Error::new(
                    span.unwrap_or(proc_macro::Span::call_site()),
                    format!("`{} = \"…\"` is missing", key),
                ));
            };
            section.push('/');
            section.push_str(&target.text);
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
    if kind.section == "kprobe" {
        all.push("`offset = …`".to_owned());
    }
    if kind.sleepable {
        all.push("`sleepable`".to_owned());
    }
    let last = all.pop().unwrap_or_default();
    format!(
        "`#[{}]` knows {} and {last}",
        kind.attribute,
        all.join(", ")
    )
}
