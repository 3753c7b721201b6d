//! The compilers of this machine.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Search, Version};
use crate::{
    Error, Obstacle, Remedy, Target,
    cache::setting,
    obstacle::GET_RUSTUP,
    process::{in_path, last_words, output},
};

/// The oldest compiler that is supported, which is what the manifests say.
pub(super) const OLDEST: (u32, u32) = oldest(env!("CARGO_PKG_RUST_VERSION"));

/// The two numbers of a version such as `1.95`.
const fn oldest(version: &str) -> (u32, u32) {
    let (bytes, mut numbers, mut at, mut i) = (version.as_bytes(), [0, 0], 0, 0);
    while i < bytes.len() && at < 2 {
        match bytes[i] {
            digit @ b'0'..=b'9' => numbers[at] = numbers[at] * 10 + (digit - b'0') as u32,
            _ => at += 1,
        }
        i += 1;
    }
    (numbers[0], numbers[1])
}

/// A Rust compiler that answers.
#[derive(Debug, Clone)]
pub(super) struct Compiler {
    /// The compiler itself; not rustup's proxy, which would choose another one in another
    /// directory.
    pub(super) rustc: PathBuf,
    pub(super) sysroot: PathBuf,
    pub(super) version: Version,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rustc {} ({})",
            self.version.release,
            self.rustc.display()
        )
    }
}

impl Version {
    fn parse(text: &str) -> Option<Version> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_string)
        };
        let release = field("release")?;
        let mut numbers = release
            .split(['.', '-'])
            .map_while(|part| part.parse().ok());
        let number = (numbers.next()?, numbers.next()?);
        Some(Version {
            number,
            host: field("host")?,
            llvm: field("LLVM version").unwrap_or_else(|| "unknown".into()),
            release,
            text: text.to_string(),
        })
    }

    /// The commit the compiler was made from, when it tells.
    pub(super) fn commit(&self) -> Option<&str> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "))
            .filter(|hash| *hash != "unknown")
    }
}

impl Compiler {
    /// Asks the program `rustc`, started in `dir`, who it is.
    fn ask(rustc: &Path, dir: &Path) -> Result<Compiler, Obstacle> {
        let run = |arguments: &[&str]| {
            let mut command = command(rustc);
            command.args(arguments).current_dir(dir);
            let output = output(&mut command)?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            } else {
                Err(Obstacle::CompilerFails {
                    rustc: rustc.into(),
                    output: last_words(&output),
                })
            }
        };
        let version = Version::parse(&run(&["-vV"])?).ok_or_else(|| Obstacle::NotACompiler {
            program: rustc.into(),
        })?;
        let sysroot = PathBuf::from(run(&["--print", "sysroot"])?.trim());
        let real = sysroot.join("bin/rustc");
        let rustc = if is_rustup_proxy(rustc) && real.is_file() {
            real
        } else if rustc.components().count() == 1 {
            in_path(&rustc.to_string_lossy()).unwrap_or_else(|| rustc.into())
        } else {
            std::path::absolute(rustc).unwrap_or_else(|_| rustc.into())
        };
        Ok(Compiler {
            rustc,
            sysroot,
            version,
        })
    }

    /// The compiler that a plain `cargo build` of the package would use, or the one named.
    pub(super) fn active(search: &Search) -> Result<Compiler, Error> {
        let dir = search.dir();
        let named = search
            .rustc
            .clone()
            .or_else(|| setting("HACHI_RUSTC").map(PathBuf::from));
        // Relative to where we are, not to the package.
        let named = named.map(|rustc| match rustc.components().count() {
            1 => rustc,
            _ => std::path::absolute(&rustc).unwrap_or(rustc),
        });
        let explicit = named.is_some();
        let candidates = match named {
            Some(rustc) => vec![rustc],
            None => setting("RUSTC")
                .map(PathBuf::from)
                .into_iter()
                .chain([PathBuf::from("rustc")])
                .chain(cargo_home().map(|home| home.join("bin/rustc")))
                .chain([PathBuf::from("/usr/bin/rustc")])
                .collect(),
        };
        let mut tried: Vec<Obstacle> = Vec::new();
        let mut is_old = false;
        for rustc in candidates {
            let obstacle = match Compiler::ask(&rustc, &dir) {
                Ok(found) if found.version.number >= OLDEST => return Ok(found),
                Ok(found) => {
                    is_old = true;
                    Obstacle::OldCompiler {
                        rustc,
                        release: found.version.release,
                        oldest: OLDEST,
                    }
                }
                Err(obstacle) => obstacle,
            };
            // One compiler may be found by several names.
            let text = obstacle.to_string();
            if tried.iter().all(|known| known.to_string() != text) {
                tried.push(obstacle);
            }
        }
        let help = if explicit {
            Remedy::NameCompiler
        } else if is_old && rustup().is_some() {
            Remedy::Run("rustup update stable".to_owned())
        } else if rustup().is_some() {
            Remedy::RunInPackage("rustup toolchain install".to_owned())
        } else {
            Remedy::Run(GET_RUSTUP.to_owned())
        };
        Err(Error::NoCompiler { tried, help })
    }

    /// Compilers, other than the active one, that have a `core` for eBPF lying in their sysroot.
    /// Each is asked only when the library is there, so this costs nothing on most machines.
    pub(super) fn others_with_core(active: Option<&Compiler>, search: &Search) -> Vec<Compiler> {
        if search.rustc.is_some() || setting("HACHI_RUSTC").is_some() {
            return Vec::new();
        }
        let mut sysroots = vec![PathBuf::from("/usr"), PathBuf::from("/usr/local")];
        if let Some(toolchains) = rustup_home().map(|home| home.join("toolchains")) {
            let mut found: Vec<PathBuf> = fs::read_dir(toolchains)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            found.sort();
            sysroots.extend(found);
        }
        sysroots
            .iter()
            .filter(|sysroot| prebuilt_core(sysroot, search.wanted_target()).is_some())
            .filter_map(|sysroot| Compiler::ask(&sysroot.join("bin/rustc"), &search.dir()).ok())
            .filter(|found| found.version.number >= OLDEST)
            .filter(|found| active.is_none_or(|active| active.version != found.version))
            .collect()
    }

    /// The cargo to go with this compiler: its own, else the one that runs us, else any.
    pub(super) fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if own.is_file() {
            return own;
        }
        setting("CARGO")
            .map(PathBuf::from)
            .or_else(|| in_path("cargo"))
            .or_else(|| {
                cargo_home()
                    .map(|home| home.join("bin/cargo"))
                    .filter(|cargo| cargo.is_file())
            })
            .unwrap_or_else(|| "cargo".into())
    }

    /// Name of the rustup toolchain this compiler is, if it is one.
    pub(super) fn rustup_toolchain(&self) -> Option<String> {
        let parent = self.sysroot.parent()?;
        (parent.file_name()? == "toolchains").then_some(())?;
        Some(self.sysroot.file_name()?.to_string_lossy().into_owned())
    }
}

/// The `core` library for eBPF that is part of a sysroot.
pub(super) fn prebuilt_core(sysroot: &Path, target: Target) -> Option<PathBuf> {
    fs::read_dir(
        sysroot
            .join("lib/rustlib")
            .join(target.triple())
            .join("lib"),
    )
    .ok()?
    .flatten()
    .map(|entry| entry.path())
    .find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libcore") && name.ends_with(".rlib")
    })
}

/// A call of a compiler without the flags that cargo and the user have for other builds.
pub(super) fn command(rustc: &Path) -> Command {
    let mut command = Command::new(rustc);
    for variable in [
        "RUSTC_BOOTSTRAP",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "RUSTC_FORCE_RUSTC_VERSION",
    ] {
        command.env_remove(variable);
    }
    command
}

fn is_rustup_proxy(rustc: &Path) -> bool {
    let path = if rustc.components().count() == 1 {
        in_path(&rustc.to_string_lossy())
    } else {
        Some(rustc.to_path_buf())
    };
    let Some(path) = path else { return false };
    let is_link = fs::canonicalize(&path)
        .is_ok_and(|real| real.file_name().is_some_and(|name| name == "rustup"));
    // Or a hard link to, or a copy of, the program beside it.
    let size = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.len());
    is_link
        || size(&path.with_file_name("rustup")).is_some_and(|rustup| Some(rustup) == size(&path))
}

pub(super) fn cargo_home() -> Option<PathBuf> {
    setting("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

fn rustup_home() -> Option<PathBuf> {
    setting("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".rustup")))
}

/// The rustup program.
pub(super) fn rustup() -> Option<PathBuf> {
    in_path("rustup").or_else(|| {
        cargo_home()
            .map(|home| home.join("bin/rustup"))
            .filter(|rustup| rustup.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
        commit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860\ncommit-date: 2026-04-14\n\
        host: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";

    #[test]
    fn versions_are_read() {
        let version = Version::parse(STABLE).unwrap();
        assert_eq!(version.release, "1.95.0");
        assert_eq!(version.number, (1, 95));
        assert_eq!(version.host, "x86_64-unknown-linux-gnu");
        assert_eq!(version.llvm, "22.1.2");
        assert_eq!(
            version.commit(),
            Some("59807616e1fa2540724bfbac14d7976d7e4a3860")
        );
        let nightly = STABLE.replace("release: 1.95.0", "release: 1.97.0-nightly");
        assert_eq!(Version::parse(&nightly).unwrap().number, (1, 97));
        assert_eq!(Version::parse("gcc (Debian) 12.2"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn the_oldest_compiler_is_the_manifests() {
        assert_eq!(oldest("1.95"), (1, 95));
        assert_eq!(oldest("1.100.2"), (1, 100));
        assert_eq!(oldest("2"), (2, 0));
        let text = format!("{}.{}", OLDEST.0, OLDEST.1);
        assert_eq!(text, env!("CARGO_PKG_RUST_VERSION"));
    }

    #[test]
    fn the_active_compiler_is_not_a_proxy() {
        let compiler = Compiler::active(&Search::default()).unwrap();
        assert!(compiler.rustc.is_absolute() && compiler.rustc.is_file());
        assert!(!is_rustup_proxy(&compiler.rustc));
        assert!(compiler.sysroot.join("lib/rustlib").is_dir());
        assert!(compiler.cargo().is_file());
    }

    #[test]
    fn a_compiler_that_is_not_there_is_named() {
        let search = Search {
            rustc: Some("/nonexistent/rustc".into()),
            ..Search::default()
        };
        let error = Compiler::active(&search).unwrap_err().to_string();
        assert!(
            error.contains("/nonexistent/rustc") && error.contains("HACHI_RUSTC"),
            "{error}"
        );
        let search = Search {
            rustc: Some("/bin/true".into()),
            ..Search::default()
        };
        let error = Compiler::active(&search).unwrap_err().to_string();
        assert!(error.contains("does not answer"), "{error}");
    }
}
