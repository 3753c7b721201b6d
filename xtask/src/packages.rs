//! The crates of the workspace, as `cargo metadata` tells them.

use crate::shell::{Result, capture, cargo, root};
use std::collections::HashMap;
use std::path::PathBuf;
use tinyjson::JsonValue;

/// A crate of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// The directory of its manifest.
    pub dir: PathBuf,
    /// Users depend on it: it is not `publish = false`.
    pub is_published: bool,
    /// It is a library, or a crate of procedural macros.
    pub is_library: bool,
    pub license: String,
    /// The manifest's fields that are texts and not empty, by name.
    pub texts: HashMap<String, String>,
    /// Numbers of keywords and categories.
    pub keywords: usize,
    pub categories: usize,
    /// `[package.metadata.docs.rs]` says what documentation to make.
    pub has_docs_metadata: bool,
    /// Its dependencies on other crates of the workspace.
    pub dependencies: Vec<Dependency>,
}

/// A crate's dependency on another crate of the workspace.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub name: String,
    /// The version it asks for, `*` for any.
    pub requirement: String,
    /// For tests and examples only.
    pub is_dev: bool,
}

impl Package {
    /// `name-version`, as the package's directory and file are called.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// All crates of the workspace, by name.
pub fn read() -> Result<Vec<Package>> {
    let mut metadata = cargo(root());
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let document: JsonValue = capture(&mut metadata)?.parse()?;
    let mut packages = list(&document, "packages")
        .iter()
        .map(package)
        .collect::<Option<Vec<_>>>()
        .ok_or("`cargo metadata` answers in an unknown form")?;
    let names: Vec<String> = packages
        .iter()
        .map(|package| package.name.clone())
        .collect();
    for package in &mut packages {
        // A crate may name itself, to have more features in its own tests.
        let itself = package.name.clone();
        package
            .dependencies
            .retain(|dependency| names.contains(&dependency.name) && dependency.name != itself);
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The crates that users depend on, each after those it depends on; otherwise by name.
pub fn release_order(packages: &[Package]) -> Result<Vec<&Package>> {
    let mut left: Vec<&Package> = packages
        .iter()
        .filter(|package| package.is_published)
        .collect();
    let mut order: Vec<&Package> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|package| {
            let mut needed = package.dependencies.iter().filter(|needed| !needed.is_dev);
            needed.all(|needed| order.iter().any(|done| done.name == needed.name))
        });
        match ready {
            Some(at) => order.push(left.remove(at)),
            None => {
                let names: Vec<&str> = left.iter().map(|package| package.name.as_str()).collect();
                let names = names.join(", ");
                return Err(format!(
                    "no release order: {names} depend on each other, or on a crate that is not \
                     published"
                )
                .into());
            }
        }
    }
    Ok(order)
}

fn package(value: &JsonValue) -> Option<Package> {
    let text = |name: &str| text(value, name);
    let kinds: Vec<String> = list(value, "targets")
        .iter()
        .flat_map(|target| list(target, "kind"))
        .filter_map(|kind| kind.get::<String>().cloned())
        .collect();
    let dependencies = list(value, "dependencies")
        .iter()
        .map(|dependency| {
            Some(Dependency {
                name: self::text(dependency, "name")?,
                requirement: self::text(dependency, "req")?,
                is_dev: self::text(dependency, "kind").as_deref() == Some("dev"),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let fields = [
        "description",
        "readme",
        "repository",
        "homepage",
        "documentation",
    ];
    let texts = fields
        .into_iter()
        .chain(["rust_version"])
        .filter_map(|name| Some((name.to_owned(), text(name)?)));
    let docs = member(value, "metadata").and_then(|metadata| member(metadata, "docs"));
    Some(Package {
        name: text("name")?,
        version: text("version")?,
        dir: PathBuf::from(text("manifest_path")?).parent()?.to_owned(),
        // `null` allows every registry, an empty list none.
        is_published: member(value, "publish").is_none_or(|value| matches!(value, JsonValue::Null)),
        is_library: kinds
            .iter()
            .any(|kind| kind == "lib" || kind == "proc-macro"),
        license: text("license").unwrap_or_default(),
        texts: texts.collect(),
        keywords: list(value, "keywords").len(),
        categories: list(value, "categories").len(),
        has_docs_metadata: docs.and_then(|docs| member(docs, "rs")).is_some(),
        dependencies,
    })
}

fn member<'a>(value: &'a JsonValue, name: &str) -> Option<&'a JsonValue> {
    value.get::<HashMap<String, JsonValue>>()?.get(name)
}

fn text(value: &JsonValue, name: &str) -> Option<String> {
    let text = member(value, name)?.get::<String>()?;
    (!text.is_empty()).then(|| text.clone())
}

fn list<'a>(value: &'a JsonValue, name: &str) -> &'a [JsonValue] {
    member(value, name)
        .and_then(|value| value.get::<Vec<JsonValue>>())
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A crate with nothing but a name and dependencies, a leading `~` for those of tests.
    pub fn named(name: &str, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|name| Dependency {
            name: name.trim_start_matches('~').to_owned(),
            requirement: "^0.1.0".to_owned(),
            is_dev: name.starts_with('~'),
        });
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            dir: PathBuf::new(),
            is_published: true,
            is_library: true,
            license: "MIT OR Apache-2.0".to_owned(),
            texts: HashMap::new(),
            keywords: 1,
            categories: 1,
            has_docs_metadata: true,
            dependencies: dependencies.collect(),
        }
    }

    fn order(packages: &[Package]) -> Result<Vec<&str>> {
        let order = release_order(packages)?;
        Ok(order.iter().map(|package| package.name.as_str()).collect())
    }

    #[test]
    fn a_crate_is_released_after_its_dependencies() {
        let packages = [
            named("a", &["c"]),
            named("b", &["a"]),
            named("c", &["~b"]),
            named("d", &[]),
        ];
        assert_eq!(order(&packages).unwrap(), ["c", "a", "b", "d"]);
    }

    #[test]
    fn crates_that_depend_on_each_other_have_no_order() {
        let circle = [named("a", &["b"]), named("b", &["a"]), named("c", &[])];
        let error = order(&circle).unwrap_err().to_string();
        assert!(error.contains("order: a, b depend"), "{error}");
    }

    #[test]
    fn a_published_crate_cannot_depend_on_one_that_is_not() {
        let mut inner = named("inner", &[]);
        inner.is_published = false;
        assert!(order(&[inner, named("outer", &["inner"])]).is_err());
    }

    #[test]
    fn this_workspace_is_read() {
        let packages = read().unwrap();
        let xtask = packages
            .iter()
            .find(|package| package.name == "xtask")
            .unwrap();
        assert!(!xtask.is_published && xtask.dir.ends_with("xtask"));
        let hachi = packages
            .iter()
            .find(|package| package.name == "hachi")
            .unwrap();
        assert!(hachi.is_published && hachi.is_library && hachi.has_docs_metadata);
        assert!(hachi.keywords > 0 && hachi.categories > 0);
        let names: Vec<&str> = hachi.dependencies.iter().map(|d| d.name.as_str()).collect();
        assert!(
            names.contains(&"hachi-obj") && !names.contains(&"libc"),
            "{names:?}"
        );
    }
}
