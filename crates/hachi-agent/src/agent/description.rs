//! Descriptions, as they are written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Result;
use super::error::{Error, Position, Problem, near};
use crate::image::read_file;

/// No description is as large.
const LARGEST: u64 = 16 << 20;

/// Everything that a machine is to run.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The applications, in the order of the files and in them.
    pub applications: Vec<Application>,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    application: Vec<Application>,
}

/// One application: an object, and what its programs are attached to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Application {
    /// Its name, which is also that of its directory of pins.
    pub name: String,
    /// The object, if it is a file: relative to the description.
    #[serde(default)]
    pub object: Option<PathBuf>,
    /// The object, if it is in an image of the store.
    #[serde(default)]
    pub image: Option<String>,
    /// The public key that must have signed the image.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The programs of the object that are loaded and attached; all without it.
    #[serde(default)]
    pub programs: Option<Vec<String>>,
    /// The interfaces, by name or pattern (`eth*`).
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// The cgroups, as paths or patterns.
    #[serde(default)]
    pub cgroups: Vec<String>,
    /// Which way classifiers look whose section does not say.
    #[serde(default)]
    pub direction: Direction,
    /// Where XDP programs run.
    #[serde(default)]
    pub mode: Mode,
    /// Values of global variables.
    #[serde(default)]
    pub globals: BTreeMap<String, Value>,
    /// How to tell that a new version is well.
    #[serde(default)]
    pub health: Option<Health>,
    /// The file it stands in.
    #[serde(skip)]
    pub file: PathBuf,
}

/// Which packets a classifier sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// What the interface receives.
    #[default]
    Ingress,
    /// What the interface sends.
    Egress,
}

/// Where an XDP program runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// In the driver if it can, else in the generic path.
    #[default]
    Auto,
    /// In the generic path.
    Skb,
    /// In the driver.
    Drv,
}

/// The value of a global variable.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Text, which ends with a zero byte if the variable is larger.
    Text(String),
}

/// A command that tells whether a new version is well: it ends with 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Health {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// After how many seconds it has failed.
    #[serde(default = "ten")]
    pub seconds: u64,
}

fn ten() -> u64 {
    10
}

impl Description {
    /// Reads a file, or all `.toml`, `.yaml` and `.yml` files of a directory in the order of their
    /// names.
    ///
    /// # Errors
    /// Names the file, the line and the column; and the key that was meant, where one is near.
    pub fn read(path: &Path) -> Result<Description> {
        let files = files(path)?;
        let mut description = Description::default();
        let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in files {
            for mut application in read_one(&file)? {
                if let Some(other) = seen.insert(application.name.clone(), file.clone()) {
                    return Err(Error::SameName {
                        name: application.name,
                        path: file,
                        other,
                    });
                }
                application.file = file.clone();
                application.check()?;
                description.applications.push(application);
            }
            description.files.push(file);
        }
        Ok(description)
    }
}

impl Application {
    fn check(&self) -> Result<()> {
        let problem = if self.name.is_empty() || !self.name.chars().all(is_of_a_name) {
            Problem::Name
        } else if self.object.is_some() == self.image.is_some() {
            Problem::Source
        } else if self.key.is_some() && self.image.is_none() {
            Problem::KeyWithoutImage
        } else {
            return Ok(());
        };
        Err(self.problem(problem))
    }

    pub(super) fn problem(&self, problem: Problem) -> Error {
        Error::Application {
            application: self.name.clone(),
            problem,
        }
    }

    /// A path of the description, which is relative to its file.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::Read {
        path: path.to_owned(),
        error,
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("toml" | "yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Error::NoFiles {
            path: path.to_owned(),
        }),
        false => Ok(files),
    }
}

fn read_one(path: &Path) -> Result<Vec<Application>> {
    let bytes = read_file(path, LARGEST).map_err(|error| match error {
        crate::image::Error::File { path, error, .. } => Error::Read { path, error },
        other => Error::Read {
            path: path.to_owned(),
            error: std::io::Error::other(other.to_string()),
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        syntax(
            path,
            position(&String::from_utf8_lossy(good)),
            "this is not UTF-8",
        )
    })?;
    let is_yaml = path
        .extension()
        .is_some_and(|extension| extension != "toml");
    let file: File = match is_yaml {
        true => serde_saphyr::from_str(&text).map_err(|error| {
            let error = error.without_snippet();
            let at = error
                .location()
                .map_or(Position { line: 1, column: 1 }, |at| Position {
                    line: usize::try_from(at.line()).unwrap_or(1),
                    column: usize::try_from(at.column()).unwrap_or(1),
                });
            syntax(path, at, &error.to_string())
        }),
        false => toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(&text);
            syntax(path, position(before), error.message())
        }),
    }?;
    Ok(file.application)
}

/// Where a text ends.
fn position(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

fn syntax(path: &Path, position: Position, message: &str) -> Error {
    let first = message.lines().next().unwrap_or_default();
    // The place is said already.
    let first = first.split(" at line ").next().unwrap_or_default();
    Error::Syntax {
        path: path.to_owned(),
        position,
        message: first.to_owned(),
        near: meant(first),
    }
}

/// The key that was meant, of those that serde says there are.
fn meant(message: &str) -> Option<String> {
    let (name, keys) = message
        .strip_prefix("unknown field ")?
        .split_once(", expected ")?;
    let keys = keys.strip_prefix("one of ").unwrap_or(keys).split(", ");
    let bare = |name: &str| name.trim_matches('`').to_owned();
    let keys: Vec<String> = keys.map(bare).collect();
    near(&bare(name), keys.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Description> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        Description::read(&path)
    }

    #[test]
    fn toml_and_yaml_say_the_same() {
        let toml = "[[application]]\nname = \"a\"\nobject = \"a.o\"\ninterfaces = [\"eth*\"]\n\
                    [application.globals]\nLIMIT = 3\nON = true\n";
        let yaml = "application:\n- name: a\n  object: a.o\n  interfaces: ['eth*']\n  globals:\n\
                    \x20   LIMIT: 3\n    ON: true\n";
        let (mut toml, mut yaml) = (read("d.toml", toml).unwrap(), read("d.yaml", yaml).unwrap());
        for description in [&mut toml, &mut yaml] {
            description.applications[0].file = PathBuf::new();
            description.files.clear();
        }
        assert_eq!(toml, yaml);
        assert_eq!(toml.applications[0].globals["LIMIT"], Value::Integer(3));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_one_that_was_meant() {
        for (name, text, place) in [
            (
                "d.toml",
                "[[application]]\nname = \"a\"\n\nintefaces = []\n",
                ":4:1: ",
            ),
            (
                "d.yaml",
                "application:\n- name: a\n  intefaces: []\n",
                ":3:3: ",
            ),
        ] {
            let error = read(name, text).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(place), "{message}");
            assert!(message.contains("intefaces"), "{message}");
            assert_eq!(error.help().unwrap(), "is it `interfaces`?");
        }
    }

    #[test]
    fn refuses_applications_that_cannot_be_meant() {
        for (keys, words) in [
            ("name = \"a\"", "either `object` or `image`"),
            (
                "name = \"a\"\nobject = \"o\"\nimage = \"i\"",
                "either `object` or `image`",
            ),
            ("name = \"a/b\"\nobject = \"o\"", "a name has"),
            (
                "name = \"a\"\nobject = \"o\"\nkey = \"k\"",
                "`key` is for images",
            ),
        ] {
            let error = read("d.toml", &format!("[[application]]\n{keys}\n")).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_names_and_names_are_unique() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, name: &str| {
            let text = format!("[[application]]\nname = \"{name}\"\nobject = \"o\"\n");
            fs::write(directory.path().join(file), text).unwrap();
        };
        write("20-b.toml", "b");
        write("10-a.toml", "a");
        fs::write(directory.path().join("notes.txt"), "not read").unwrap();
        let description = Description::read(directory.path()).unwrap();
        let names: Vec<&str> = description
            .applications
            .iter()
            .map(|a| a.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        write("30-c.toml", "a");
        let error = Description::read(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("30-c.toml") && error.contains("10-a.toml"),
            "{error}"
        );
    }
}
