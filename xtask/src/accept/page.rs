//! The book's page "What the verifier accepts", made of the corpus.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::shell::{Result, root};

/// An idiom that is refused.
pub struct Limit {
    pub group: String,
    pub name: String,
    /// `all`, or the last kernel that refuses it in whatever language it is written; `defect` where
    /// it is Hachi's fault.
    kernels: String,
    why: String,
}

impl Limit {
    /// Is it a limit of that kernel? The one here is newer than those that have limits of their
    /// own.
    pub fn is_on(&self, kernel: &str) -> bool {
        let version = |text: &str| -> Option<(u32, u32)> {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        match (version(&self.kernels), version(kernel)) {
            (Some(last), Some(kernel)) => kernel <= last,
            (Some(_), None) => false,
            (None, _) => !self.is_defect(),
        }
    }
}

impl Limit {
    fn is_defect(&self) -> bool {
        self.kernels == "defect"
    }
}

/// Where the page is.
pub fn path() -> PathBuf {
    root().join("book/src/accepted.md")
}

/// The limits that are known.
pub fn limits() -> Result<Vec<Limit>> {
    let path = root().join("tests/accept/limits.tsv");
    let text = std::fs::read_to_string(&path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [group, name, kernels, why] = columns[..] else {
                return Err(format!("{}: `{line}` has not four columns", path.display()).into());
            };
            Ok(Limit {
                group: group.to_owned(),
                name: name.to_owned(),
                kernels: kernels.to_owned(),
                why: why.to_owned(),
            })
        })
        .collect()
}

/// The page's text.
pub fn page() -> Result<String> {
    let directory = root().join("tests/accept/idioms");
    let mut groups: Vec<PathBuf> = std::fs::read_dir(&directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    groups.sort();
    let mut table = String::new();
    let mut count = 0;
    for path in &groups {
        let text = std::fs::read_to_string(path)?;
        let title = text.lines().next().unwrap_or_default();
        let title = title.trim_start_matches("//! ").trim_end_matches('.');
        let idioms = idioms(&text);
        count += idioms.len();
        let group = path.file_stem().unwrap_or_default().to_string_lossy();
        let examples = idioms.iter().take(4).map(|name| name.replace('_', " "));
        let examples: Vec<String> = examples.collect();
        writeln!(
            table,
            "| `{group}` | {title} | {} | {}, … |",
            idioms.len(),
            examples.join(", ")
        )?;
    }
    let (mut refused, mut defects) = (String::new(), String::new());
    for limit in limits()? {
        if limit.is_defect() {
            let name = limit.name.replace('_', " ");
            writeln!(defects, "- {name} (`{}`): {}", limit.group, limit.why)?;
            continue;
        }
        let kernels = match limit.kernels.as_str() {
            "all" => "all kernels".to_owned(),
            last => format!("Linux {last} and older"),
        };
        writeln!(
            refused,
            "### {} (`{}`)\n\nRefused by {kernels}. {}\n",
            limit.name.replace('_', " "),
            limit.group,
            limit.why
        )?;
    }
    let top = INTRODUCTION
        .replace("GROUPS", &groups.len().to_string())
        .replace("COUNT", &count.to_string());
    Ok(format!("{top}{table}{MIDDLE}{refused}{DEFECTS}{defects}"))
}

/// The names of a group's programs.
fn idioms(text: &str) -> Vec<&str> {
    let heads = text.lines().map(str::trim_start);
    heads
        .filter_map(|line| {
            let (kind, rest) = line.split_once(" fn ")?;
            let is_program = ["words", "bytes", "text", "packet"].contains(&kind);
            rest.split_once('(')
                .filter(|_| is_program)
                .map(|(name, _)| name)
        })
        .collect()
}

const INTRODUCTION: &str = "\
<!-- Made by `cargo xtask bench accept --page` from tests/accept; do not edit. -->

# What the verifier accepts

The kernel runs a program only when its verifier has proven that the program ends and touches
nothing that it may not. Rust's own checks (an index below a length, an `Option` that is `Some`)
are most of that proof. The linker keeps them in the form in which the verifier can follow them:
the number that is compared is the number that is used.

So ordinary Rust is accepted: slices and iterators, `match` and `?`, closures and generics. What
that means is written down as COUNT small programs in GROUPS groups, in `tests/accept/idioms` of
Hachi's repository. Each is built in release and debug, loaded on several kernels, and run; the
result has to be what the same code computes on the host.

| Group | About | Programs | For example |
|---|---|---:|---|
";

const MIDDLE: &str = "
A program that you would have written like one of these and that is refused is a defect of Hachi:
please report it.

## What it refuses

These are limits of the kernel itself: the same program in C, compiled by clang, is refused too.

";

const DEFECTS: &str = "\
## What is still missing

These are refused where a kernel could take them, and are to be mended:

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_matches_the_corpus() {
        let written = std::fs::read_to_string(path()).unwrap();
        let hint = "`cargo xtask bench accept --page` writes it again";
        assert!(written == page().unwrap(), "{}: {hint}", path().display());
    }

    #[test]
    fn every_limit_is_an_idiom_with_a_twin_in_c() {
        let twins = std::fs::read_to_string(root().join("tests/accept/twins.c")).unwrap();
        for limit in limits().unwrap() {
            let Limit { group, name, .. } = &limit;
            let path = root().join(format!("tests/accept/idioms/{group}.rs"));
            let text = std::fs::read_to_string(path).unwrap();
            assert!(idioms(&text).contains(&name.as_str()), "{group} {name}");
            assert!(
                limit.is_defect() || twins.contains(&format!("({group}__{name})")),
                "{group} {name}"
            );
        }
    }

    #[test]
    fn limits_of_old_kernels_do_not_apply_to_newer_ones() {
        let limit = |kernels: &str| Limit {
            group: String::new(),
            name: String::new(),
            kernels: kernels.to_owned(),
            why: String::new(),
        };
        assert!(limit("all").is_on("7.3") && limit("all").is_on("here"));
        assert!(limit("5.10").is_on("5.10") && !limit("5.10").is_on("6.1"));
        assert!(!limit("defect").is_on("7.3") && !limit("defect").is_on("here"));
        assert!(!limit("6.1").is_on("6.12") && !limit("5.10").is_on("here"));
    }
}
