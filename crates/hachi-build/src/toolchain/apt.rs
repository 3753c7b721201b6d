//! Packages of Debian and its descendants: what they offer for eBPF, and how to get it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::compiler::{Compiler, OLDEST};
use super::source::{PARTS, downloaded_name};
use crate::{
    Error,
    archive::{Archive, Offer, Suite, apt, run},
    cache::Cache,
    error::IoContext,
    process::{in_path, last_words, output, shown, spawn_error},
    sys::is_root,
};

/// Packages that together make a compiler with a `core` for eBPF: compiler, library, cargo.
/// The second family exists on stable releases, whose own compiler is too old for web browsers.
const FAMILIES: [(&str, &str, &str); 2] = [
    ("rustc", "libstd-rust-dev-bpf", "cargo"),
    ("rustc-web", "libstd-rust-web-dev-bpf", "cargo-web"),
];

/// This machine's distribution, if apt manages it.
#[derive(Debug, Clone)]
pub(super) struct Apt {
    archive: Archive,
}

impl Apt {
    pub(super) fn detect() -> Option<Apt> {
        let archive = Archive::detect()?;
        Some(Apt { archive })
    }

    /// The packages to install so that a compiler with a `core` for eBPF is there: the library for
    /// the distribution's compiler when that is installed, else compiler and library together.
    pub(super) fn prebuilt_packages(&self) -> Vec<String> {
        let names: Vec<&str> = FAMILIES
            .iter()
            .flat_map(|(rustc, core, cargo)| [*rustc, *core, *cargo])
            .collect();
        let mut query = apt("apt-cache");
        query.arg("policy").args(&names);
        let Ok(answer) = output(&mut query) else {
            return Vec::new();
        };
        choose(
            &parse_policy(&String::from_utf8_lossy(&answer.stdout)),
            in_path("cargo").is_none(),
        )
    }

    /// Installs packages; needs root.
    pub(super) fn install(&self, packages: &[String]) -> Result<(), Error> {
        let mut command = install_command(packages);
        eprintln!("hachi: running `{}`", shown(&command));
        run(&mut command)
    }

    /// Reads the machine's package lists again, when it has none (a fresh container) and we may.
    pub(super) fn refresh_if_empty(&self) {
        let mut query = apt("apt-cache");
        query.args(["policy", "libc6"]);
        let empty = output(&mut query)
            .is_ok_and(|answer| !String::from_utf8_lossy(&answer.stdout).contains("http"));
        if empty && is_root() {
            let mut update = apt("apt-get");
            update.args(["-q", "update"]);
            eprintln!("hachi: running `{}`", shown(&update));
            // Without lists there is no offer, and that is what will be reported.
            let _ = run(&mut update);
        }
    }

    /// Downloads a library source of exactly this release and unpacks it into the cache; installs
    /// nothing. Looks at the machine's own suites first, then at a few neighbours of its release on
    /// the same mirror.
    pub(super) fn fetch_source(
        &self,
        compiler: &Compiler,
        cache: &Cache,
    ) -> Result<PathBuf, Error> {
        let release = &compiler.version.release;
        cache.get_or_make(&downloaded_name(release), |dir| {
            let work = dir.join("apt");
            fs::create_dir(&work).with_context("create", &work)?;
            let mut looked_at = Vec::new();
            let mut found = None;
            for suite in self.suites(&work)? {
                eprintln!("hachi: looking for rust-src {release} in {}", suite.name());
                looked_at.push(suite.name().to_string());
                // It may not exist (yet, or any more) on this mirror.
                if suite.update(Duration::ZERO).is_err() {
                    continue;
                }
                found = offers(&suite, release)
                    .into_iter()
                    .next()
                    .map(|offer| (offer, suite));
                if found.is_some() {
                    break;
                }
            }
            let Some((offer, suite)) = found else {
                return Err(Error::NoSourcePackage {
                    release: release.clone(),
                    suites: looked_at,
                });
            };
            eprintln!("hachi: downloading {} (nothing is installed)", offer.spec());
            suite.download(&[offer.spec()], &work)?;
            unpack_source(&work, dir)?;
            fs::remove_dir_all(&work).with_context("remove", &work)
        })
    }

    /// Where to look: the machine's own suites first, then neighbours of its release on the same
    /// mirror.
    fn suites(&self, work: &Path) -> Result<Vec<Suite>, Error> {
        let mut suites = vec![Suite::own(self.archive.codename())];
        if let Some(mirror) = self.archive.mirror(self.archive.codename()) {
            for name in self.neighbours() {
                suites.push(self.archive.suite(work, &mirror, &name)?);
            }
        }
        Ok(suites)
    }

    /// Suites worth a look, likeliest first: backports carry the newest compilers of a stable
    /// release.
    fn neighbours(&self) -> Vec<String> {
        let series = self.archive.series();
        let codename = self.archive.codename();
        let Some(own) = series.iter().position(|name| name == codename) else {
            return Vec::new();
        };
        let next = series.get(own + 1);
        let mut suites: Vec<String> = next
            .into_iter()
            .map(String::as_str)
            .chain([codename])
            .map(|name| format!("{name}-backports"))
            .collect();
        suites.extend(series.iter().skip(own + 1).take(2).cloned());
        if self.archive.id() == "debian" {
            suites.push("sid".into());
        }
        suites
    }
}

/// The command that installs packages, as we run it and as we tell people to.
pub(super) fn install_command(packages: &[String]) -> Command {
    let mut command = apt("apt-get");
    command
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages);
    command
}

/// Library source packages of this release.
fn offers(suite: &Suite, release: &str) -> Vec<Offer> {
    let minor: String = release.split('.').take(2).collect::<Vec<_>>().join(".");
    let mut offers = suite.offers(&["rust-src", "rust-web-src", &format!("rust-{minor}-src")]);
    offers.retain(|offer| upstream(&offer.version) == release);
    offers
}

/// The upstream part of a package version: `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    let version = version
        .split_once(':')
        .map_or(version, |(_, version)| version);
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

/// What `apt-cache policy` says of one package.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Policy {
    package: String,
    installed: Option<String>,
    candidate: Option<String>,
    versions: Vec<String>,
}

fn parse_policy(text: &str) -> Vec<Policy> {
    let mut packages: Vec<Policy> = Vec::new();
    let known = |value: &str| Some(value.trim().to_string()).filter(|value| value != "(none)");
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            packages.push(Policy {
                package: name.into(),
                ..Policy::default()
            });
            continue;
        }
        let Some(current) = packages.last_mut() else {
            continue;
        };
        if let Some(value) = line.strip_prefix("  Installed:") {
            current.installed = known(value);
        } else if let Some(value) = line.strip_prefix("  Candidate:") {
            current.candidate = known(value);
        } else if let Some(version) = line
            .strip_prefix("     ")
            .or_else(|| line.strip_prefix(" *** "))
            && !version.starts_with(' ')
            && let Some(version) = version.split(' ').next()
        {
            current.versions.push(version.into());
        }
    }
    packages
}

/// Picks the packages to install from what apt offers.
fn choose(policies: &[Policy], with_cargo: bool) -> Vec<String> {
    let policy = |name: &str| policies.iter().find(|policy| policy.package == name);
    let new_enough = |version: &str| {
        let mut numbers = upstream(version)
            .split('.')
            .map_while(|part| part.parse().ok());
        numbers
            .next()
            .zip(numbers.next())
            .is_some_and(|number: (u32, u32)| number >= OLDEST)
    };
    let spec = |package: &str, version: &str| {
        Offer {
            package: package.into(),
            version: version.into(),
        }
        .spec()
    };
    // A compiler that is installed stays as it is and gets the library made with it.
    for (rustc, core, _) in FAMILIES {
        if let Some(installed) = policy(rustc).and_then(|policy| policy.installed.as_deref())
            && new_enough(installed)
            && policy(core)
                .is_some_and(|core| core.versions.iter().any(|version| version == installed))
        {
            return vec![spec(core, installed)];
        }
    }
    let any_installed = FAMILIES
        .iter()
        .any(|(rustc, ..)| policy(rustc).is_some_and(|policy| policy.installed.is_some()));
    if any_installed {
        // The families exclude each other; removing someone's compiler is not ours to do.
        return Vec::new();
    }
    for (rustc, core, cargo) in FAMILIES {
        let candidate = policy(rustc).and_then(|policy| policy.candidate.as_deref());
        if let Some(version) = candidate
            && new_enough(version)
            && policy(core).and_then(|core| core.candidate.as_deref()) == Some(version)
        {
            let mut packages = vec![spec(rustc, version), spec(core, version)];
            if with_cargo {
                packages.push(cargo.into());
            }
            return packages;
        }
    }
    Vec::new()
}

/// Takes the parts of the library that `core` is made of out of the one package file in `work`.
fn unpack_source(work: &Path, dir: &Path) -> Result<(), Error> {
    let package = fs::read_dir(work)
        .with_context("read", work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Error::NotDownloaded { dir: work.into() })?;
    let mut archive = Command::new("dpkg-deb");
    archive
        .arg("--fsys-tarfile")
        .arg(&package)
        .stdout(Stdio::piped());
    let mut reader = archive
        .spawn()
        .map_err(|source| spawn_error(&archive, source))?;
    let mut tar = Command::new("tar");
    // `./usr/src/rustc-1.95.0/library/…` becomes `library/…`.
    tar.args([
        "--extract",
        "--no-same-owner",
        "--strip-components=4",
        "--wildcards",
        "--directory",
    ])
    .arg(dir);
    tar.args(PARTS.map(|part| format!("./usr/src/*/library/{part}")));
    tar.arg("./usr/src/*/library/core/Cargo.toml");
    tar.stdin(reader.stdout.take().map_or_else(Stdio::null, Stdio::from));
    let unpacked = tar.output().map_err(|source| spawn_error(&tar, source));
    let read = reader
        .wait()
        .map_err(|source| spawn_error(&archive, source))?;
    let unpacked = unpacked?;
    if !unpacked.status.success() || !read.success() {
        return Err(Error::Install {
            command: shown(&tar),
            output: last_words(&unpacked),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "\
rustc-web:
  Installed: (none)
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
     1.96.0+dfsg1-1~deb12u2 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
     1.85.0+dfsg3-1~deb12u3 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
rustc:
  Installed: (none)
  Candidate: 1.63.0+dfsg1-2
  Version table:
     1.63.0+dfsg1-2 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
libstd-rust-dev-bpf:
  Installed: (none)
  Candidate: (none)
  Version table:
libstd-rust-web-dev-bpf:
  Installed: (none)
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
     1.96.0+dfsg1-1~deb12u2 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
";

    #[test]
    fn bookworm_gets_the_web_packages() {
        let policies = parse_policy(BOOKWORM);
        assert_eq!(policies.len(), 4);
        assert_eq!(
            policies[0].versions,
            ["1.96.0+dfsg1-1~deb12u2", "1.85.0+dfsg3-1~deb12u3"]
        );
        assert_eq!(policies[2].candidate, None);
        assert_eq!(
            choose(&policies, false),
            [
                "rustc-web=1.96.0+dfsg1-1~deb12u2",
                "libstd-rust-web-dev-bpf=1.96.0+dfsg1-1~deb12u2"
            ]
        );
        assert_eq!(choose(&policies, true).last().unwrap(), "cargo-web");
    }

    #[test]
    fn an_installed_compiler_gets_its_own_library() {
        let text = "\
rustc:
  Installed: 1.96.0+dfsg1-1
  Candidate: 1.97.1+dfsg1-1
  Version table:
     1.97.1+dfsg1-1 500
        500 http://mirror.example/debian sid/main amd64 Packages
 *** 1.96.0+dfsg1-1 100
        100 /var/lib/dpkg/status
libstd-rust-dev-bpf:
  Installed: (none)
  Candidate: 1.97.1+dfsg1-1
  Version table:
     1.97.1+dfsg1-1 500
        500 http://mirror.example/debian sid/main amd64 Packages
     1.96.0+dfsg1-1 500
        500 http://mirror.example/debian trixie-backports/main amd64 Packages
";
        let policies = parse_policy(text);
        assert_eq!(policies[0].versions, ["1.97.1+dfsg1-1", "1.96.0+dfsg1-1"]);
        assert_eq!(
            choose(&policies, false),
            ["libstd-rust-dev-bpf=1.96.0+dfsg1-1"]
        );
        // The library in that version gone from the archive: nothing that would disturb the
        // installed compiler.
        let gone = text.replace("     1.96.0+dfsg1-1 500\n", "     1.97.0+dfsg1-1 500\n");
        assert_eq!(choose(&parse_policy(&gone), false), [""; 0]);
    }

    #[test]
    fn old_compilers_are_not_offered() {
        let policies = parse_policy(&BOOKWORM.replace("1.96.0", "1.85.0"));
        assert_eq!(choose(&policies, false), [""; 0]);
        assert_eq!(choose(&parse_policy(""), true), [""; 0]);
    }

    #[test]
    fn package_versions_have_an_upstream_part() {
        for version in [
            "1.95.0+dfsg1-2~bpo13+1",
            "1.95.0-1",
            "2:1.95.0~rc1",
            "1.95.0",
        ] {
            assert_eq!(upstream(version), "1.95.0", "{version}");
        }
    }

    #[test]
    fn backports_of_the_next_release_come_first() {
        let apt = |codename: &str| Apt {
            archive: Archive {
                id: "debian".into(),
                codename: codename.into(),
            },
        };
        let suites = apt("bookworm").neighbours();
        assert_eq!(
            suites[..3],
            ["trixie-backports", "bookworm-backports", "trixie"]
        );
        assert_eq!(suites.last().unwrap(), "sid");
        assert!(apt("nosuch").neighbours().is_empty());
    }
}
