//! Programs of the examples, running, with what they print.

use super::wait_until;
use hachi_test::{Guarded, TempDir};
use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

/// A program that runs until it is asked to end. It prints into a file, which can be looked at
/// before.
pub struct Running {
    process: Guarded,
    output: TempDir,
}

impl Running {
    /// Starts it, and waits until it has printed `ready`.
    #[track_caller]
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let output = TempDir::new().unwrap();
        let file = |name| File::create(output.join(name)).unwrap();
        let process = Guarded::spawn(command.stdout(file("stdout")).stderr(file("stderr")));
        let mut this = Running {
            process: process.unwrap(),
            output,
        };
        this.wait_for(ready);
        this
    }

    /// What it has printed until now.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output.join("stdout")).unwrap()).into_owned()
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output.join("stderr")).unwrap()).into_owned()
    }

    /// The line that has all the words in it, as soon as it is printed.
    #[track_caller]
    pub fn wait_for_line(&mut self, words: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("a line with {words:?}"), || {
            // Only whole lines.
            let text = self.text();
            let lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let fits = |line: &&str| words.iter().all(|word| line.contains(word));
            found = lines.map(str::trim_end).find(fits).map(str::to_owned);
            let (running, errors) = (self.process.is_running(), self.errors());
            assert!(running || found.is_some(), "it has ended: {text}{errors}");
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Waits until it has printed `text`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_for_line(&[text]);
    }

    /// Ends it as Ctrl-C does, and gives all it has printed.
    #[track_caller]
    pub fn interrupt(self) -> String {
        let Running { process, output } = self;
        // Long for a guest, where `profile` reads the symbols of its test.
        let (status, _) = process.interrupt(Duration::from_secs(60)).unwrap();
        let text = |name| fs::read_to_string(output.join(name)).unwrap();
        assert!(status.success(), "{status}: {}", text("stderr"));
        text("stdout")
    }
}
