//! The four ways to a toolchain, and what is said when there is none.

mod support;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::Write,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use hachi_build::{Error, Search, State, Target, Toolchain, Way};
use support::{
    NO_RUSTUP, Outcome, child, debian_toolchain, in_cache, kept, library_source, real_rustc,
    scratch, text, texts, toolchain_without_source, write, write_script,
};

fn main() -> ExitCode {
    hachi_linker::intercept();
    if env::var_os("HACHI_TEST_CHILD").is_some() {
        return support::find_and_tell();
    }
    support::run(&[
        (
            "an_exact_source_package_is_downloaded",
            an_exact_source_package_is_downloaded,
        ),
        (
            "source_is_built_once_by_two_at_once",
            source_is_built_once_by_two_at_once,
        ),
        (
            "rustup_is_asked_for_the_source",
            rustup_is_asked_for_the_source,
        ),
        (
            "the_distributions_packages_are_installed",
            the_distributions_packages_are_installed,
        ),
        ("a_prebuilt_core_is_taken", a_prebuilt_core_is_taken),
        (
            "a_prebuilt_core_of_another_compiler_is_not",
            a_prebuilt_core_of_another_compiler_is_not,
        ),
        (
            "the_host_is_the_last_resort_and_says_so",
            the_host_is_the_last_resort_and_says_so,
        ),
        (
            "the_host_is_no_resort_for_the_other_byte_order",
            the_host_is_no_resort_for_the_other_byte_order,
        ),
        ("no_is_an_answer", no_is_an_answer),
        (
            "a_forced_way_that_is_closed_names_the_fix",
            a_forced_way_that_is_closed_names_the_fix,
        ),
        ("wrong_settings_are_named", wrong_settings_are_named),
        (
            "source_that_does_not_compile_is_reported",
            source_that_does_not_compile_is_reported,
        ),
        (
            "a_machine_without_rust_is_told_how_to_get_it",
            a_machine_without_rust_is_told_how_to_get_it,
        ),
        ("the_survey_names_every_way", the_survey_names_every_way),
    ])
}

fn line<'a>(out: &'a str, name: &str) -> &'a str {
    out.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {name} in {out}"))
}

fn libcore(sysroot: &Path) -> PathBuf {
    let lib = sysroot.join("lib/rustlib/bpfel-unknown-none/lib");
    let lib = if lib.is_dir() {
        lib
    } else {
        sysroot.join("lib/rustlib/bpfeb-unknown-none/lib")
    };
    lib.join("libcore.rlib")
}

/// Way 3, by the distribution's archive. What an earlier run downloaded is used again.
fn an_exact_source_package_is_downloaded() -> Outcome {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err("apt does not manage this machine".into());
    }
    let cache = kept("downloads");
    let (out, err) = texts(
        child("find")
            .envs(NO_RUSTUP)
            .env("HACHI_CACHE", &cache)
            .env("HACHI_RUSTC", toolchain_without_source(&scratch("apt")))
            .env("HACHI_TOOLCHAIN", "source")
            .env("HACHI_YES", "1"),
    );
    if ["none in ", "Temporary failure", "to be offline"]
        .iter()
        .any(|reason| err.contains(reason))
    {
        return Err(err.trim().lines().last().unwrap_or_default().into());
    }
    assert_eq!(line(&out, "way"), "Source", "{err}");
    assert!(libcore(Path::new(line(&out, "sysroot"))).is_file(), "{out}");
    assert!(in_cache(&cache, "rust-src").is_dir());
    Ok(())
}

/// The libraries of a sysroot, by name.
fn libraries(sysroot: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let directory = libcore(sysroot).with_file_name("");
    let entries = fs::read_dir(directory).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// Way 2, and the safety of the cache.
fn source_is_built_once_by_two_at_once() -> Outcome {
    let source = library_source()?;
    let cache = scratch("two-at-once");
    let start = || {
        child("find")
            .env("HACHI_CACHE", &cache)
            .env("HACHI_RUSTC", real_rustc())
            .env("HACHI_RUST_SRC", &source)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(), start()];
    let ends = children.map(|child| child.wait_with_output().unwrap());
    let sysroots = ends.each_ref().map(|end| {
        assert!(end.status.success(), "{}", text(&end.stderr));
        line(&text(&end.stdout), "sysroot").to_string()
    });
    assert_eq!(sysroots[0], sysroots[1]);
    let built: usize = ends
        .iter()
        .map(|end| text(&end.stderr).matches("built `core` in").count())
        .sum();
    assert_eq!(built, 1, "the other waits and takes it");

    // Later runs take it from the cache, also when the source is gone.
    let search = Search::default().rustc(real_rustc()).cache(cache.clone());
    let found = Toolchain::find(&search).unwrap();
    assert_eq!(found.way, Way::Source);
    assert_eq!(found.sysroot.as_deref(), Some(Path::new(&sysroots[0])));

    // A damaged library is no library: it is built again, and whole.
    let before = libraries(Path::new(&sysroots[0]));
    fs::File::options()
        .write(true)
        .open(libcore(Path::new(&sysroots[0])))
        .unwrap()
        .set_len(1000)
        .unwrap();
    let search = search.rust_src(source);
    let found = Toolchain::find(&search).unwrap();
    let sysroot = found.sysroot.unwrap();
    assert!(fs::metadata(libcore(&sysroot)).unwrap().len() > 1_000_000);
    // Two builds of one source may differ, and then cargo has to see another path.
    let same = sysroot == Path::new(&sysroots[0]);
    let left = Path::new(&sysroots[0]).exists();
    assert_eq!(left, same, "{}", sysroot.display());
    assert_eq!(libraries(&sysroot) == before, same, "{}", sysroot.display());
    Ok(())
}

/// Way 3, by a rustup that does what the real one does for a toolchain of its own.
fn rustup_is_asked_for_the_source() -> Outcome {
    let source = library_source()?;
    let dir = scratch("rustup");
    let rustc = toolchain_without_source(&dir);
    let log = dir.join("log");
    let source_dir = dir.join("toolchains/fake/lib/rustlib/src/rust");
    write_script(
        &dir.join("bin/rustup"),
        &format!(
            "#!/bin/sh\necho \"$@\" >> '{}'\nmkdir -p '{1}' && ln -s '{2}' '{1}/library'\n",
            log.display(),
            source_dir.display(),
            source.display()
        ),
    );
    let path = format!("{}:/usr/bin:/bin", dir.join("bin").display());
    let find = || {
        let mut command = child("find");
        command
            .env("PATH", &path)
            .env("HACHI_RUSTC", &rustc)
            .env("HACHI_CACHE", dir.join("cache"));
        command.env("HACHI_TOOLCHAIN", "source");
        command
    };
    // Nobody to ask: nothing happens, and the message says what would help.
    let (_, err) = texts(&mut find());
    assert!(
        err.contains("rustup component add rust-src --toolchain fake"),
        "{err}"
    );
    assert!(!log.exists());
    let (out, err) = texts(find().env("HACHI_YES", "1"));
    assert_eq!(line(&out, "way"), "Source", "{err}");
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        "component add rust-src --toolchain fake\n"
    );
    Ok(())
}

/// Way 3 where there is no Rust at all, by an apt that installs by putting a compiler into the
/// path.
fn the_distributions_packages_are_installed() -> Outcome {
    if Path::new("/usr/bin/rustc").exists() {
        return Err("there is a /usr/bin/rustc".into());
    }
    let (rustc, libraries) = debian_toolchain()?;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Err("only root installs packages".into());
    }
    let dir = scratch("apt-install");
    let (bin, log) = (dir.join("bin"), dir.join("log"));
    let package = |name: &str| {
        format!(
            "{name}:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1\n  Version table:\n     \
             1.96.0+dfsg1-1 500\n        500 http://mirror.example/debian stable/main\n"
        )
    };
    let offer = package("rustc") + &package("libstd-rust-dev-bpf");
    write_script(
        &bin.join("apt-cache"),
        &format!("#!/bin/sh\necho '{offer}'\n"),
    );
    write_script(
        &bin.join("apt-get"),
        &format!(
            "#!/bin/sh\necho \"$@\" >> '{}'\n/bin/ln -s '{}' '{}'\n",
            log.display(),
            rustc.display(),
            bin.join("rustc").display()
        ),
    );
    write_script(&bin.join("dpkg-deb"), "#!/bin/sh\nexit 1\n");
    let find = || {
        let mut command = child("find");
        command
            .envs(NO_RUSTUP)
            .env("PATH", &bin)
            .env("HOME", &dir)
            .env("LD_LIBRARY_PATH", &libraries)
            .env("HACHI_CACHE", dir.join("cache"))
            .env_remove("RUSTC");
        command
    };
    let command = "install -y --no-install-recommends rustc=1.96.0+dfsg1-1 \
                   libstd-rust-dev-bpf=1.96.0+dfsg1-1 cargo";
    // Nobody to ask: nothing happens.
    let (_, err) = texts(&mut find());
    assert!(err.contains("no usable Rust compiler"), "{err}");
    assert!(!log.exists());
    let (out, err) = texts(find().env("HACHI_YES", "1"));
    assert_eq!(line(&out, "way"), "Prebuilt", "{err}");
    assert_eq!(fs::read_to_string(&log).unwrap(), format!("{command}\n"));
    Ok(())
}

/// Way 1.
fn a_prebuilt_core_is_taken() -> Outcome {
    let (rustc, libraries) = debian_toolchain()?;
    let cache = scratch("prebuilt");
    let (out, err) = texts(
        child("find")
            .env("HACHI_RUSTC", &rustc)
            .env("LD_LIBRARY_PATH", libraries)
            .env("HACHI_CACHE", &cache),
    );
    assert_eq!(line(&out, "way"), "Prebuilt", "{err}");
    assert_eq!(line(&out, "rustc"), rustc.display().to_string());
    assert!(!out.contains("sysroot="), "{out}");
    assert!(
        !in_cache(&cache, "core").exists(),
        "nothing has to be built"
    );
    Ok(())
}

/// A library that another compiler made is there but of no use.
fn a_prebuilt_core_of_another_compiler_is_not() -> Outcome {
    let dir = scratch("foreign-core");
    let rustc = toolchain_without_source(&dir);
    for target in ["bpfel-unknown-none", "bpfeb-unknown-none"] {
        write(
            &dir.join("toolchains/fake/lib/rustlib")
                .join(target)
                .join("lib/libcore-0123.rlib"),
            "of another one",
        );
    }
    let search = Search::default()
        .rustc(rustc)
        .cache(dir.join("cache"))
        .force(Way::Prebuilt);
    let error = Toolchain::find(&search).unwrap_err().to_string();
    assert!(error.contains("does not fit rustc"), "{error}");
    Ok(())
}

/// Way 4.
fn the_host_is_the_last_resort_and_says_so() -> Outcome {
    let dir = scratch("host");
    let search = Search::default()
        .rustc(toolchain_without_source(&dir))
        .cache(dir.join("cache"));
    let found = Toolchain::find(&search).unwrap();
    assert_eq!((found.way, &found.sysroot), (Way::HostRetarget, &None));
    assert_eq!(found.triple(), support::host());
    let warning = found.warning.unwrap();
    assert!(
        !warning.contains('\n') && warning.contains("supported way"),
        "{warning}"
    );
    let why = found.explanation.join("\n");
    for word in [
        "no library for bpf",
        "in the cache",
        "no library source",
        "nobody could be asked",
        "using rustc",
    ] {
        assert!(why.contains(word), "{word} in {why}");
    }
    // Anyone who asks for it needs no warning.
    let found = Toolchain::find(&search.force(Way::HostRetarget)).unwrap();
    assert_eq!((found.way, found.warning), (Way::HostRetarget, None));
    Ok(())
}

/// This machine's code has its bytes in this machine's order.
fn the_host_is_no_resort_for_the_other_byte_order() -> Outcome {
    let other = match Target::HOST {
        Target::Bpfel => Target::Bpfeb,
        Target::Bpfeb => Target::Bpfel,
    };
    let dir = scratch("other-order");
    let search = Search::default()
        .rustc(toolchain_without_source(&dir))
        .cache(dir.join("cache"))
        .target(other);
    for force in [None, Some(Way::HostRetarget)] {
        let search = match force {
            Some(way) => search.clone().force(way),
            None => search.clone(),
        };
        let error = Toolchain::find(&search).unwrap_err().to_string();
        for word in [other.triple(), "other order", "help: "] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }
    Ok(())
}

fn no_is_an_answer() -> Outcome {
    let dir = scratch("no");
    let mut child = child("find")
        .envs(NO_RUSTUP)
        .env("HACHI_CACHE", dir.join("cache"))
        .env("HACHI_RUSTC", toolchain_without_source(&dir))
        .env("HACHI_TEST_INTERACTIVE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"n\nn\nn\n").unwrap();
    let end = child.wait_with_output().unwrap();
    assert_eq!(line(&text(&end.stdout), "way"), "HostRetarget");
    let err = text(&end.stderr);
    if err.contains("May I") {
        assert!(err.contains("the answer was no"), "{err}");
    }
    assert!(!dir.join("cache/rust-src").exists());
    Ok(())
}

fn a_forced_way_that_is_closed_names_the_fix() -> Outcome {
    let dir = scratch("forced");
    let rustc = toolchain_without_source(&dir);
    for (way, word) in [
        (Way::Prebuilt, "no library for bpf"),
        (Way::Source, "no library source"),
    ] {
        let search = Search::default()
            .rustc(rustc.clone())
            .cache(dir.join("cache"))
            .force(way);
        let error = Toolchain::find(&search).unwrap_err();
        assert!(matches!(error, Error::ForcedWay { .. }));
        let error = error.to_string();
        assert!(
            error.contains(word) && error.contains(way.name()) && error.contains("= help: "),
            "{error}"
        );
    }
    Ok(())
}

fn wrong_settings_are_named() -> Outcome {
    let dir = scratch("settings");
    let find = || {
        let mut command = child("find");
        command
            .env("HACHI_CACHE", dir.join("cache"))
            .env("HACHI_RUSTC", real_rustc());
        command
    };
    let (_, err) = texts(find().env("HACHI_TOOLCHAIN", "magic"));
    assert!(
        err.contains("HACHI_TOOLCHAIN=magic") && err.contains("`prebuilt`, `source` or `host`"),
        "{err}"
    );
    let (_, err) = texts(find().env("HACHI_RUST_SRC", &dir));
    assert!(err.contains("not a library source tree"), "{err}");
    let (_, err) = texts(find().env("HACHI_RUSTC", "/nonexistent/rustc"));
    assert!(err.contains("/nonexistent/rustc"), "{err}");

    // Source that says it is of another version.
    let tree = dir.join("rustc-1.2.3/library");
    for part in [
        "core/src",
        "portable-simd/crates/core_simd/src",
        "stdarch/crates/core_arch/src",
    ] {
        fs::create_dir_all(tree.join(part)).unwrap();
    }
    write(&tree.join("core/src/lib.rs"), "");
    let (_, err) = texts(find().env("HACHI_RUST_SRC", &tree));
    assert!(err.contains("of Rust 1.2.3"), "{err}");
    Ok(())
}

fn source_that_does_not_compile_is_reported() -> Outcome {
    let dir = scratch("bad-source");
    let tree = dir.join("library");
    for part in [
        "core/src",
        "portable-simd/crates/core_simd/src",
        "stdarch/crates/core_arch/src",
    ] {
        fs::create_dir_all(tree.join(part)).unwrap();
    }
    write(&tree.join("core/src/lib.rs"), "this is not core");
    let search = Search::default()
        .rustc(toolchain_without_source(&dir))
        .rust_src(tree)
        .cache(dir.join("cache"));
    let error = Toolchain::find(&search.clone().force(Way::Source)).unwrap_err();
    assert!(matches!(error, Error::CoreBuild { .. }));
    assert!(error.to_string().contains("same version"), "{error}");
    // When nothing is forced, the host is left, and the reason is reported.
    let found = Toolchain::find(&search).unwrap();
    assert_eq!(found.way, Way::HostRetarget);
    assert!(
        found
            .explanation
            .iter()
            .any(|line| line.contains("cannot build `core`"))
    );
    assert!(
        fs::read_dir(in_cache(&dir.join("cache"), "core"))
            .unwrap()
            .flatten()
            .all(|entry| !entry.path().is_dir()),
        "nothing half-built stays"
    );
    Ok(())
}

fn a_machine_without_rust_is_told_how_to_get_it() -> Outcome {
    if Path::new("/usr/bin/rustc").exists() {
        return Err("there is a /usr/bin/rustc".into());
    }
    let dir = scratch("no-rust");
    let (_, err) = texts(
        child("find")
            .envs(NO_RUSTUP)
            .env("HOME", &dir)
            .env("HACHI_CACHE", dir.join("cache"))
            .env_remove("RUSTC"),
    );
    assert!(
        err.contains("no usable Rust compiler") && err.contains("https://sh.rustup.rs"),
        "{err}"
    );
    Ok(())
}

fn the_survey_names_every_way() -> Outcome {
    let dir = scratch("survey");
    let search = Search::default()
        .rustc(toolchain_without_source(&dir))
        .cache(dir.join("cache"));
    let findings = Toolchain::survey(&search);
    let of = |way| {
        findings
            .iter()
            .find(|finding| finding.way == Some(way))
            .unwrap()
    };
    assert_ne!(of(Way::Prebuilt).state, State::Ready);
    let source = of(Way::Source);
    assert_eq!(source.state, State::Possible);
    assert!(source.fix.is_some());
    assert_eq!(of(Way::HostRetarget).state, State::Ready);
    assert!(
        findings
            .iter()
            .any(|finding| finding.way.is_none() && finding.subject.starts_with("rustc 1."))
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.subject.contains("LLVM") && finding.state == State::Ready)
    );
    assert!(!dir.join("cache/core").exists(), "a survey changes nothing");

    let none = Toolchain::survey(&search.rustc("/nonexistent/rustc"));
    assert!(
        none.iter()
            .any(|finding| finding.subject == "rustc" && finding.fix.is_some())
    );
    Ok(())
}
