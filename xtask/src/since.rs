//! First kernels: the documentation of program types, map types, links and helpers names those that
//! the tables of `codegen/` have.

use crate::shell::{Result, root};
use std::collections::BTreeMap;
use std::path::Path;

/// Features that are a type of links: its name in `codegen/link_types.tsv`.
const LINKS: &[(&str, &str)] = &[
    ("PERF_LINK", "PERF_EVENT"),
    ("KPROBE_MULTI", "KPROBE_MULTI"),
    ("NETFILTER_LINK", "NETFILTER"),
    ("TCX", "TCX"),
    ("UPROBE_MULTI", "UPROBE_MULTI"),
    ("NETKIT", "NETKIT"),
    ("SOCK_MAP_LINK", "SOCKMAP"),
];

/// Types of maps that are a feature, and its name.
const MAPS: &[(&str, &str)] = &[("RINGBUF", "RINGBUF")];

/// Checks the documentation.
pub fn check() -> Result {
    let mut problems = Vec::new();
    problems.extend(programs()?);
    problems.extend(maps()?);
    problems.extend(storages()?);
    problems.extend(features()?);
    problems.extend(helpers()?);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// Something with documentation.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    file: String,
    line: usize,
    /// Its documentation, as one line.
    docs: String,
    /// The line that follows.
    text: String,
}

impl Item {
    /// The last word of the declaration's name: `Queue` of `pub struct Queue<V> {`.
    fn name(&self) -> &str {
        let text = self.text.trim_start();
        let text = text.strip_prefix("pub ").unwrap_or(text);
        let text = text.strip_prefix("struct ").unwrap_or(text);
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    }

    /// The problem, unless the documentation names this kernel.
    fn needs(&self, kernel: &str, of: &str) -> Option<String> {
        if names(&self.docs, kernel) {
            return None;
        }
        Some(format!(
            "{}:{}: {} is there since Linux {kernel} ({of}), which its documentation does not say",
            self.file,
            self.line,
            self.name()
        ))
    }
}

/// Whether a text names a kernel: `Linux ≥ 5.8`, `(5.8)`, `(Linux ≥ 5.8; …)`.
fn names(text: &str, kernel: &str) -> bool {
    text.match_indices(kernel).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + kernel.len()..]);
        let begins = ["Linux ≥ ", "(", "Linux "]
            .iter()
            .any(|words| before.ends_with(words));
        let mut after = after.chars();
        let ends = match (after.next(), after.next()) {
            (Some('.'), Some(next)) => !next.is_ascii_digit(),
            (Some(next), _) => !next.is_ascii_digit(),
            (None, _) => true,
        };
        begins && ends
    })
}

/// What is documented in a source.
fn items(file: &str, source: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut docs = String::new();
    for (number, line) in source.lines().enumerate() {
        let text = line.trim_start();
        match text.strip_prefix("///") {
            Some(doc) => {
                docs.push_str(doc.trim_end());
            }
            None if text.starts_with("#[") || text.starts_with(")]") || text.is_empty() => {}
            None if !docs.is_empty() => items.push(Item {
                file: file.to_owned(),
                line: number + 1,
                docs: std::mem::take(&mut docs).trim_start().to_owned(),
                text: text.to_owned(),
            }),
            None => {}
        }
    }
    items
}

/// All that is documented in the sources of a directory.
fn items_in(directory: &str) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join(directory))? {
        files.push(entry?.path());
    }
    files.sort();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
    {
        let file = path
            .strip_prefix(root())
            .unwrap_or(path)
            .display()
            .to_string();
        found.extend(items(&file, &std::fs::read_to_string(path)?));
    }
    Ok(found)
}

/// The rows of a table of `codegen/`.
fn table(name: &str) -> Result<Vec<Vec<String>>> {
    let path = Path::new("codegen").join(name);
    let text = std::fs::read_to_string(root().join(path))?;
    let rows = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    Ok(rows
        .map(|row| row.split('\t').map(str::to_owned).collect())
        .collect())
}

/// First kernels by name, from a table of numbers, names and kernels.
fn kernels(name: &str) -> Result<BTreeMap<String, String>> {
    let rows = table(name)?.into_iter();
    Ok(rows.map(|row| (row[1].clone(), row[2].clone())).collect())
}

/// `CGROUP_SKB` as Rust's enums have it: `CgroupSkb`.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
        .collect()
}

/// The number of a kernel, to be compared.
fn number(kernel: &str) -> (u32, u32) {
    let (major, minor) = kernel.split_once('.').unwrap_or((kernel, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

/// Which sections one type of program of `hachi` is for: a row of its macro `programs!`.
struct Pattern {
    kinds: Vec<String>,
    /// `None` for any.
    attach: Option<Vec<String>>,
    /// `None` for any.
    sections: Option<Vec<String>>,
    name: String,
}

impl Pattern {
    /// `(ProgramType::Lsm, Some(AttachType::LsmMac), _) => Lsm "lsm",`.
    fn parse(line: &str) -> Option<Pattern> {
        let (pattern, name) = line.trim().strip_prefix('(')?.split_once(") => ")?;
        let name = name.split(' ').next()?.to_owned();
        let after = |text: &str, prefix: &str| -> Vec<String> {
            let parts = text.split(prefix).skip(1);
            let word = |part: &str| part.chars().take_while(|c| c.is_alphanumeric()).collect();
            parts.map(word).collect()
        };
        let kinds = after(pattern, "ProgramType::");
        let attach = after(pattern, "AttachType::");
        let (_, sections) = pattern.rsplit_once(", ")?;
        let sections = match sections {
            "_" => None,
            list => Some(
                list.split(" | ")
                    .map(|s| s.trim_matches('"').to_owned())
                    .collect(),
            ),
        };
        let attach = match pattern.contains(", None,") {
            true => Some(Vec::new()),
            false if attach.is_empty() => None,
            false => Some(attach),
        };
        (!kinds.is_empty()).then_some(Pattern {
            kinds,
            attach,
            sections,
            name,
        })
    }

    fn fits(&self, kind: &str, attach: &str, section: &str) -> bool {
        let attach_fits = match (&self.attach, attach) {
            (None, _) => true,
            (Some(list), "-") => list.is_empty(),
            (Some(list), attach) => list.contains(&camel(attach)),
        };
        self.kinds.contains(&camel(kind))
            && attach_fits
            && self
                .sections
                .as_ref()
                .is_none_or(|list| list.iter().any(|s| s == section))
    }
}

fn programs() -> Result<Vec<String>> {
    let source = std::fs::read_to_string(root().join("crates/hachi/src/programs/mod.rs"))?;
    // A row may be on several lines, those after the first indented further.
    let rows = source.replace("\n        ", " ");
    let patterns: Vec<Pattern> = rows.lines().filter_map(Pattern::parse).collect();
    let mut first: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for row in table("sections.tsv")? {
        let section = row[0].trim_end_matches(['+', '/']);
        let of = patterns
            .iter()
            .find(|pattern| pattern.fits(&row[1], &row[2], section));
        if let Some(of) = of {
            let since = number(&row[3]);
            let known = first.entry(&of.name).or_insert(since);
            *known = since.min(*known);
        }
    }
    let items = items_in("crates/hachi/src/programs")?;
    let mut problems = Vec::new();
    for pattern in &patterns {
        let Some((major, minor)) = first.get(pattern.name.as_str()) else {
            problems.push(format!(
                "no section of codegen/sections.tsv gives a {}",
                pattern.name
            ));
            continue;
        };
        let kernel = format!("{major}.{minor}");
        match items.iter().find(|item| is_type(item, &pattern.name)) {
            Some(item) => problems.extend(item.needs(&kernel, "codegen/sections.tsv")),
            None => problems.push(format!("{} has no documentation", pattern.name)),
        }
    }
    Ok(problems)
}

/// Whether an item is the declaration of this type, by itself or as a macro's first argument.
fn is_type(item: &Item, name: &str) -> bool {
    let rest = item.text.strip_prefix(item.name());
    item.name() == name
        && (item.text.starts_with("pub struct ") || rest.is_some_and(|rest| rest.starts_with(',')))
}

fn maps() -> Result<Vec<String>> {
    let kernels = kernels("map_types.tsv")?;
    let by_camel = |name: &str| kernels.iter().find(|(kind, _)| camel(kind) == name);
    let mut problems = Vec::new();
    let mut seen = 0;
    for item in items_in("crates/hachi/src/maps")? {
        // A row of `view!`: `HashMap<K, V>: Hash | LruHash, K => V`.
        let Some((_, kinds)) = item
            .text
            .split_once(">: ")
            .filter(|(_, of)| of.contains("=>"))
        else {
            continue;
        };
        let kinds = kinds.split(',').next().unwrap_or_default();
        // A macro that makes such rows gives the documentation its kernel by an argument.
        if kinds.starts_with('$') {
            continue;
        }
        for kind in kinds.split(" | ") {
            seen += 1;
            match by_camel(kind) {
                Some((_, kernel)) => problems.extend(item.needs(kernel, kind)),
                None => problems.push(format!("{}:{}: no type {kind}", item.file, item.line)),
            }
        }
    }
    for item in items_in("ebpf/hachi-ebpf/src/maps")? {
        let Some((_, kind)) = item.text.split_once("= BPF_MAP_TYPE_") else {
            continue;
        };
        let end = kind.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let kind = &kind[..end.unwrap_or(kind.len())];
        seen += 1;
        match kernels.get(kind) {
            Some(kernel) => problems.extend(item.needs(kernel, kind)),
            None => problems.push(format!("{}:{}: no type {kind}", item.file, item.line)),
        }
    }
    if seen < 40 {
        problems.push(format!(
            "only {seen} types of maps were found: their macros have changed"
        ));
    }
    Ok(problems)
}

/// The kernels that the views of storages take as a macro's argument:
/// `storage!(SkStorage: SkStorage, "socket", "the socket", "5.2");`
fn storages() -> Result<Vec<String>> {
    const FILE: &str = "crates/hachi/src/maps/storage.rs";
    let kernels = kernels("map_types.tsv")?;
    let source = std::fs::read_to_string(root().join(FILE))?;
    let mut problems = Vec::new();
    let mut seen = 0;
    for row in source
        .lines()
        .filter_map(|line| line.strip_prefix("storage!("))
    {
        let parts: Vec<&str> = row.trim_end_matches(");").split(", ").collect();
        let kind = parts[0].rsplit(": ").next().unwrap_or_default();
        let told = parts[parts.len() - 1].trim_matches('"');
        seen += 1;
        match kernels.iter().find(|(name, _)| camel(name) == kind) {
            Some((_, kernel)) if kernel == told => {}
            known => problems.push(format!("{FILE}: {kind} since {told}; the table: {known:?}")),
        }
    }
    if seen < 4 {
        problems.push(format!("{FILE}: only {seen} storages were found"));
    }
    Ok(problems)
}

/// The oldest kernel that the tests run on. What helpers it has need not be told.
const OLDEST: (u32, u32) = (5, 10);

/// What calls a helper names its first kernel: in its own documentation, or in that of its file,
/// where several functions need the same. The helpers' own is generated from the table. Where a
/// program asks whether the kernel has the helper, any kernel will do.
fn helpers() -> Result<Vec<String>> {
    let table = table("helpers.tsv")?.into_iter();
    let kernels: BTreeMap<String, String> = table
        .map(|row| (row[1].clone(), row[2].clone()))
        .filter(|(_, kernel)| number(kernel) > OLDEST)
        .collect();
    let mut problems = Vec::new();
    let mut seen = 0;
    for file in sources("ebpf/hachi-ebpf/src")? {
        if file.ends_with("generated.rs") || file.contains("/src/test/") {
            continue;
        }
        let source = std::fs::read_to_string(root().join(&file))?;
        for (helper, docs) in calls(&file, &source) {
            let Some(kernel) = kernels.get(&helper) else {
                continue;
            };
            if source.contains(&format!(
                "enum_value_exists!(bpf_func_id::BPF_FUNC_{helper})"
            )) {
                continue;
            }
            seen += 1;
            if !told(&docs, kernel) && !told(&all_docs(&source), kernel) {
                problems.push(format!(
                    "{file}: bpf_{helper} is called, which is there since Linux {kernel} \
                     (codegen/helpers.tsv); no documentation says so"
                ));
            }
        }
    }
    if seen < 20 {
        problems.push(format!("only {seen} calls of helpers were found"));
    }
    problems.dedup();
    Ok(problems)
}

/// As [`names`], and in the shorter forms `(bpf_get_func_ret, 5.17)` and `(at that time; 6.4)`.
fn told(docs: &str, kernel: &str) -> bool {
    let behind = |before: &str| docs.contains(&format!("{before} {kernel})"));
    names(docs, kernel) || behind(",") || behind(";")
}

/// The documentation of a whole file.
fn all_docs(source: &str) -> String {
    let lines = source.lines().map(str::trim_start);
    let docs = lines.filter(|line| line.starts_with("///") || line.starts_with("//!"));
    docs.collect::<Vec<_>>().join("\n")
}

/// The helpers that are called, by name, each with the documentation in front of the function that
/// calls it.
fn calls(file: &str, source: &str) -> Vec<(String, String)> {
    let items = items(file, source);
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("bpf_") {
            let before = code[..at].chars().next_back();
            let name: String = code[at + "bpf_".len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let is_call = code[at + "bpf_".len() + name.len()..].starts_with('(');
            if is_call && !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                let of = items.iter().rfind(|item| item.line <= number + 1);
                found.push((name, of.map(|item| item.docs.clone()).unwrap_or_default()));
            }
        }
    }
    found
}

/// The Rust files below a directory, by their paths from the root.
fn sources(directory: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let path = path.strip_prefix(root()).unwrap_or(&path);
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn features() -> Result<Vec<String>> {
    let source = std::fs::read_to_string(root().join("crates/hachi/src/features.rs"))?;
    let since = |feature: &str| {
        let rows = source.lines().map(str::trim_start);
        let mut rows = rows.filter_map(|row| row.strip_prefix(feature)?.strip_prefix(": "));
        let (_, version) = rows.next()?.split_once(", (")?;
        let (version, _) = version.split_once(')')?;
        Some(version.replace(", ", "."))
    };
    let mut problems = Vec::new();
    for (list, name) in [(LINKS, "link_types.tsv"), (MAPS, "map_types.tsv")] {
        let kernels = kernels(name)?;
        for (feature, kind) in list {
            let (feature_since, table_since) = (since(feature), kernels.get(*kind));
            if feature_since.is_none() || feature_since.as_ref() != table_since {
                problems.push(format!(
                    "crates/hachi/src/features.rs: {feature} is there since {feature_since:?}; \
                     codegen/{name} has {kind} since {table_since:?}"
                ));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_itself_counts() {
        for (text, named) in [
            ("Something. Linux ≥ 5.8.", true),
            ("A queue (5.8).", true),
            ("A queue (Linux ≥ 5.8; with a link 5.9)", true),
            ("Linux ≥ 5.80", false),
            ("Linux ≥ 5.8.1", false),
            ("Linux ≥ 15.8", false),
            ("Linux ≥ 5.9", false),
            ("on 5.8", false),
        ] {
            assert_eq!(names(text, "5.8"), named, "{text}");
        }
    }

    #[test]
    fn documentation_is_read_across_lines_and_attributes() {
        let source = "/// A thing. Linux ≥\n/// 5.8.\n#[derive(Debug)]\npub struct Thing<V> {\n";
        let items = items("thing.rs", source);
        assert_eq!(items.len(), 1);
        assert_eq!((items[0].name(), items[0].line), ("Thing", 4));
        assert_eq!(items[0].needs("5.8", "a table"), None);
        let problem = items[0].needs("5.9", "a table").unwrap();
        assert!(
            problem.starts_with("thing.rs:4: Thing is there since Linux 5.9"),
            "{problem}"
        );
    }

    #[test]
    fn calls_of_helpers_come_with_the_documentation_of_their_function() {
        let source = "/// Stops it (5.15).\npub fn cancel() {\n    // bpf_sk_assign()\n    \
                      helpers::bpf_timer_cancel(x);\n    my_bpf_snprintf();\n}\n";
        let of = |helper: &str, docs: &str| (helper.to_owned(), docs.to_owned());
        assert_eq!(
            calls("a.rs", source),
            [of("timer_cancel", "Stops it (5.15).")]
        );
        assert!(told("by hand (at once; 6.4)", "6.4"));
        assert!(!told("by hand (at once; 6.4)", "6.5"));
    }

    #[test]
    fn patterns_of_programs_are_understood() {
        let row =
            "    (ProgramType::Kprobe, None, \"uprobe\" | \"uprobe.s\") => UProbe \"uprobe\",";
        let pattern = Pattern::parse(row).unwrap();
        assert!(pattern.fits("KPROBE", "-", "uprobe.s"));
        assert!(!pattern.fits("KPROBE", "-", "kprobe"));
        assert!(!pattern.fits("KPROBE", "TRACE_UPROBE_MULTI", "uprobe"));
        let row = "(ProgramType::Lsm, Some(AttachType::LsmMac | AttachType::LsmCgroup), _) => Lsm \
                   \"lsm\",";
        let pattern = Pattern::parse(row).unwrap();
        assert!(pattern.fits("LSM", "LSM_CGROUP", "lsm_cgroup"));
        assert!(!pattern.fits("LSM", "-", "lsm"));
        assert!(Pattern::parse("let x = (1, 2);").is_none());
    }
}
