//! Pins made on the way, which go again when a later step fails.

use std::path::PathBuf;

/// Pins made by this command. Dropped without [`keep`](Pins::keep), it removes them.
#[derive(Debug, Default)]
pub struct Pins(Vec<PathBuf>);

impl Pins {
    pub fn new() -> Pins {
        Pins::default()
    }

    /// Remembers a pin that was just made.
    pub fn add(&mut self, path: PathBuf) {
        self.0.push(path);
    }

    /// All went well: the pins stay.
    pub fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // Newest first: links before programs and maps. Errors have no one to be told to.
        for path in self.0.drain(..).rev() {
            let _ = hachi::pin::unpin(&path);
            // The directories that were made for it, while they are empty.
            for parent in path.ancestors().skip(1).take(2) {
                if std::fs::remove_dir(parent).is_err() {
                    break;
                }
            }
        }
    }
}
