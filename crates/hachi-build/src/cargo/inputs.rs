//! Everything a build depended on, for cargo's `rerun-if-changed`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::Built;

/// Files and environment variables whose change must lead to another build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) variables: BTreeSet<String>,
}

impl Inputs {
    /// Adds those of another build.
    pub(crate) fn extend(&mut self, other: Inputs) {
        self.files.extend(other.files);
        self.variables.extend(other.variables);
    }

    /// Collects the inputs of binaries built in `output_dir` for a package in `package_dir`.
    pub(crate) fn collect(
        built: &[Built],
        output_dir: &Path,
        package_dir: &Path,
        workspace_root: &Path,
    ) -> Inputs {
        let mut inputs = Inputs::default();
        // Beside each binary cargo writes a list of all local files, of the package and its path
        // dependencies.
        for built in built {
            let text = fs::read_to_string(built.path.with_extension("d")).unwrap_or_default();
            inputs.files.extend(parse_dep_info(&text));
        }
        // The compiler's own lists also name what `env!` asked for.
        for entry in fs::read_dir(output_dir.join("deps"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "d")
            {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                inputs.variables.extend(parse_env_deps(&text));
            }
        }
        let manifests: BTreeSet<PathBuf> = inputs
            .files
            .iter()
            .filter_map(|file| manifest_of(file))
            .collect();
        inputs.files.extend(manifests);
        for name in ["Cargo.toml", "Cargo.lock"] {
            inputs.files.insert(workspace_root.join(name));
        }
        // Settings that cargo and rustup look for in the package's directory and above.
        for dir in package_dir.ancestors() {
            for name in [
                ".cargo/config.toml",
                ".cargo/config",
                "rust-toolchain.toml",
                "rust-toolchain",
            ] {
                inputs.files.insert(dir.join(name));
            }
        }
        // Cargo takes a file that is not there for one that changed.
        inputs.files.retain(|file| file.exists());
        inputs
    }
}

/// The manifest of the package that a source file belongs to.
fn manifest_of(file: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .map(|dir| dir.join("Cargo.toml"))
        .find(|manifest| manifest.is_file())
}

/// The files after the colon of `target: file file…`, where a space in a name has a backslash
/// before it.
fn parse_dep_info(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else {
            continue;
        };
        let mut name = String::new();
        let mut chars = list.chars().peekable();
        loop {
            match chars.next() {
                Some('\\') if chars.peek() == Some(&' ') => name.extend(chars.next()),
                Some(' ') | None => {
                    if !name.is_empty() {
                        files.push(PathBuf::from(std::mem::take(&mut name)));
                    }
                    if chars.peek().is_none() {
                        break;
                    }
                }
                Some(other) => name.push(other),
            }
        }
    }
    files
}

/// Variables in lines such as `# env-dep:NAME=value` or `# env-dep:NAME`, except those that cargo
/// itself sets.
fn parse_env_deps(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# env-dep:"))
        .map(|rest| rest.split('=').next().unwrap_or(rest).to_string())
        .filter(|name| !name.starts_with("CARGO") && name != "OUT_DIR")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dep_info_is_read() {
        let text = "/t/e: /p/src/main.rs /p/with\\ space/a.rs /p/back\\slash.rs\n";
        assert_eq!(
            parse_dep_info(text),
            [
                Path::new("/p/src/main.rs"),
                Path::new("/p/with space/a.rs"),
                Path::new("/p/back\\slash.rs")
            ]
        );
        assert_eq!(parse_dep_info("/t/e:\n\n# comment"), Vec::<PathBuf>::new());
        assert_eq!(parse_dep_info("/t/e: \n"), Vec::<PathBuf>::new());
    }

    #[test]
    fn env_deps_are_read() {
        let text = "a: b\n\n# env-dep:PORT=80\n# env-dep:MAYBE\n# env-dep:CARGO_PKG_NAME=x\n# \
                    env-dep:OUT_DIR=/o\n";
        assert_eq!(parse_env_deps(text), ["PORT", "MAYBE"]);
    }
}
