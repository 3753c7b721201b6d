//! The source files that diagnostics quote.

use std::{collections::HashMap, path::Path, rc::Rc};

use crate::Diagnostic;

/// Files larger than this are generated, and nobody reads them.
const MAX_SIZE: u64 = 8 << 20;

/// Source files, each read once.
#[derive(Default)]
pub(crate) struct Sources {
    /// By name; `None` for what cannot be read.
    files: HashMap<String, Option<Rc<str>>>,
    /// Where the lines of a file begin, of those that were asked for.
    starts: HashMap<String, Vec<usize>>,
}

impl Sources {
    /// The text of a file, if there is a regular one of that name that can be read.
    pub(crate) fn get(&mut self, file: &str) -> Option<Rc<str>> {
        if !self.files.contains_key(file) {
            let text = read(Path::new(file)).map(Rc::from);
            self.files.insert(file.to_owned(), text);
        }
        self.files.get(file)?.clone()
    }

    /// The text of one line, without what ends it.
    pub(crate) fn line(&mut self, file: &str, number: u32) -> Option<&str> {
        if !self.starts.contains_key(file) {
            let text = self.get(file)?;
            let mut starts = vec![0];
            starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
            self.starts.insert(file.to_owned(), starts);
        }
        let start = *self
            .starts
            .get(file)?
            .get(number.checked_sub(1)? as usize)?;
        let rest = self.files.get(file)?.as_deref()?.get(start..)?;
        Some(rest.lines().next().unwrap_or_default())
    }

    /// Quotes the lines that a diagnostic names.
    pub(crate) fn quote(&mut self, diagnostic: &mut Diagnostic) {
        diagnostic.find_in_sources(|file| self.get(file));
    }
}

fn read(path: &Path) -> Option<String> {
    // A device or pipe could be endless.
    hachi_obj::file::read_text(path, MAX_SIZE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Span};

    #[test]
    fn quotes_lines_of_readable_files_only() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sources.rs");
        let mut d = Diagnostic::error(Code::RECURSION, "r")
            .at(Span::new(here, 1, 1))
            .note_at("n", Span::new("/dev/zero", 1, 1))
            .note_at("m", Span::new("/nonexistent/a.rs", 1, 1));
        Sources::default().quote(&mut d);
        let mut sources = Sources::default();
        assert_eq!(sources.line(here, 2), Some(""));
        assert!(sources.line(here, 3).unwrap().starts_with("use std::"));
        assert_eq!(sources.line(here, 0), None);
        assert_eq!(sources.line(here, 1_000_000), None);
        let primary = d.primary.unwrap();
        assert_eq!(primary.text, "//! The source files that diagnostics quote.");
        assert_eq!(primary.bytes, Some((0, 1)));
        for note in d.notes {
            assert_eq!(note.span.unwrap().text, "");
        }
    }
}
