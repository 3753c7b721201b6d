//! What the host sends to a guest, and what the guest reports.
//!
//! The [`Plan`] is a file in the guest's initial file system; [`Event`]s come back as lines of JSON
//! over a virtio serial port.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Where the plan is in the guest.
pub const PLAN: &str = "/hachi-plan.json";

/// The name of the serial port that events go to.
pub const PORT: &str = "hachi";

/// What a guest does.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Plan {
    /// Modules to insert, in this order: paths in the guest.
    pub modules: Vec<String>,
    /// Programs to run, one after the other.
    pub runs: Vec<Run>,
    /// The guest waits for an archive of files on its serial port, with another plan among them,
    /// and goes on by that one.
    #[serde(default)]
    pub waits: bool,
    /// The time since 1970, for a guest that was saved earlier.
    #[serde(default)]
    pub time: Option<Duration>,
}

/// A test program, with its arguments.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Run {
    /// Its path, the same in the guest as outside.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The directory to run in.
    pub directory: String,
    /// Additional environment variables.
    pub environment: Vec<(String, String)>,
    /// How long one test, or the whole program if it cannot list its tests, may take.
    pub seconds: u64,
    /// Tests to leave out, since they have a result.
    #[serde(default)]
    pub without: BTreeSet<String>,
}

/// What a guest reports.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Event {
    /// The guest waits for what to run.
    Ready,
    /// The guest is up; its kernel's release.
    Booted(String),
    /// A step that failed and may not matter, such as a file system that the kernel lacks.
    Warning(String),
    /// A test of run number `run` starts; `None` for the program as a whole.
    Start {
        /// Index into [`Plan::runs`].
        run: usize,
        /// The test.
        test: Option<String>,
    },
    /// What the test wrote.
    Output(String),
    /// The test still runs.
    Alive,
    /// The test that started last has ended.
    End(End),
    /// All tests of the run with this number have ended.
    Finished(usize),
    /// All runs have ended.
    Done,
}

/// How a test ended.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct End {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// It took too long and was killed.
    pub timed_out: bool,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What it wrote to the file named by `HACHI_TEST_SKIPS`.
    pub skips: String,
    /// What it wrote to the file named by `HACHI_TEST_SUPPORT`.
    #[serde(default)]
    pub support: String,
}
