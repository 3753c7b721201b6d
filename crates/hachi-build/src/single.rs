//! Stand-alone files: a package is put around them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    cache::{Cache, Hash},
    error::IoContext,
    origin::{Origin, toml_string},
};

/// Makes, or brings up to date, the package around a `.rs` file; returns its directory, which is
/// the same each time, so that a second build finds the files of the first.
///
/// `origin` is asked only about a file that uses `hachi-ebpf`.
pub(crate) fn package_for(
    file: &Path,
    cache: &Cache,
    origin: impl FnOnce() -> Result<Origin, Error>,
) -> Result<PathBuf, Error> {
    let file = file.canonicalize().with_context("read", file)?;
    let source = fs::read_to_string(&file).with_context("read", &file)?;
    // A file may do without any library, and then none needs to be there.
    let origin = match source.contains("hachi_ebpf") {
        true => Some(origin()?),
        false => None,
    };
    let name = Hash::of(file.as_os_str().as_encoded_bytes());
    let dir = cache.directory(&format!("single/{name}"))?;
    write_if_changed(
        &dir.join("Cargo.toml"),
        &manifest(&file, &source, origin.as_ref()),
    )?;
    // The versions that the checkout was tested with, and that are likely downloaded already.
    let lock = dir.join("Cargo.lock");
    if let Some(Origin::Checkout(root)) = origin
        && let tested = root.join("Cargo.lock")
        && tested.is_file()
        && !lock.exists()
    {
        fs::copy(&tested, &lock).with_context("write", &lock)?;
    }
    Ok(dir)
}

fn manifest(file: &Path, source: &str, origin: Option<&Origin>) -> String {
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
    // Today's edition, except for files that are plainly older.
    let edition = if ["#[no_mangle]", "#[link_section", "#[export_name"]
        .iter()
        .any(|old| source.contains(old))
    {
        "2021"
    } else {
        "2024"
    };
    // Two panic handlers would clash.
    let features = match source.contains("panic_handler") {
        true => "default-features = false",
        false => "",
    };
    let dependency = origin.map_or(String::new(), |origin| {
        format!(
            "hachi-ebpf = {}\n",
            origin.dependency("hachi-ebpf", features)
        )
    });
    format!(
        "# Made by hachi for {file:?}.\n\
         [package]\nname = \"stand-alone\"\nversion = \"0.0.0\"\n\
         edition = \"{edition}\"\npublish = false\n\n\
         [[bin]]\nname = {name}\npath = {path}\n\n\
         [dependencies]\n{dependency}\n\
         [workspace]\n",
        name = toml_string(&name),
        path = toml_string(&file.to_string_lossy()),
    )
}

fn write_if_changed(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    hachi_linker::write_file(path, text.as_bytes()).with_context("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_named_like_the_file() {
        let source = "use hachi_ebpf::macros::xdp;";
        let origin = Origin::Checkout("/src/hachi".into());
        let text = manifest(Path::new("/t/my prog.rs"), source, Some(&origin));
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
            Some(&Origin::Registry),
        );
        assert!(text.contains("default-features = false"), "{text}");
    }

    #[test]
    fn old_files_are_built_in_their_edition() {
        let old = manifest(
            Path::new("/t/a.rs"),
            "#[no_mangle]\n#[link_section = \"xdp\"]",
            None,
        );
        assert!(old.contains("edition = \"2021\""), "{old}");
        let new = manifest(Path::new("/t/a.rs"), "#[unsafe(no_mangle)]", None);
        assert!(new.contains("edition = \"2024\""), "{new}");
    }
}
