//! A user's workspace that builds its kernel side by a build script.

mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use support::{
    Outcome, assert_is_bpf_object, cache_with_core, in_cache, kept, program, real_rustc,
    real_sysroot, scratch, text, toolchain_without_source, write,
};

fn main() -> ExitCode {
    hachi_linker::intercept();
    if env::var_os("HACHI_TEST_CHILD").is_some() {
        return support::find_and_tell();
    }
    support::run(&[
        ("from_a_build_script", from_a_build_script),
        (
            "a_better_way_is_taken_when_it_opens",
            a_better_way_is_taken_when_it_opens,
        ),
    ])
}

/// A user's workspace, whose user side builds the kernel side by its build script.
struct Project {
    dir: PathBuf,
    cache: PathBuf,
    target: PathBuf,
}

impl Project {
    fn new(name: &str) -> Result<Project, String> {
        let dir = scratch(name);
        let this = Path::new(env!("CARGO_MANIFEST_DIR"));
        write(
            &dir.join("Cargo.toml"),
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"app-ebpf\", \
             \"app-common\"]\ndefault-members = [\"app\"]\n",
        );
        let manifest = |name: &str, rest: &str| {
            write(
                &dir.join(name).join("Cargo.toml"),
                &format!(
                    "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}"
                ),
            );
        };
        manifest(
            "app",
            &format!(
                "[build-dependencies]\nhachi-build = {{ path = {:?} }}\n",
                this
            ),
        );
        write(
            &dir.join("app/build.rs"),
            "fn main() -> Result<(), hachi_build::Error> {\n    \
             hachi_build::build_ebpf([\"app-ebpf\"])\n}\n",
        );
        write(
            &dir.join("app/src/main.rs"),
            "fn main() {\n    let object = include_bytes!(concat!(env!(\"OUT_DIR\"), \
             \"/app\"));\n    println!(\"object of {} bytes\", object.len());\n}\n",
        );
        manifest(
            "app-ebpf",
            "[[bin]]\nname = \"app\"\npath = \"src/main.rs\"\n[dependencies]\napp-common = { path \
             = \"../app-common\" }\n",
        );
        write(
            &dir.join("app-ebpf/src/main.rs"),
            &program("app_common::VERDICT"),
        );
        manifest("app-common", "");
        write(
            &dir.join("app-common/src/lib.rs"),
            "#![no_std]\npub const VERDICT: u32 = 2;\n",
        );
        // The versions that this project was tested with; nothing has to be asked of a registry.
        fs::copy(this.join("../../Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        // Kept between runs, since compiling the build script's dependencies takes its time.
        let target = kept("project-target");
        let _ = fs::remove_dir_all(target.join("hachi"));
        Ok(Project {
            dir,
            cache: cache_with_core()?,
            target,
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(real_sysroot().join("bin/cargo"));
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_") && name != "CARGO_HOME")
            {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(&self.dir)
            .env("RUSTC", real_rustc())
            .env("CARGO_TARGET_DIR", &self.target)
            .env("HACHI_CACHE", &self.cache)
            .env("HACHI_TOOLCHAIN", "source")
            .stdin(Stdio::null());
        command
    }

    /// Builds, and tells whether the build script ran.
    fn build_script_ran(&self) -> bool {
        let output = self
            .cargo(&["build", "--offline", "--message-format=json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let out_dir = self.out_dir(&text(&output.stdout));
        assert_is_bpf_object(&out_dir.join("app"));
        // Cargo says what a build script said also when it did not run; but it says that it
        // compiles the package.
        text(&output.stderr).contains("Compiling app v0.1.0")
    }

    fn out_dir(&self, messages: &str) -> PathBuf {
        let line = messages
            .lines()
            .find(|line| line.contains("build-script-executed") && line.contains("/app#"))
            .unwrap_or_else(|| panic!("no build script in {messages}"));
        let rest = line.split_once("\"out_dir\":\"").unwrap().1;
        rest.split_once('"').unwrap().0.into()
    }
}

fn from_a_build_script() -> Outcome {
    let project = Project::new("script")?;
    let edit = |file: &str, from: &str, to: &str| {
        let file = project.dir.join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} in {}", file.display());
        write(&file, &text.replace(from, to));
    };
    assert!(project.build_script_ran());
    assert!(
        project.target.join("hachi").is_dir(),
        "files are kept below the user's target directory"
    );
    assert!(!project.dir.join("target").exists());
    assert!(!project.build_script_ran(), "nothing changed");

    // Everything that took part counts: sources, path dependencies, manifests, settings.
    edit(
        "app-ebpf/src/main.rs",
        "app_common::VERDICT",
        "app_common::VERDICT + option_env!(\"APP_TEST\").is_some() as u32",
    );
    assert!(project.build_script_ran());
    edit("app-common/src/lib.rs", "= 2", "= 1");
    assert!(project.build_script_ran());
    edit(
        "app-ebpf/Cargo.toml",
        "[dependencies]",
        "[features]\n[dependencies]",
    );
    assert!(project.build_script_ran());
    write(
        &project.dir.join("app-ebpf/README.md"),
        "no part of the program",
    );
    assert!(!project.build_script_ran());
    let ran = |name: &str, value: &str| {
        let output = project
            .cargo(&["build", "--offline"])
            .env(name, value)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr).contains("Compiling app v0.1.0")
    };
    assert!(ran("APP_TEST", "1"), "the program asks for this variable");
    assert!(ran("HACHI_EBPF_PROFILE", "debug"));
    assert!(project.build_script_ran());
    assert!(!project.build_script_ran());

    // The user side runs, with the object inside.
    let output = project
        .cargo(&["run", "--quiet", "--locked", "--offline"])
        .output()
        .unwrap();
    assert!(
        text(&output.stdout).starts_with("object of "),
        "{}",
        text(&output.stderr)
    );

    // Release of the outer build, checking and linting work the same.
    for arguments in [
        &["build", "--release", "--offline"][..],
        &["check", "--offline"],
        &["clippy", "--offline"],
    ] {
        let output = project.cargo(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }

    // Warnings reach the user, and so do errors, with file and line and no directives among them.
    edit(
        "app-ebpf/src/main.rs",
        "app_common::VERDICT",
        "let unused = 0; app_common::VERDICT",
    );
    let output = project.cargo(&["build", "--offline"]).output().unwrap();
    let err = text(&output.stderr);
    assert!(
        err.contains("warning: app@0.1.0: unused variable: `unused`"),
        "{err}"
    );
    assert!(err.contains("app-ebpf/src/main.rs:16:"), "{err}");
    // What the linker finds as well, unless it is not to.
    let panics = "core::hint::black_box([1; 3])[core::hint::black_box(1)] +";
    edit("app-ebpf/src/main.rs", "let unused = 0;", panics);
    let output = project.cargo(&["build", "--offline"]).output().unwrap();
    let err = text(&output.stderr);
    assert!(
        err.contains(
            "warning: app@0.1.0: [may-panic] this can panic: an index may be out of bounds"
        ) && err.contains("app-ebpf/src/main.rs:16:"),
        "{err}"
    );
    let output = project
        .cargo(&["build", "--offline"])
        .env("HACHI_PANICS", "allow")
        .output()
        .unwrap();
    let err = text(&output.stderr);
    assert!(
        output.status.success() && !err.contains("can panic"),
        "{err}"
    );
    edit("app-ebpf/src/main.rs", panics, "nonsense();");
    let output = project.cargo(&["build", "--offline"]).output().unwrap();
    let err = text(&output.stderr);
    assert!(!output.status.success());
    assert!(
        err.contains("cannot find function `nonsense`") && err.contains("app-ebpf/src/main.rs:16:"),
        "{err}"
    );
    assert!(
        err.contains("`app-ebpf` was not built") && !err.contains("rerun-if"),
        "{err}"
    );
    edit("app-ebpf/src/main.rs", "nonsense();", "");
    assert!(project.build_script_ran());

    // A package that is not there.
    edit("app/build.rs", "app-ebpf", "app-bpf");
    let output = project.cargo(&["build", "--offline"]).output().unwrap();
    let err = text(&output.stderr);
    assert!(
        err.contains("no package `app-bpf`") && err.contains("`app-ebpf`"),
        "{err}"
    );
    // By its directory.
    edit("app/build.rs", "app-bpf", "../app-ebpf");
    assert!(project.build_script_ran());
    Ok(())
}

/// A script that fell back on the host runs again when there is something better.
fn a_better_way_is_taken_when_it_opens() -> Outcome {
    let project = Project::new("better")?;
    let dir = scratch("better-toolchain");
    let (rustc, cache) = (toolchain_without_source(&dir), dir.join("cache"));
    let build = || {
        let output = project
            .cargo(&["build", "--offline"])
            .env_remove("HACHI_TOOLCHAIN")
            .env("HACHI_RUSTC", &rustc)
            .env("HACHI_CACHE", &cache)
            .output()
            .unwrap();
        let err = text(&output.stderr);
        assert!(output.status.success(), "{err}");
        (
            err.contains("Compiling app v0.1.0"),
            err.contains("for the supported way"),
        )
    };
    assert_eq!(build(), (true, true));
    let (ran, warned) = build();
    assert!(
        !ran && warned,
        "cargo repeats the warning of a script that did not run"
    );
    let copied = Command::new("cp")
        .arg("-r")
        .arg(in_cache(&project.cache, "core"))
        .arg(in_cache(&cache, ""))
        .status()
        .unwrap();
    assert!(copied.success());
    assert_eq!(build(), (true, false));
    assert_eq!(build(), (false, false));
    Ok(())
}
