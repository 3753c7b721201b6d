//! The package archive of the distribution: what it offers, and how to get a package without
//! installing it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use crate::{
    Arch, Error,
    cache::Lock,
    error::IoContext,
    process::{in_path, last_words, output, shown},
};

/// A package and a version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The package's name.
    pub package: String,
    /// The version, as the distribution counts: `6.1.192-2`.
    pub version: String,
}

impl Offer {
    /// `package=version`, as apt takes it.
    pub fn spec(&self) -> String {
        format!("{}={}", self.package, self.version)
    }
}

/// The archive that this machine gets its packages from, if apt manages it.
#[derive(Debug, Clone)]
pub struct Archive {
    /// `debian`, `ubuntu`…
    pub(crate) id: String,
    /// The release: `bookworm`, `noble`…
    pub(crate) codename: String,
}

impl Archive {
    /// This machine's archive; `None` without `apt-get` and `dpkg-deb`.
    pub fn detect() -> Option<Archive> {
        in_path("apt-get").and(in_path("dpkg-deb"))?;
        let text = fs::read_to_string("/etc/os-release").ok()?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(|value| value.trim_matches('"').to_string())
        };
        Some(Archive {
            id: field("ID")?,
            codename: field("VERSION_CODENAME")?,
        })
    }

    /// The distribution, as `/etc/os-release` calls it: `debian`, `ubuntu`…
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The machine's release: `bookworm`, `noble`…
    pub fn codename(&self) -> &str {
        &self.codename
    }

    /// Where `suite` (such as `bookworm` or `bookworm-security`) comes from, by the machine's own
    /// configuration. Suites of one kind are in one place, whatever their release.
    pub fn mirror(&self, suite: &str) -> Option<String> {
        let mut query = apt("apt-get");
        query.args([
            "indextargets",
            "--format",
            "$(RELEASE) $(COMPONENT) $(REPO_URI)",
            "Created-By: Packages",
        ]);
        let answer = output(&mut query).ok()?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        text.lines().find_map(|line| {
            let mut words = line.split(' ');
            let ours = words.next()? == suite && words.next()? == "main";
            words.next().filter(|_| ours).map(str::to_string)
        })
    }

    /// The releases of the distribution, oldest first.
    pub fn series(&self) -> Vec<String> {
        let table = fs::read_to_string(format!("/usr/share/distro-info/{}.csv", self.id))
            .unwrap_or_default();
        let listed: Vec<String> = table
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(2))
            .filter(|name| !["sid", "experimental"].contains(name))
            .map(str::to_string)
            .collect();
        if listed.is_empty() && self.id == "debian" {
            return ["bullseye", "bookworm", "trixie", "forky", "duke"]
                .map(String::from)
                .into();
        }
        listed
    }

    /// The suite of that name on `mirror`, seen by apt with a state of its own below `work`, so
    /// that the machine's configuration and lists are not touched.
    ///
    /// # Errors
    /// When `work` cannot be written to.
    pub fn suite(&self, work: &Path, mirror: &str, suite: &str) -> Result<Suite, Error> {
        self.suite_in(&work.join(suite), mirror, suite)
    }

    /// As [`Archive::suite`], with the packages for another kind of machine. This machine's apt and
    /// dpkg, which know what is installed here, take no part in it.
    ///
    /// # Errors
    /// When `work` cannot be written to.
    pub fn suite_for(
        &self,
        arch: Arch,
        work: &Path,
        mirror: &str,
        suite: &str,
    ) -> Result<Suite, Error> {
        let arch = arch.debian();
        let dir = work.join(format!("{suite}-{arch}"));
        let mut found = self.suite_in(&dir, mirror, suite)?;
        // The list of what is installed: nothing.
        let status = dir.join("status");
        fs::write(&status, "").with_context("write", &status)?;
        for option in [
            format!("APT::Architecture={arch}"),
            format!("APT::Architectures={arch}"),
            format!("Dir::State::status={}", status.display()),
        ] {
            found.options.extend(["-o".to_owned(), option]);
        }
        Ok(found)
    }

    /// The suite of that name, with apt's state in `dir`.
    fn suite_in(&self, dir: &Path, mirror: &str, suite: &str) -> Result<Suite, Error> {
        for sub in ["lists/partial", "cache/archives/partial"] {
            let sub = dir.join(sub);
            fs::create_dir_all(&sub).with_context("create", &sub)?;
        }
        let keyring = ["gpg", "pgp"]
            .map(|extension| {
                format!(
                    "/usr/share/keyrings/{}-archive-keyring.{extension}",
                    self.id
                )
            })
            .into_iter()
            .find(|path| Path::new(path).is_file())
            .map(|path| format!("[signed-by={path}] "))
            .unwrap_or_default();
        let list = dir.join("sources.list");
        fs::write(&list, format!("deb {keyring}{mirror} {suite} main\n"))
            .with_context("write", &list)?;
        let options = [
            ("Dir::Etc::SourceList", list),
            ("Dir::Etc::SourceParts", "/dev/null".into()),
            ("Dir::State::Lists", dir.join("lists")),
            ("Dir::Cache", dir.join("cache")),
            // The files are ours, not those of apt's own unprivileged user.
            ("APT::Sandbox::User", "root".into()),
            // Only the list of packages is wanted, not the catalogue of applications and the
            // translations beside it.
            ("Acquire::Languages", "none".into()),
            (
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
                "false".into(),
            ),
        ];
        let options = options
            .into_iter()
            .flat_map(|(name, value)| ["-o".to_string(), format!("{name}={}", value.display())])
            .collect();
        Ok(Suite {
            name: suite.to_string(),
            options,
            updated: dir.join("updated"),
        })
    }
}

/// One suite of an archive.
#[derive(Debug, Clone)]
pub struct Suite {
    name: String,
    /// Options for apt tools that see only this suite; none for all that the machine is set up for.
    options: Vec<String>,
    /// A file as old as the lists.
    updated: PathBuf,
}

impl Suite {
    /// All suites that the machine itself is set up for, with its own lists.
    pub(crate) fn own(codename: &str) -> Suite {
        Suite {
            name: format!("{codename} (own sources)"),
            options: Vec::new(),
            updated: PathBuf::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the list of packages, unless it was fetched less than `fresh` ago. The machine's own
    /// lists are left as they are.
    ///
    /// # Errors
    /// When the suite is not on the mirror (yet, or any more), or there is no network.
    pub fn update(&self, fresh: Duration) -> Result<(), Error> {
        if self.options.is_empty() {
            return Ok(());
        }
        let _lock = Lock::take(&self.updated.with_extension("lock"))?;
        let modified = fs::metadata(&self.updated).and_then(|data| data.modified());
        let age = modified.map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
        if age.is_ok_and(|age| age < fresh) {
            return Ok(());
        }
        let mut update = apt("apt-get");
        run(update.args(["-q", "update"]).args(&self.options))?;
        fs::write(&self.updated, "").with_context("write", &self.updated)
    }

    /// The versions it has of the packages named.
    pub fn offers(&self, packages: &[&str]) -> Vec<Offer> {
        let mut query = apt("apt-cache");
        query.args(&self.options).arg("madison").args(packages);
        let Ok(answer) = output(&mut query) else {
            return Vec::new();
        };
        parse_madison(&String::from_utf8_lossy(&answer.stdout))
    }

    /// The names of its packages that begin with `prefix`.
    pub fn package_names(&self, prefix: &str) -> Vec<String> {
        let mut query = apt("apt-cache");
        query.args(&self.options).args(["pkgnames", prefix]);
        let Ok(answer) = output(&mut query) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        text.lines().map(str::to_string).collect()
    }

    /// These packages and all that they depend on (and do not merely recommend), as they would be
    /// installed on a machine that has nothing.
    ///
    /// # Errors
    /// When one does not exist or cannot be installed, in apt's own words.
    pub fn closure(&self, packages: &[&str]) -> Result<Vec<String>, Error> {
        let mut simulate = apt("apt-get");
        simulate
            .args(["-q", "install", "--simulate", "--no-install-recommends"])
            .args(&self.options)
            .args(packages);
        let answer = output(&mut simulate)?;
        if !answer.status.success() {
            return Err(Error::Install {
                command: shown(&simulate),
                output: last_words(&answer),
            });
        }
        Ok(parse_simulation(&String::from_utf8_lossy(&answer.stdout)))
    }

    /// Downloads packages, by name or [`Offer::spec`], into the directory `into`.
    ///
    /// # Errors
    /// In apt's own words.
    pub fn download(&self, packages: &[String], into: &Path) -> Result<(), Error> {
        let mut download = apt("apt-get");
        download
            .args(["-q", "download"])
            .args(&self.options)
            .args(packages)
            .current_dir(into);
        run(&mut download)
    }
}

/// An apt tool that neither asks questions nor speaks another language.
pub(crate) fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    command
}

/// Runs to the end; the error says what the command said last.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let answer = output(command)?;
    if answer.status.success() {
        return Ok(());
    }
    Err(Error::Install {
        command: shown(command),
        output: last_words(&answer),
    })
}

/// Lines such as `  rust-src | 1.63.0+dfsg1-2 | http://… bookworm/main amd64 Packages`.
fn parse_madison(text: &str) -> Vec<Offer> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('|').map(str::trim);
            let (package, version) = (fields.next()?, fields.next()?);
            Some(Offer {
                package: package.into(),
                version: version.into(),
            })
        })
        .collect()
}

/// Lines such as `Inst libc6 (2.36-9+deb12u13 Debian:12.12/oldstable [arm64])`.
fn parse_simulation(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_installation_is_read() {
        let text = "NOTE: This is only a simulation!\n\
                    Inst gcc-12-base (12.2.0-14+deb12u1 Debian:12.12/oldstable [arm64])\n\
                    Inst libc6 (2.36-9 Debian:12.12/oldstable [arm64]) []\n\
                    Conf libc6 (2.36-9 Debian:12.12/oldstable [arm64])\n";
        assert_eq!(parse_simulation(text), ["gcc-12-base", "libc6"]);
    }

    #[test]
    fn madison_is_read() {
        let text = "  rust-src | 1.63.0+dfsg1-2 | http://mirror.example/debian bookworm/main amd64 \
                    Packages\n\
                    rust-web-src | 1.96.0+dfsg1-1~deb12u2 | http://mirror.example/debian-security \
                    bookworm-security/main amd64 Packages\n";
        let offers = parse_madison(text);
        assert_eq!(
            offers[0],
            Offer {
                package: "rust-src".into(),
                version: "1.63.0+dfsg1-2".into()
            }
        );
        assert_eq!(offers[1].package, "rust-web-src");
    }
}
