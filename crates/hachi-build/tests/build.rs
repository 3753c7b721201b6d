//! Packages, single files and build scripts, built for real.

mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use hachi_build::{Builder, Cpu, Error, Profile};
use support::{
    Outcome, assert_is_bpf_object, cache_with_core, child, debian_toolchain, program, real_rustc,
    scratch, text, texts, toolchain_without_source, write, write_script,
};

fn main() -> ExitCode {
    hachi_linker::intercept();
    match env::var("HACHI_TEST_CHILD").as_deref() {
        Ok("build") => return build_and_tell(),
        Ok(_) => return support::find_and_tell(),
        Err(_) => {}
    }
    support::run(&[
        ("release_and_debug", release_and_debug),
        ("only_stable_flags", only_stable_flags),
        ("by_a_prebuilt_core", by_a_prebuilt_core),
        ("by_the_host", by_the_host),
        ("compiler_errors_are_shown", compiler_errors_are_shown),
        (
            "linker_errors_are_shown_without_wrapping",
            linker_errors_are_shown_without_wrapping,
        ),
        ("warnings_are_shown_each_time", warnings_are_shown_each_time),
        ("wrong_packages_are_named", wrong_packages_are_named),
        (
            "a_workspace_builds_its_ebpf_members",
            a_workspace_builds_its_ebpf_members,
        ),
        ("single_files", single_files),
        ("another_linker_links_again", another_linker_links_again),
        ("two_builds_at_once", two_builds_at_once),
        ("locked_is_respected", locked_is_respected),
        (
            "build_scripts_inside_stay_build_scripts",
            build_scripts_inside_stay_build_scripts,
        ),
    ])
}

/// What a child does: build the path it is given.
fn build_and_tell() -> ExitCode {
    let mut builder = Builder::new(env::args_os().nth(1).unwrap());
    for argument in env::args().skip(2) {
        builder = match argument.as_str() {
            "--debug" => builder.profile(Profile::Debug),
            "--locked" => builder.locked(true),
            "--offline" => builder.offline(true),
            "--verbose" => builder.verbose(true),
            "--v4" => builder.cpu(Cpu::V4),
            bin => builder.bin(bin),
        };
    }
    match builder.build() {
        Ok(artifacts) => {
            for artifact in artifacts {
                println!(
                    "{} {} {}",
                    artifact.name,
                    artifact.fresh,
                    artifact.path.display()
                );
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A child that builds `path` with the `core` in the tests' cache.
fn build(path: &Path) -> Result<Command, String> {
    let mut command = child("build");
    command
        .arg(path)
        .env("HACHI_CACHE", cache_with_core()?)
        .env("HACHI_RUSTC", real_rustc())
        .env("HACHI_TOOLCHAIN", "source")
        // The cargo that runs the tests has its own.
        .env_remove("CARGO_TARGET_DIR");
    Ok(command)
}

/// The same, by another program than this one, which must be a copy of it.
fn as_program(program: &Path, path: &Path) -> Result<Command, String> {
    let model = build(path)?;
    let mut command = Command::new(program);
    command.arg(path).stdin(Stdio::null());
    for (name, value) in model.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ok(command)
}

/// A body with an array access that can panic, and a use of `core` that is not inlined at its
/// definition.
const BODY: &str = "let table = [1u32, 2, 3]; table.get(unsafe { *ctx } as \
                    usize).copied().unwrap_or(2).min(ctx as usize as u32 | 1)";

fn package(dir: &Path, body: &str) {
    write(
        &dir.join("Cargo.toml"),
        "[package]\nname = \"demo-ebpf\"\nversion = \"0.1.0\"\nedition = \
         \"2024\"\n\n[[bin]]\nname = \"demo\"\npath = \"src/main.rs\"\n\n[workspace]\n",
    );
    write(&dir.join("src/main.rs"), &program(body));
}

/// The object that a child says it built, and whether it was built already.
fn built(command: &mut Command) -> (PathBuf, bool) {
    let (out, err) = texts(command);
    let line = out
        .lines()
        .next()
        .unwrap_or_else(|| panic!("nothing was built: {err}"));
    let mut words = line.splitn(3, ' ').skip(1);
    let fresh = words.next() == Some("true");
    (words.next().unwrap().into(), fresh)
}

fn release_and_debug() -> Outcome {
    let dir = scratch("profiles");
    package(&dir, BODY);
    let (release, fresh) = built(&mut build(&dir)?);
    assert!(!fresh);
    assert!(
        release.ends_with("target/hachi/bpfel-unknown-none/release/demo")
            || cfg!(target_endian = "big")
    );
    assert_is_bpf_object(&release);
    let (debug, _) = built(build(&dir)?.arg("--debug"));
    assert_ne!(release, debug);
    assert_is_bpf_object(&debug);
    let (again, fresh) = built(&mut build(&dir)?);
    assert!(fresh && again == release, "nothing changed");
    let (v4, fresh) = built(build(&dir)?.arg("--v4"));
    assert!(!fresh);
    assert_is_bpf_object(&v4);

    // To a directory of one's own.
    let cache = cache_with_core()?;
    let out = dir.join("out");
    let search = hachi_build::Search::default()
        .cache(cache)
        .rustc(real_rustc());
    let toolchain = hachi_build::Toolchain::find(&search).map_err(|error| error.to_string())?;
    let artifacts = Builder::new(&dir)
        .target_dir(dir.join("elsewhere"))
        .out_dir(&out)
        .toolchain(toolchain)
        .build()
        .unwrap();
    assert_eq!(artifacts[0].path, out.join("demo.o"));
    assert_is_bpf_object(&out.join("demo.o"));
    assert!(dir.join("elsewhere").is_dir());
    Ok(())
}

/// The user's crates are compiled by flags that every stable compiler knows.
fn only_stable_flags() -> Outcome {
    let dir = scratch("stable");
    package(&dir, BODY);
    let log = dir.join("log");
    let rustc = dir.join("rustc");
    write_script(
        &rustc,
        &format!(
            "#!/bin/sh\necho \"BOOTSTRAP=$RUSTC_BOOTSTRAP $@\" >> '{}'\nexec '{}' \"$@\"\n",
            log.display(),
            real_rustc().display()
        ),
    );
    let mut command = build(&dir)?;
    // An environment as bad as it can be.
    command
        .env("HACHI_RUSTC", &rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zunstable-options")
        .env("CARGO_ENCODED_RUSTFLAGS", "-Zunstable-options")
        .env("CARGO_UNSTABLE_BUILD_STD", "core")
        .env("CARGO_BUILD_TARGET", "wasm32-unknown-unknown")
        .env("RUSTC_WRAPPER", "/nonexistent")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    let (object, _) = built(&mut command);
    assert_is_bpf_object(&object);
    let calls = fs::read_to_string(&log).unwrap();
    assert!(
        calls.contains("--crate-name demo") && calls.contains("--cfg=hachi_bpf"),
        "{calls}"
    );
    for call in calls.lines().filter(|call| call.contains("--crate-name")) {
        assert!(
            call.starts_with("BOOTSTRAP= ") && !call.contains(" -Z"),
            "{call}"
        );
    }
    Ok(())
}

fn by_a_prebuilt_core() -> Outcome {
    let (rustc, libraries) = debian_toolchain()?;
    let dir = scratch("by-prebuilt");
    package(&dir, BODY);
    for profile in [&[][..], &["--debug"]] {
        let (object, _) = built(
            build(&dir)?
                .args(profile)
                .env("HACHI_RUSTC", &rustc)
                .env("HACHI_TOOLCHAIN", "prebuilt")
                .env("LD_LIBRARY_PATH", &libraries),
        );
        assert_is_bpf_object(&object);
    }
    Ok(())
}

fn by_the_host() -> Outcome {
    let dir = scratch("by-host");
    package(&dir, BODY);
    for profile in [&[][..], &["--debug"]] {
        let (object, _) = built(build(&dir)?.args(profile).env("HACHI_TOOLCHAIN", "host"));
        assert!(object.to_string_lossy().contains(&support::host()));
        assert_is_bpf_object(&object);
    }
    // Not asked for, it comes with one line of warning.
    let (out, err) = texts(
        build(&dir)?
            .env_remove("HACHI_TOOLCHAIN")
            .env("HACHI_RUSTC", toolchain_without_source(&dir))
            .env("HACHI_CACHE", dir.join("cache")),
    );
    assert!(out.starts_with("demo "), "{err}");
    assert_eq!(
        err.lines()
            .filter(|line| line.starts_with("warning: "))
            .count(),
        1,
        "{err}"
    );
    Ok(())
}

fn compiler_errors_are_shown() -> Outcome {
    let dir = scratch("compile-error");
    package(&dir, "\n    nonsense");
    let (out, err) = texts(&mut build(&dir)?);
    assert_eq!(out, "");
    assert!(
        err.contains("cannot find value `nonsense`") && err.contains("src/main.rs:17:5"),
        "{err}"
    );
    assert!(err.contains("`demo-ebpf` was not built"), "{err}");
    assert!(!err.contains("aborting due to"), "{err}");

    write(
        &dir.join("src/main.rs"),
        "fn main() { println!(\"hello\") }\n",
    );
    let (_, err) = texts(&mut build(&dir)?);
    assert!(
        err.contains("can't find crate for `std`") && err.contains("#![no_std]"),
        "{err}"
    );
    Ok(())
}

fn linker_errors_are_shown_without_wrapping() -> Outcome {
    let dir = scratch("link-error");
    package(&dir, "(unsafe { *ctx } as f64 * 1.5) as u32");
    let (out, err) = texts(&mut build(&dir)?);
    assert_eq!(out, "");
    assert!(
        err.contains("error[floating-point]: ") && err.contains("src/main.rs:16:"),
        "{err}"
    );
    assert!(!err.contains("linking with"), "{err}");
    // And again, since a failure must not be taken for a result.
    let (out, err) = texts(&mut build(&dir)?);
    assert!(out.is_empty() && err.contains("src/main.rs:16:"), "{err}");
    Ok(())
}

fn warnings_are_shown_each_time() -> Outcome {
    let dir = scratch("warnings");
    package(&dir, "let unused = 1; 2");
    let without_license = fs::read_to_string(dir.join("src/main.rs"))
        .unwrap()
        .replace("\"license\"", "\"other\"");
    write(&dir.join("src/main.rs"), &without_license);
    for _ in 0..2 {
        let (out, err) = texts(&mut build(&dir)?);
        assert!(out.starts_with("demo "), "{err}");
        // One of the compiler, one of the linker.
        assert_eq!(err.matches("unused variable: `unused`").count(), 1, "{err}");
        assert!(err.matches("license").count() >= 1, "{err}");
    }
    // Gone when the cause is.
    package(&dir, "ctx as u32");
    let (_, err) = texts(&mut build(&dir)?);
    assert!(!err.contains("warning: "), "{err}");
    let (_, err) = texts(&mut build(&dir)?);
    assert!(!err.contains("warning: "), "{err}");
    Ok(())
}

fn wrong_packages_are_named() -> Outcome {
    let dir = scratch("wrong");
    let fails = |path: &Path, argument: &str| -> Result<String, String> {
        let mut command = build(path)?;
        if !argument.is_empty() {
            command.arg(argument);
        }
        let (out, err) = texts(&mut command);
        assert_eq!(out, "", "{err}");
        Ok(err)
    };
    let err = fails(&dir.join("nosuch"), "")?;
    assert!(
        err.contains("nosuch") && err.contains("Cargo.toml"),
        "{err}"
    );
    write(&dir.join("text.txt"), "");
    let err = fails(&dir.join("text.txt"), "")?;
    assert!(err.contains("text.txt"), "{err}");

    package(&dir.join("p"), "2");
    let err = fails(&dir.join("p"), "other")?;
    assert!(
        err.contains("no binary `other`") && err.contains("`demo`"),
        "{err}"
    );

    write(
        &dir.join("lib/Cargo.toml"),
        "[package]\nname = \"only-lib\"\nversion = \"0.1.0\"\n\n[workspace]\n",
    );
    write(&dir.join("lib/src/lib.rs"), "");
    let err = fails(&dir.join("lib"), "")?;
    assert!(
        err.contains("`only-lib` has no binary") && err.contains("[[bin]]"),
        "{err}"
    );

    write(&dir.join("broken/Cargo.toml"), "[package\n");
    let err = fails(&dir.join("broken"), "")?;
    assert!(
        err.contains("broken") && err.contains("cargo cannot read"),
        "{err}"
    );

    write(&dir.join("empty/Cargo.toml"), "[workspace]\n");
    let err = fails(&dir.join("empty"), "")?;
    assert!(err.contains("without an eBPF package"), "{err}");

    assert!(matches!(
        Builder::new("/nonexistent").build(),
        Err(Error::NotBuildable { .. })
    ));
    Ok(())
}

/// A stand-in for `hachi-ebpf`, which is not what is tested here.
fn write_fake_library(dir: &Path) {
    write(
        &dir.join("Cargo.toml"),
        "[package]\nname = \"hachi-ebpf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    write(
        &dir.join("src/lib.rs"),
        "#![no_std]\npub const PASS: u32 = 2;\n",
    );
}

fn a_workspace_builds_its_ebpf_members() -> Outcome {
    let dir = scratch("workspace");
    write(
        &dir.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\nexclude = [\"target\"]\n",
    );
    write_fake_library(&dir.join("library"));
    write(
        &dir.join("kernel/Cargo.toml"),
        "[package]\nname = \"kernel\"\nversion = \"0.1.0\"\nedition = \
         \"2024\"\n[dependencies]\nlib = { package = \"hachi-ebpf\", path = \"../library\" }\n",
    );
    write(&dir.join("kernel/src/main.rs"), &program("lib::PASS"));
    write(
        &dir.join("kernel/src/bin/second.rs"),
        &program("lib::PASS + 1"),
    );
    write(
        &dir.join("user/Cargo.toml"),
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    write(
        &dir.join("user/src/main.rs"),
        "fn main() { println!(\"for the host\") }\n",
    );
    let (out, err) = texts(&mut build(&dir)?);
    let mut names: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    names.sort();
    assert_eq!(names, ["kernel", "second"], "{err}");
    let (out, _) = texts(build(&dir.join("kernel/Cargo.toml"))?.arg("second"));
    assert_eq!(out.lines().count(), 1, "{out}");
    Ok(())
}

fn single_files() -> Outcome {
    let dir = scratch("single");
    let source = dir.join("src");
    write_fake_library(&source.join("ebpf/hachi-ebpf"));
    write(&source.join("crates/hachi/Cargo.toml"), "");
    let alone = dir.join("alone.rs");
    write(&alone, &program("2"));
    let (object, fresh) = built(&mut build(&alone)?);
    assert_is_bpf_object(&object);
    assert!(!fresh && object.ends_with("alone"));
    assert!(built(&mut build(&alone)?).1, "nothing changed");
    write(&alone, &program("3"));
    assert!(!built(&mut build(&alone)?).1, "changed");

    // Of an older edition, and with the library.
    let old = dir.join("my old-prog.rs");
    write(
        &old,
        &program("hachi_ebpf::PASS").replace("#[unsafe(no_mangle)]", "#[no_mangle]"),
    );
    let (object, _) = built(build(&old)?.env("HACHI_SRC", &source));
    assert_is_bpf_object(&object);
    assert!(object.ends_with("my_old-prog"), "{}", object.display());
    assert!(
        !dir.join("Cargo.toml").exists() && !dir.join("target").exists(),
        "nothing is left beside the file"
    );

    write(&alone, &program("nonsense"));
    let (_, err) = texts(&mut build(&alone)?);
    assert!(
        err.contains("alone.rs:16:") && err.contains("alone.rs` was not built"),
        "{err}"
    );
    Ok(())
}

fn another_linker_links_again() -> Outcome {
    let dir = scratch("relink");
    package(&dir, BODY);
    assert!(!built(&mut build(&dir)?).1);
    assert!(built(&mut build(&dir)?).1);
    // The same program under another name and of another date.
    let copy = dir.join("copy");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    let (object, fresh) = built(&mut as_program(&copy, &dir)?);
    assert!(!fresh);
    assert_is_bpf_object(&object);
    assert!(built(&mut as_program(&copy, &dir)?).1);
    Ok(())
}

fn two_builds_at_once() -> Outcome {
    let dir = scratch("at-once");
    package(&dir, BODY);
    let mut children = Vec::new();
    for profile in [&[][..], &[], &["--debug"]] {
        children.push(
            build(&dir)?
                .args(profile)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
    }
    for child in children {
        let end = child.wait_with_output().unwrap();
        assert!(end.status.success(), "{}", text(&end.stderr));
        let out = text(&end.stdout);
        assert_is_bpf_object(Path::new(out.trim().splitn(3, ' ').last().unwrap()));
    }
    Ok(())
}

fn locked_is_respected() -> Outcome {
    let dir = scratch("locked");
    package(&dir, "2");
    let (out, err) = texts(build(&dir)?.arg("--locked"));
    assert!(
        out.is_empty() && err.contains("--locked"),
        "there is no lock file yet: {err}"
    );
    assert!(!dir.join("Cargo.lock").exists());
    built(build(&dir)?.arg("--offline"));
    built(build(&dir)?.arg("--locked"));
    Ok(())
}

fn build_scripts_inside_stay_build_scripts() -> Outcome {
    let dir = scratch("it's an inner script");
    package(
        &dir,
        "ctx as u32 + include!(concat!(env!(\"OUT_DIR\"), \"/value\"))",
    );
    write(
        &dir.join("build.rs"),
        "fn main() {\n    assert!(std::env::var_os(\"HACHI_LINKER\").is_none());\n    \
         std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/value\", \"2\").unwrap();\n}\n",
    );
    // The linker is run from a path that a shell would like to see quoted.
    let copy = dir.join("a copy");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    for way in ["source", "host"] {
        let (object, _) = built(as_program(&copy, &dir)?.env("HACHI_TOOLCHAIN", way));
        assert_is_bpf_object(&object);
    }
    Ok(())
}
