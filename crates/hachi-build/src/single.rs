//! Stand-alone files: a package is put around them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    cache::{Cache, Hash, setting},
    error::IoContext,
};

/// The source tree of Hachi that this program was built from, when it still exists, or the one that
/// `HACHI_SRC` names. Packages that we write depend on the crates in it by path, else on published
/// versions.
pub fn hachi_source() -> Option<PathBuf> {
    let named = setting("HACHI_SRC").map(PathBuf::from);
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf);
    named
        .into_iter()
        .chain(built_from)
        .find(|root| root.join("ebpf/hachi-ebpf/Cargo.toml").is_file())
}

/// Makes, or brings up to date, the package around a `.rs` file; returns its directory, which is
/// the same each time, so that a second build finds the files of the first.
pub(crate) fn package_for(file: &Path, cache: &Cache) -> Result<PathBuf, Error> {
    let file = file.canonicalize().with_context("read", file)?;
    let source = fs::read_to_string(&file).with_context("read", &file)?;
    let dir = cache
        .path("single")
        .join(Hash::of(file.as_os_str().as_encoded_bytes()));
    fs::create_dir_all(&dir).with_context("create", &dir)?;
    let checkout = hachi_source();
    write_if_changed(
        &dir.join("Cargo.toml"),
        &manifest(&file, &source, checkout.as_deref()),
    )?;
    // The versions that the checkout was tested with, and that are likely downloaded already.
    let lock = dir.join("Cargo.lock");
    if let Some(tested) = checkout
        .map(|root| root.join("Cargo.lock"))
        .filter(|tested| tested.is_file())
        && !lock.exists()
    {
        fs::copy(&tested, &lock).with_context("write", &lock)?;
    }
    Ok(dir)
}

fn manifest(file: &Path, source: &str, checkout: Option<&Path>) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo wants an identifier; the object gets this name.
    let mut name: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    // The edition of today, but for files that are plainly older.
    let edition = if ["#[no_mangle]", "#[link_section", "#[export_name"]
        .iter()
        .any(|old| source.contains(old))
    {
        "2021"
    } else {
        "2024"
    };
    // A file may also do without any library, and then needs none to be there.
    let dependency = if source.contains("hachi_ebpf") {
        dependency(source, checkout)
    } else {
        String::new()
    };
    format!(
        "# Made by hachi for {file:?}.\n\
         [package]\nname = \"stand-alone\"\nversion = \"0.0.0\"\nedition = \"{edition}\"\npublish = false\n\n\
         [[bin]]\nname = {name}\npath = {path}\n\n\
         [dependencies]\n{dependency}\n\
         [workspace]\n",
        name = quoted(&name),
        path = quoted(&file.to_string_lossy()),
    )
}

fn dependency(source: &str, checkout: Option<&Path>) -> String {
    let from = match checkout {
        Some(root) => format!(
            "path = {}",
            quoted(&root.join("ebpf/hachi-ebpf").to_string_lossy())
        ),
        None => format!("version = {}", quoted(env!("CARGO_PKG_VERSION"))),
    };
    // Two panic handlers would clash.
    let features = if source.contains("panic_handler") {
        ", default-features = false"
    } else {
        ""
    };
    format!("hachi-ebpf = {{ {from}{features} }}\n")
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn write_if_changed(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).with_context("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_named_like_the_file() {
        let source = "use hachi_ebpf::macros::xdp;";
        let text = manifest(
            Path::new("/t/my prog.rs"),
            source,
            Some(Path::new("/src/hachi")),
        );
        assert!(text.contains("name = \"my_prog\""), "{text}");
        assert!(text.contains("path = \"/t/my prog.rs\""), "{text}");
        let dependency = "hachi-ebpf = { path = \"/src/hachi/ebpf/hachi-ebpf\" }";
        assert!(text.contains(dependency), "{text}");
        let bare = manifest(Path::new("/t/7.rs"), "#![no_std]", None);
        assert!(
            bare.contains("name = \"_7\"") && !bare.contains("hachi-ebpf"),
            "{bare}"
        );
    }

    #[test]
    fn a_file_with_a_panic_handler_gets_no_second_one() {
        let text = manifest(
            Path::new("/t/a.rs"),
            "use hachi_ebpf as _;\n#[panic_handler]\nfn p() {}",
            None,
        );
        assert!(text.contains("default-features = false"), "{text}");
    }

    #[test]
    fn old_files_are_built_as_they_were_meant() {
        let old = manifest(
            Path::new("/t/a.rs"),
            "#[no_mangle]\n#[link_section = \"xdp\"]",
            None,
        );
        assert!(old.contains("edition = \"2021\""), "{old}");
        let new = manifest(Path::new("/t/a.rs"), "#[unsafe(no_mangle)]", None);
        assert!(new.contains("edition = \"2024\""), "{new}");
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
