//! The machines that an image is for.

use std::fmt;
use std::str::FromStr;

use hachi_btf::Endian;

use super::{Error, Result};

/// A processor architecture under Linux, by the name that images use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform(&'static Row);

/// Architecture: its name in images, in Rust, and its byte order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    image: &'static str,
    rust: &'static str,
    big: bool,
}

const fn row(image: &'static str, rust: &'static str, big: bool) -> Row {
    Row { image, rust, big }
}

/// The 64-bit architectures on which the kernel runs eBPF, by the names of Go.
static ROWS: [Row; 8] = [
    row("amd64", "x86_64", false),
    row("arm64", "aarch64", false),
    row("loong64", "loongarch64", false),
    row("mips64le", "mips64el", false),
    row("ppc64le", "powerpc64le", false),
    row("riscv64", "riscv64", false),
    row("ppc64", "powerpc64", true),
    row("s390x", "s390x", true),
];

impl Platform {
    /// The machine that this runs on; `None` where images have no name for it.
    pub fn current() -> Option<Platform> {
        ROWS.iter()
            .find(|row| row.rust == rust_architecture())
            .map(Platform)
    }

    /// All of a byte order: where an object runs that asks nothing of the processor.
    pub fn of_order(order: Endian) -> impl Iterator<Item = Platform> {
        ROWS.iter()
            .filter(move |row| row.big == (order == Endian::Big))
            .map(Platform)
    }

    /// The name that images use.
    pub fn name(self) -> &'static str {
        self.0.image
    }

    /// The names of all.
    pub fn names() -> Vec<&'static str> {
        ROWS.iter().map(|row| row.image).collect()
    }

    /// The byte order.
    pub fn order(self) -> Endian {
        match self.0.big {
            true => Endian::Big,
            false => Endian::Little,
        }
    }
}

/// `std::env::consts::ARCH` does not tell the byte orders apart.
fn rust_architecture() -> &'static str {
    match (std::env::consts::ARCH, cfg!(target_endian = "little")) {
        ("powerpc64", true) => "powerpc64le",
        ("mips64", true) => "mips64el",
        (name, _) => name,
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// By the name that images use, or Rust's.
    fn from_str(text: &str) -> Result<Platform> {
        ROWS.iter()
            .find(|row| row.image == text || row.rust == text)
            .map(Platform)
            .ok_or_else(|| Error::Architecture {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name() {
        let current = Platform::current().unwrap();
        let little = cfg!(target_endian = "little");
        assert_eq!(current.order() == Endian::Little, little);
        assert_eq!(current.name().parse::<Platform>().unwrap(), current);
    }

    #[test]
    fn rusts_names_are_understood_and_others_refused() {
        assert_eq!("aarch64".parse::<Platform>().unwrap().name(), "arm64");
        let error = "pdp11".parse::<Platform>().unwrap_err();
        assert!(error.help().unwrap().contains("amd64, arm64"));
    }
}
