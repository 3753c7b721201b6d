//! Manifests: dependencies on Aya's crates become dependencies on the façades.

use std::path::Path;

use hachi_build::Origin;
use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value};

use super::changes::Left;
use super::facades::{Facade, Verdict, verdict};
use super::shape::Shape;

/// A manifest that is being rewritten.
pub struct Manifest<'a> {
    pub path: &'a Path,
    pub text: &'a str,
    document: DocumentMut,
    pub what: Vec<String>,
    pub left: Vec<Left>,
}

/// How the new dependencies are written.
pub struct Style<'a> {
    pub origin: &'a Origin,
    /// The shape of Aya that this manifest's project was written for.
    pub shape: Shape,
    /// Its build script speaks to `aya-build` of before 0.1.3, which takes cargo's own packages.
    pub old_build: bool,
}

/// Keys of a dependency that say where it comes from.
const PLACE: [&str; 10] = [
    "version",
    "path",
    "git",
    "branch",
    "tag",
    "rev",
    "registry",
    "registry-index",
    "base",
    "public",
];

/// What a dependency asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The requirement, if it has one.
    pub version: Option<String>,
    /// Whether it comes from a repository, whose version the lock file tells.
    pub git: bool,
    /// The tag in that repository.
    pub tag: Option<String>,
}

impl<'a> Manifest<'a> {
    /// Parses a manifest; an error says where it is malformed.
    pub fn parse(path: &'a Path, text: &'a str) -> Result<Self, toml_edit::TomlError> {
        Ok(Manifest {
            path,
            text,
            document: text.parse()?,
            what: Vec::new(),
            left: Vec::new(),
        })
    }

    /// The manifest's new text.
    pub fn finish(&self) -> String {
        self.document.to_string()
    }

    /// Whether it is the root of a workspace.
    pub fn is_workspace(&self) -> bool {
        self.document.contains_key("workspace")
    }

    /// What the dependencies on `aya` ask for, except those that the workspace decides.
    pub fn asked(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        each_dependency(&mut self.document, &mut |name, item| {
            let package = package(name, item);
            if !matches!(verdict(&package), Verdict::Replace(it) if it.package == "hachi-aya") {
                return;
            }
            match item.as_table_like() {
                None => asked.push(Asked {
                    version: item.as_str().map(str::to_owned),
                    git: false,
                    tag: None,
                }),
                Some(table) if is_inherited(table) => {}
                Some(table) => {
                    let text = |key| table.get(key).and_then(Item::as_str).map(str::to_owned);
                    asked.push(Asked {
                        version: text("version"),
                        git: table.contains_key("git"),
                        tag: text("tag"),
                    });
                }
            }
        });
        asked
    }

    /// Whether it depends on any of Aya's crates or of the façades.
    pub fn is_concerned(&mut self) -> bool {
        let mut concerned = false;
        each_dependency(&mut self.document, &mut |name, item| {
            concerned |= !matches!(verdict(&package(name, item)), Verdict::Foreign);
        });
        concerned
    }

    /// Names under which the workspace's crates of Aya's are inherited here.
    pub fn inherited(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        each_dependency(&mut self.document, &mut |name, item| {
            let aya = matches!(verdict(name), Verdict::Replace(_) | Verdict::Without(_));
            if aya && item.as_table_like().is_some_and(is_inherited) {
                names.push(name.to_owned());
            }
        });
        names
    }

    /// Puts the façades in the place of Aya's crates.
    pub fn rename(&mut self, style: &Style<'_>) {
        let Manifest {
            path,
            text,
            document,
            what,
            left,
        } = self;
        each_dependency(document, &mut |name, item| {
            let package = package(name, item);
            match verdict(&package) {
                Verdict::Foreign | Verdict::Done => {}
                Verdict::Without(instead) => {
                    left.push(Left::at(
                        path,
                        text,
                        name,
                        format!("nothing of Hachi's stands in for `{package}`: {instead}"),
                    ));
                }
                Verdict::Replace(facade) => {
                    let dropped = rename(item, facade, style);
                    if item.as_table_like().is_some_and(is_inherited) && dropped.is_empty() {
                        return;
                    }
                    what.push(format!("{package} is {}", facade.package));
                    for feature in dropped {
                        left.push(Left::at(
                            path,
                            text,
                            name,
                            format!(
                                "the feature `{feature}` of `{package}` is gone: {} has none \
                                 of that name",
                                facade.package
                            ),
                        ));
                    }
                }
            }
        });
        self.unpatch();
        self.rename_features();
    }

    /// Removes patches of Aya's crates, which would no longer be used.
    fn unpatch(&mut self) {
        let mut gone = Vec::new();
        let mut clear = |table: &mut dyn TableLike| {
            let names: Vec<String> = table
                .iter()
                .filter(|(name, item)| {
                    let name = package(name.split(':').next().unwrap_or(name), item);
                    matches!(verdict(&name), Verdict::Replace(_) | Verdict::Without(_))
                })
                .map(|(name, _)| name.to_owned())
                .collect();
            for name in names {
                table.remove(&name);
                gone.push(format!("the patch of {name} is gone"));
            }
        };
        if let Some(sources) = self
            .document
            .get_mut("patch")
            .and_then(Item::as_table_like_mut)
        {
            for (_, source) in sources.iter_mut() {
                if let Some(source) = source.as_table_like_mut() {
                    clear(source);
                }
            }
            let empty: Vec<String> = sources
                .iter()
                .filter(|(_, item)| item.as_table_like().is_some_and(|it| it.is_empty()))
                .map(|(name, _)| name.to_owned())
                .collect();
            for name in empty {
                sources.remove(&name);
            }
            if sources.is_empty() {
                self.document.remove("patch");
            }
        }
        if let Some(table) = self
            .document
            .get_mut("replace")
            .and_then(Item::as_table_like_mut)
        {
            clear(table);
            if table.is_empty() {
                self.document.remove("replace");
            }
        }
        self.what.append(&mut gone);
    }

    /// Takes features that the façades do not have out of this package's own.
    fn rename_features(&mut self) {
        let Some(features) = self
            .document
            .get_mut("features")
            .and_then(Item::as_table_like_mut)
        else {
            return;
        };
        for (_, list) in features.iter_mut() {
            let Some(list) = list.as_array_mut() else {
                continue;
            };
            list.retain(|value| {
                let Some((name, feature)) = value.as_str().and_then(|it| it.split_once('/')) else {
                    return true;
                };
                let known = match verdict(name.trim_end_matches('?')) {
                    Verdict::Replace(facade) => facade.features.contains(&feature),
                    _ => true,
                };
                if !known {
                    self.left.push(Left::at(
                        self.path,
                        self.text,
                        &format!("{name}/{feature}"),
                        format!("the feature `{name}/{feature}` is gone: Hachi has none like it"),
                    ));
                }
                known
            });
        }
    }

    /// Removes a build dependency; `false` when there is none.
    pub fn remove_build_dependency(&mut self, name: &str) -> bool {
        let Some(table) = self
            .document
            .get_mut("build-dependencies")
            .and_then(Item::as_table_like_mut)
        else {
            return false;
        };
        let removed = table.remove(name).is_some();
        if table.is_empty() {
            self.document.remove("build-dependencies");
        }
        if removed {
            self.what
                .push(format!("the build dependency {name} is gone"));
        }
        removed
    }

    /// Forgets the build script `file`, which is gone.
    pub fn remove_build_script(&mut self, file: &str) {
        if let Some(package) = self
            .document
            .get_mut("package")
            .and_then(Item::as_table_like_mut)
            && package.get("build").and_then(Item::as_str) == Some(file)
        {
            package.remove("build");
        }
    }

    /// The build script's path, from the manifest's directory on.
    pub fn build_script(&self) -> &str {
        let package = self.document.get("package").and_then(Item::as_table_like);
        let script = package
            .and_then(|package| package.get("build"))
            .and_then(Item::as_str);
        script.unwrap_or("build.rs")
    }
}

/// The package that a dependency is on.
fn package(name: &str, item: &Item) -> String {
    let table = item.as_table_like();
    let package = table
        .and_then(|table| table.get("package"))
        .and_then(Item::as_str);
    package.unwrap_or(name).to_owned()
}

fn is_inherited(table: &dyn TableLike) -> bool {
    table.get("workspace").and_then(Item::as_bool) == Some(true)
}

/// Calls `act` with the name and the value of each dependency.
fn each_dependency(document: &mut DocumentMut, act: &mut dyn FnMut(&str, &mut Item)) {
    const KINDS: [&str; 5] = [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "dev_dependencies",
        "build_dependencies",
    ];
    let mut tables_in = |table: &mut dyn TableLike| {
        for kind in KINDS {
            if let Some(list) = table.get_mut(kind).and_then(Item::as_table_like_mut) {
                for (name, item) in list.iter_mut() {
                    act(name.get(), item);
                }
            }
        }
    };
    tables_in(document.as_table_mut());
    if let Some(workspace) = document
        .get_mut("workspace")
        .and_then(Item::as_table_like_mut)
    {
        tables_in(workspace);
    }
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            if let Some(target) = target.as_table_like_mut() {
                tables_in(target);
            }
        }
    }
}

/// Points a dependency at the façade. Returns the features that it does not have.
fn rename(item: &mut Item, facade: &Facade, style: &Style<'_>) -> Vec<String> {
    let inherited = item.as_table_like().is_some_and(is_inherited);
    let mut dropped = Vec::new();
    let mut wanted: Vec<&str> = Vec::new();
    if facade.package == "hachi-aya" && style.shape == Shape::V0_13 {
        wanted.push("v0_13");
    }
    if facade.package == "hachi-aya-build" && style.old_build {
        wanted.push("v0_1");
    }
    // As cargo writes it: `{ path = "…" }` or `{ version = "…" }`.
    let place: Value = style
        .origin
        .dependency(facade.package, "")
        .parse()
        .unwrap_or_else(|_| Value::InlineTable(InlineTable::new()));
    let place: Vec<(String, Value)> = place
        .as_inline_table()
        .into_iter()
        .flat_map(InlineTable::iter)
        .map(|(key, value)| (key.to_owned(), value.clone().decorated(" ", "")))
        .collect();
    if let Some(table) = item.as_table_like_mut() {
        if let Some(features) = table.get_mut("features").and_then(Item::as_array_mut) {
            features.retain(|feature| {
                let known = feature
                    .as_str()
                    .is_none_or(|it| facade.features.contains(&it));
                if !known {
                    dropped.extend(feature.as_str().map(str::to_owned));
                }
                known
            });
            if features.is_empty() {
                table.remove("features");
            }
        }
        if inherited {
            return dropped;
        }
    }
    match item {
        // `[dependencies.aya]`
        Item::Table(table) => {
            for key in PLACE {
                table.remove(key);
            }
            table.insert("package", toml_edit::value(facade.package));
            for (key, value) in place {
                table.insert(&key, Item::Value(value));
            }
            add_features(table, &wanted);
        }
        Item::Value(value) => {
            let decor = value.decor().clone();
            let mut table = InlineTable::new();
            table.insert("package", facade.package.into());
            for (key, value) in place {
                table.insert(&key, value);
            }
            if let Some(old) = value.as_inline_table() {
                for (key, value) in old.iter() {
                    if !PLACE.contains(&key) && key != "package" {
                        table.insert(key, value.clone().decorated(" ", ""));
                    }
                }
            }
            add_features(&mut table, &wanted);
            table.fmt();
            *value = Value::InlineTable(table);
            *value.decor_mut() = decor;
        }
        _ => {}
    }
    dropped
}

fn add_features(table: &mut dyn TableLike, wanted: &[&str]) {
    if wanted.is_empty() {
        return;
    }
    let has = |list: &Array, wanted: &str| list.iter().any(|it| it.as_str() == Some(wanted));
    match table.get_mut("features").and_then(Item::as_array_mut) {
        Some(list) => {
            for feature in wanted {
                if !has(list, feature) {
                    list.push(*feature);
                }
            }
        }
        None => {
            let list: Array = wanted.iter().copied().collect();
            table.insert("features", toml_edit::value(list));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(text: &str, shape: Shape) -> (String, Vec<Left>) {
        let mut manifest = Manifest::parse(Path::new("Cargo.toml"), text).unwrap();
        manifest.rename(&Style {
            origin: &Origin::Registry,
            shape,
            old_build: false,
        });
        let version = env!("CARGO_PKG_VERSION");
        let text = manifest
            .finish()
            .replace(&format!("version = \"={version}\""), "HERE");
        (text, manifest.left)
    }

    #[test]
    fn every_form_of_a_dependency_is_rewritten_in_its_place() {
        let (text, left) = migrated(
            r#"[package]
name = "x" # kept

[dependencies]
anyhow = "1"
# Also kept.
aya = "0.14" # and this
aya-log = { version = "0.3", optional = true }
aya-bpf = { git = "https://github.com/aya-rs/aya", branch = "main", default-features = false }
other = { package = "aya-ebpf", version = "0.2" }
network-types = "0.1"

[dependencies.aya-log-ebpf]
git = "https://github.com/aya-rs/aya"
rev = "0123456"
optional = true

[target.'cfg(target_os = "linux")'.dependencies]
aya = { workspace = true }

[patch.crates-io]
aya = { path = "../aya" }

[features]
user = ["aya", "aya-log?/nothing"]
"#,
            Shape::Current,
        );
        assert_eq!(
            text,
            r#"[package]
name = "x" # kept

[dependencies]
anyhow = "1"
# Also kept.
aya = { package = "hachi-aya", HERE } # and this
aya-log = { package = "hachi-aya-log", HERE, optional = true }
aya-bpf = { package = "hachi-aya-ebpf", HERE, default-features = false }
other = { package = "hachi-aya-ebpf", HERE }
network-types = "0.1"

[dependencies.aya-log-ebpf]
optional = true
package = "hachi-aya-log-ebpf"
HERE

[target.'cfg(target_os = "linux")'.dependencies]
aya = { workspace = true }

[features]
user = ["aya"]
"#
        );
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(
            left[0].what.contains("aya-log?/nothing") && left[0].line == 25,
            "{left:?}"
        );
    }

    #[test]
    fn features_are_kept_added_or_reported() {
        let (text, left) = migrated(
            "[workspace.dependencies]\n\
             aya = { version = \"0.12\", features = [\"async_tokio\", \"odd\"] }\n",
            Shape::V0_13,
        );
        assert_eq!(
            text,
            "[workspace.dependencies]\n\
             aya = { package = \"hachi-aya\", HERE, features = [\"async_tokio\", \"v0_13\"] }\n"
        );
        assert!(left[0].what.contains("`odd`"), "{left:?}");
        let (again, left) = migrated(&text.replace("HERE", "version = \"=0.1.0\""), Shape::V0_13);
        assert!(
            again.contains("[\"async_tokio\", \"v0_13\"]") && left.is_empty(),
            "{again}"
        );
    }

    #[test]
    fn crates_without_a_replacement_are_reported() {
        let (text, left) = migrated(
            "[dependencies]\naya-ebpf-macros = \"0.1\"\n",
            Shape::Current,
        );
        assert_eq!(text, "[dependencies]\naya-ebpf-macros = \"0.1\"\n");
        assert!(
            left[0].line == 2 && left[0].what.contains("aya_ebpf::macros"),
            "{left:?}"
        );
    }
}
