//! What is pinned already: the versions of an application, and its links.
//!
//! ```text
//! DIRECTORY/NAME/maps/MAP            shared by all versions
//!                v1f…/PROGRAM        one directory for each version
//!                links/PROGRAM-if3   one for each program and target
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hachi::links::PinnedLink;
use hachi::programs::ProgramInfo;

/// The directory of an application.
#[derive(Debug, Clone)]
pub struct Pins {
    path: PathBuf,
}

/// What is in it.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    /// The versions, with the ids of their programs.
    pub versions: BTreeMap<String, BTreeMap<String, u32>>,
    /// The links by the name of their pin, with the id of the program that each runs; `None` for a
    /// link that is not readable.
    pub links: BTreeMap<String, Option<u32>>,
}

impl Pins {
    /// Those of an application, under the directory of all.
    pub fn of(directory: &Path, application: &str) -> Pins {
        Pins {
            path: directory.join(application),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where maps are pinned.
    pub fn maps(&self) -> PathBuf {
        self.path.join("maps")
    }

    /// Where links are pinned.
    pub fn links(&self) -> PathBuf {
        self.path.join("links")
    }

    /// Where a version's programs are pinned.
    pub fn version(&self, version: &str) -> PathBuf {
        self.path.join(version)
    }

    /// Where a program of a version is pinned.
    pub fn program(&self, version: &str, program: &str) -> PathBuf {
        self.version(version).join(pin_name(program))
    }

    /// What is there now.
    pub fn read(&self) -> io::Result<Pinned> {
        let mut pinned = Pinned::default();
        for name in names(&self.path)? {
            if !name.starts_with('v') {
                continue;
            }
            let mut programs = BTreeMap::new();
            for program in names(&self.version(&name))? {
                let path = self.version(&name).join(&program);
                let info = ProgramInfo::from_pin(&path).map_err(io::Error::other)?;
                programs.insert(program, info.id());
            }
            pinned.versions.insert(name, programs);
        }
        for name in names(&self.links())? {
            let path = self.links().join(&name);
            let link = PinnedLink::from_pin(&path).map_err(io::Error::other)?;
            let id = program_of(&link);
            pinned.links.insert(name, id);
        }
        Ok(pinned)
    }

    /// The names of the applications that have pins.
    pub fn applications(directory: &Path) -> io::Result<BTreeSet<String>> {
        Ok(names(directory)?.into_iter().collect())
    }
}

/// The program that a link runs.
pub fn program_of(link: &PinnedLink) -> Option<u32> {
    let hachi::links::OwnedLink::Fd(link) = link.link() else {
        return None;
    };
    link.info().ok().map(|info| info.program_id())
}

/// The name of a link's pin.
pub fn link_name(program: &str, target: &super::Target) -> String {
    format!("{}-{}", pin_name(program), target.key())
}

/// What a program or map is called in a BPF file system, where names must not have dots. A name
/// that cannot be one at all is left to the file system to refuse.
pub fn pin_name(name: &str) -> String {
    hachi::pin::file_name(name).unwrap_or_else(|_| name.to_owned())
}

/// What is in a directory; nothing if there is none.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // bpffs has no names that are not UTF-8 but those that others gave.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
