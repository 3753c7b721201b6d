//! Whether a program's target exists on this machine, and what is like it.

use std::fs;
use std::io;
use std::path::Path;

use hachi::Btf;

use super::kinds::{Functions, Tracepoints};
use crate::failure::{Failure, Result};

/// What a look at the machine has found.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    There,
    /// It is not; these have names like it.
    Missing(Vec<String>),
    /// The machine does not tell, for this reason.
    Unknown(String),
}

impl Answer {
    /// An error if it is missing; the reason if nobody knows.
    pub fn judge(self, what: &str, name: &str) -> Result<Option<String>> {
        match self {
            Answer::There => Ok(None),
            Answer::Unknown(reason) => Ok(Some(format!(
                "whether there is {what} `{name}` is not known: {reason}"
            ))),
            Answer::Missing(near) => {
                let failure = Failure::usage(format!("this machine has no {what} `{name}`"));
                Err(match near.is_empty() {
                    true => failure,
                    false => failure.help(format!("there is {}", near.join(", "))),
                })
            }
        }
    }
}

/// All names of a kind, or why they are not known.
type Found = std::result::Result<Vec<String>, String>;

/// Looks for a network interface.
pub fn interface(name: &str) -> Answer {
    answer(name, entries(Path::new("/sys/class/net")))
}

/// Looks for a function of the kernel.
pub fn function(which: Functions, name: &str) -> Answer {
    match which {
        Functions::Symbols => answer(name, symbols()),
        Functions::Pattern => match symbols() {
            Ok(all) if all.iter().any(|symbol| matches(name, symbol)) => Answer::There,
            Ok(all) => Answer::Missing(near(&name.replace('*', ""), all)),
            Err(reason) => Answer::Unknown(reason),
        },
        Functions::Typed => answer(name, types(function_name)),
        Functions::Hooks => answer(
            name,
            types(|ty| function_name(ty)?.strip_prefix("bpf_lsm_")),
        ),
    }
}

/// Looks for a tracepoint.
pub fn tracepoint(which: Tracepoints, category: &str, name: &str) -> Answer {
    match which {
        Tracepoints::Raw => answer(
            name,
            types(|ty| match ty {
                hachi_btf::Type::Typedef(typedef) => typedef.name.strip_prefix("btf_trace_"),
                _ => None,
            }),
        ),
        Tracepoints::Events => answer(&format!("{category}/{name}"), events()),
    }
}

fn answer(name: &str, all: Found) -> Answer {
    match all {
        Ok(all) if all.iter().any(|other| other == name) => Answer::There,
        Ok(all) => Answer::Missing(near(name, all)),
        Err(reason) => Answer::Unknown(reason),
    }
}

/// The names most like one, the best first.
pub fn near(name: &str, all: Vec<String>) -> Vec<String> {
    /// Names less alike than this are other names.
    const ALIKE: f64 = 0.6;
    const MOST: usize = 4;
    let mut found: Vec<(f64, String)> = all
        .into_iter()
        // Only names of about its length can be alike: a kernel has a hundred thousand.
        .filter(|other| other.len().abs_diff(name.len()) <= name.len() / 2)
        .map(|other| (strsim::normalized_damerau_levenshtein(name, &other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.dedup();
    found.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Whether text matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    (0..=text.len())
        .filter(|&at| text.is_char_boundary(at))
        .any(|at| matches(rest, &text[at..]))
}

/// The names in a directory.
fn entries(directory: &Path) -> Found {
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    let entries = fs::read_dir(directory).map_err(failed)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let names: io::Result<Vec<_>> = names.collect();
    let names = names.map_err(failed)?.into_iter();
    Ok(names.filter_map(|name| name.into_string().ok()).collect())
}

/// The functions that have symbols.
fn symbols() -> Found {
    const FILE: &str = "/proc/kallsyms";
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
        is_code.then(|| words.next().map(str::to_owned))?
    });
    Ok(lines.collect())
}

/// The events with records, as `category/name`.
fn events() -> Found {
    let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    let mut reason = String::new();
    for place in places {
        let events = Path::new(place).join("events");
        match entries(&events) {
            Ok(categories) => {
                let mut all = Vec::new();
                for category in categories {
                    let names = entries(&events.join(&category)).unwrap_or_default();
                    all.extend(names.iter().map(|name| format!("{category}/{name}")));
                }
                return Ok(all);
            }
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

fn function_name<'t>(ty: &hachi_btf::Type<&'t str>) -> Option<&'t str> {
    match ty {
        hachi_btf::Type::Func(function) => Some(function.name),
        _ => None,
    }
}

/// Names by the running kernel's types.
fn types(name: impl for<'t> Fn(&hachi_btf::Type<&'t str>) -> Option<&'t str>) -> Found {
    let btf = Btf::from_sys_fs().map_err(|error| error.to_string())?;
    let failed = |error: hachi_btf::Error| error.to_string();
    let mut all = Vec::new();
    for item in btf.types().iter().map_err(failed)? {
        let (_, ty) = item.map_err(failed)?;
        all.extend(name(&ty).map(str::to_owned));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_listed_best_first() {
        let all = ["vfs_rmdir", "vfs_mkdir", "do_exit", "vfs_rmdirs"];
        let all = || all.map(str::to_owned).to_vec();
        assert_eq!(
            near("vfs_rmdr", all()),
            ["vfs_rmdir", "vfs_rmdirs", "vfs_mkdir"]
        );
        assert!(near("something_else", all()).is_empty());
        let missing = Answer::Missing(near("vfs_rmdr", all()));
        let failure = missing.judge("function", "vfs_rmdr").unwrap_err();
        assert_eq!(failure.message, "this machine has no function `vfs_rmdr`");
        assert!(failure.help.unwrap().contains("vfs_rmdir"));
    }

    #[test]
    fn patterns_match_any_text() {
        assert!(matches("vfs_*dir", "vfs_rmdir"));
        assert!(matches("*", "") && matches("a*b*c", "aXbYc") && matches("abc", "abc"));
        assert!(!matches("vfs_*dir", "vfs_read") && !matches("a*b", "a"));
    }

    #[test]
    fn unreadable_targets_are_reported_without_an_error() {
        let answer = answer("lo", entries(Path::new("/no/such/place")));
        let reason = answer.judge("interface", "lo").unwrap().unwrap();
        assert!(
            reason.contains("`lo`") && reason.contains("/no/such/place"),
            "{reason}"
        );
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        assert_eq!(interface("lo"), Answer::There);
        let Answer::Missing(near) = interface("lo0") else {
            panic!("lo0 exists");
        };
        assert!(near.contains(&"lo".to_owned()), "{near:?}");
    }
}
