//! Runs the `hachi-agent` command.
// Each test file uses its own part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the command gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A directory with a store of images in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `hachi-agent image` with the store `images` of this place.
    pub fn image<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hachi-agent"));
        command.arg("image").args(arguments);
        self.run(&mut command)
    }

    fn run(&self, command: &mut Command) -> Run {
        command
            .stdin(Stdio::null())
            .env("HACHI_IMAGES", self.path("images"))
            // Nobody's stored credentials are sent anywhere.
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("REGISTRY_AUTH_FILE", self.path("auth.json"));
        Run::of(command)
    }

    /// Writes a key pair: `NAME.pem` and `NAME.pub`.
    pub fn key(&self, name: &str) -> (PathBuf, PathBuf) {
        let (private, public) = (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.pub")),
        );
        let openssl = |arguments: &[&OsStr]| {
            let output = Command::new("openssl").args(arguments).output();
            let output = output.expect("openssl runs");
            assert!(output.status.success(), "{output:?}");
        };
        let text = |text: &'static str| OsStr::new(text);
        openssl(&[
            text("genpkey"),
            text("-algorithm"),
            text("EC"),
            text("-pkeyopt"),
            text("ec_paramgen_curve:P-256"),
            text("-out"),
            private.as_os_str(),
        ]);
        openssl(&[
            text("pkey"),
            text("-in"),
            private.as_os_str(),
            text("-pubout"),
            text("-out"),
            public.as_os_str(),
        ]);
        (private, public)
    }
}

impl Run {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Run {
        let output = command.output().expect("the command runs");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn code(self, expected: i32) -> Run {
        assert_eq!(self.code, expected, "{self:?}");
        self
    }

    /// Checks that stderr holds all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Run {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} not in {self:?}");
        }
        self
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let run = self.code(0);
        serde_json::from_str(&run.stdout).expect("the output is JSON")
    }
}

/// An object that is kept with the command's tests.
pub fn object(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../hachi-cli/tests/objects")
        .join(name)
}
