//! What else a project for Aya has because of its compiler: cargo's configuration, the choice of
//! a nightly toolchain, and build scripts that look for `bpf-linker`.

use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::changes::Left;

/// What becomes of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The new text, `None` when nothing is left.
    pub after: Option<String>,
    pub what: Vec<String>,
}

/// Takes out of `.cargo/config.toml` what only a nightly compiler and `bpf-linker` need.
pub fn config(
    path: &Path,
    text: &str,
    left: &mut Vec<Left>,
) -> Result<Option<Outcome>, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let mut what = Vec::new();
    if let Some(unstable) = document
        .get_mut("unstable")
        .and_then(Item::as_table_like_mut)
    {
        for key in ["build-std", "build-std-features"] {
            if unstable.remove(key).is_some() {
                what.push(format!("unstable.{key} is gone: `core` comes from Hachi"));
            }
        }
        if unstable.is_empty() {
            document.remove("unstable");
        }
    }
    if let Some(build) = document.get_mut("build").and_then(Item::as_table_like_mut) {
        if build.get("target").is_some_and(is_bpf) {
            build.remove("target");
            what.push("build.target is gone: `hachi build` sets it".into());
        }
        if build.is_empty() {
            document.remove("build");
        }
    }
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        let ours: Vec<String> = targets
            .iter()
            .filter(|(name, _)| name.starts_with("bpfel-") || name.starts_with("bpfeb-"))
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in ours {
            let flags = targets.get(&name).and_then(Item::as_table_like);
            for flag in flags.map(own_flags).unwrap_or_default() {
                left.push(Left::at(
                    path,
                    text,
                    &flag,
                    format!("the flag `{flag}` of {name} is gone; `hachi build` sets its own"),
                ));
            }
            targets.remove(&name);
            what.push(format!(
                "target.{name} is gone: `hachi build` sets what it needs"
            ));
        }
        if targets.is_empty() {
            document.remove("target");
        }
    }
    if what.is_empty() {
        return Ok(None);
    }
    let after = (!document.is_empty()).then(|| document.to_string());
    Ok(Some(Outcome { after, what }))
}

fn is_bpf(item: &Item) -> bool {
    let bpf = |text: &str| text.starts_with("bpfel") || text.starts_with("bpfeb");
    match item.as_array() {
        Some(list) => list.iter().all(|it| it.as_str().is_some_and(bpf)),
        None => item.as_str().is_some_and(bpf),
    }
}

/// Flags of a target that change more than how the compiler makes code: `--cfg` and the like.
fn own_flags(target: &dyn TableLike) -> Vec<String> {
    let Some(flags) = target.get("rustflags") else {
        return Vec::new();
    };
    let words: Vec<String> = match flags.as_array() {
        Some(list) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => flags
            .as_str()
            .unwrap_or("")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    };
    let mut own = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-C" => drop(words.next()),
            word if word.starts_with("-C") => {}
            "--cfg" => own.extend(words.next().map(|name| format!("--cfg {name}"))),
            _ => own.push(word),
        }
    }
    own
}

/// Whether a toolchain file does nothing but choose a nightly compiler.
pub fn chooses_nightly(text: &str) -> bool {
    let channel = match text.parse::<DocumentMut>() {
        Ok(document) => document
            .get("toolchain")
            .and_then(|toolchain| toolchain.as_table_like()?.get("channel")?.as_str())
            .map(str::to_owned),
        // The older form is a line with the name.
        Err(_) => text.lines().next().map(|line| line.trim().to_owned()),
    };
    channel.is_some_and(|channel| channel.starts_with("nightly"))
}

/// What a build script does, as far as Aya goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Nothing but look for `bpf-linker`, so that cargo builds again when there is another.
    FindsLinker,
    /// It calls `aya-build` with packages of `cargo_metadata`, as until 0.1.2.
    OldBuild,
    /// Something else.
    Other,
}

/// Looks at a build script.
pub fn script(text: &str) -> Script {
    let code = without_comments(text);
    if code.contains("aya_build::cargo_metadata")
        || (code.contains("aya_build::build_ebpf([ebpf_package])") && !code.contains("Toolchain"))
    {
        return Script::OldBuild;
    }
    match only_finds_linker(&code) {
        true => Script::FindsLinker,
        false => Script::Other,
    }
}

/// The code without comments and with single spaces; good enough for build scripts, whose texts
/// hold no `//` except in addresses.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        rest = rest[start..]
            .split_once("*/")
            .map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let lines = code.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn only_finds_linker(code: &str) -> bool {
    if !code.contains("bpf-linker") {
        return false;
    }
    let Some((before, body)) = code.split_once("fn main()") else {
        return false;
    };
    let Some((_, body)) = body.split_once('{') else {
        return false;
    };
    let Some((body, after)) = body.rsplit_once('}') else {
        return false;
    };
    let is_use = |statement: &str| {
        let statement = statement.trim();
        statement.is_empty() || statement.starts_with("use which::")
    };
    let is_about_linker = |statement: &str| {
        let statement = statement.trim();
        statement.is_empty()
            || statement == "Ok(())"
            || (statement.starts_with("let ") && statement.contains("\"bpf-linker\""))
            || statement.starts_with("println!(\"cargo:rerun-if-changed=")
            || statement.starts_with("println!(\"cargo::rerun-if-changed=")
    };
    before.split(';').all(is_use) && after.trim().is_empty() && body.split(';').all(is_about_linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_of(text: &str) -> (Option<Outcome>, Vec<Left>) {
        let mut left = Vec::new();
        let outcome = config(Path::new("config.toml"), text, &mut left).unwrap();
        (outcome, left)
    }

    #[test]
    fn removes_nightly_configuration_and_keeps_the_rest() {
        let (outcome, left) = config_of(
            "[build]\ntarget = [\"bpfeb-unknown-none\", \"bpfel-unknown-none\"]\n\n\
             [unstable]\nbuild-std = [\"core\"]\n",
        );
        assert_eq!(outcome.unwrap().after, None);
        assert!(left.is_empty());
        let (outcome, left) = config_of(
            "[alias]\nxtask = \"run --package xtask --\"\n\n[target.bpfel-unknown-none]\n\
             rustflags = [\"-C\", \"debuginfo=2\", \"--cfg\", \"traced\"]\n\n\
             [target.'cfg(all())']\nrunner = \"sudo -E\"\n",
        );
        assert_eq!(
            outcome.unwrap().after.unwrap(),
            "[alias]\nxtask = \"run --package xtask --\"\n\n\
             [target.'cfg(all())']\nrunner = \"sudo -E\"\n"
        );
        assert!(left[0].what.contains("--cfg traced"), "{left:?}");
        assert_eq!(config_of("[net]\noffline = true\n").0, None);
        assert_eq!(
            config_of("[build]\ntarget = \"x86_64-unknown-linux-musl\"\n").0,
            None
        );
    }

    #[test]
    fn toolchain_files_of_both_forms_are_read() {
        assert!(chooses_nightly("nightly-2023-01-01\n"));
        assert!(chooses_nightly("[toolchain]\nchannel = \"nightly\"\n"));
        assert!(!chooses_nightly("[toolchain]\nchannel = \"1.95\"\n"));
        assert!(!chooses_nightly("stable"));
    }

    #[test]
    fn build_scripts_are_recognised_by_what_they_do() {
        let finds = "use which::which;\n\n/// Words.\nfn main() {\n    \
                     let bpf_linker = which(\"bpf-linker\").unwrap();\n    \
                     println!(\"cargo:rerun-if-changed={}\", bpf_linker.to_str().unwrap());\n}\n";
        assert_eq!(script(finds), Script::FindsLinker);
        let more = finds.replace("let bpf", "std::fs::write(\"a\", \"b\").unwrap();\nlet bpf");
        assert_eq!(script(&more), Script::Other);
        let old = "use aya_build::cargo_metadata;\nfn main() {}";
        assert_eq!(script(old), Script::OldBuild);
        assert_eq!(script("fn main() {}"), Script::Other);
    }
}
