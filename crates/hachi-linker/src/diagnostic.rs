//! What the linker has to say about a program, in Rust's terms.

use std::fmt;

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No object can be written.
    Error,
    /// An object is written, but it may not do what its author expects.
    Warning,
    /// Background to another diagnostic.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        })
    }
}

/// A place in a source file, as the compiler's debug information gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// File name, as the compiler wrote it: relative to the package, or absolute for a dependency.
    pub file: String,
    /// Line, counted from 1; 0 when only the file is known.
    pub line: u32,
    /// Column, counted from 1; 0 when unknown.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line != 0 {
            write!(f, ":{}", self.line)?;
            if self.column != 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// One step of an inlined-from chain: the caller into which the code of the step before was copied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The place of the call.
    pub location: Location,
    /// The function that holds the call, demangled.
    pub function: Option<String>,
}

/// One finding, ready to be shown. `Display` renders it in rustc's style:
///
/// ```text
/// error: floating point is not available in eBPF
///  --> src/main.rs:12:9 in `firewall::ratio`
///   inlined from src/main.rs:31:5 in `firewall::try_firewall`
///   = help: use integer arithmetic, for example a fixed-point ratio
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The function concerned, demangled.
    pub function: Option<String>,
    /// Where the offending code is written.
    pub location: Option<Location>,
    /// Callers into which that code was inlined, innermost first.
    pub inlined_from: Vec<Frame>,
    /// Further facts, one per line.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with nothing but a message.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Level::Error, message)
    }

    /// A warning with nothing but a message.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Level::Warning, message)
    }

    fn new(level: Level, message: impl Into<String>) -> Self {
        Diagnostic {
            level,
            message: message.into(),
            function: None,
            location: None,
            inlined_from: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Names the function concerned (demangled).
    #[must_use]
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Says where the offending code is written.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Adds one further fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.message)?;
        match (&self.location, &self.function) {
            (Some(location), Some(function)) => {
                write!(f, "\n --> {location} in `{function}`")?;
            }
            (Some(location), None) => write!(f, "\n --> {location}")?,
            (None, Some(function)) => write!(f, "\n --> in `{function}`")?,
            (None, None) => {}
        }
        for frame in &self.inlined_from {
            write!(f, "\n  inlined from {}", frame.location)?;
            if let Some(function) = &frame.function {
                write!(f, " in `{function}`")?;
            }
        }
        for note in &self.notes {
            write!(f, "\n  = note: {note}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_like_rustc() {
        let place = |line| Location {
            file: "src/main.rs".into(),
            line,
            column: 9,
        };
        let mut d = Diagnostic::error("no floats")
            .in_function("a::ratio")
            .at(place(3))
            .note("seen")
            .help("use integers");
        d.inlined_from.push(Frame {
            location: place(8),
            function: Some("a::main".into()),
        });
        assert_eq!(
            d.to_string(),
            "error: no floats\n --> src/main.rs:3:9 in `a::ratio`\n  inlined from src/main.rs:8:9 in `a::main`\n  = note: seen\n  = help: use integers"
        );
    }

    #[test]
    fn a_bare_file_has_no_line() {
        let location = Location {
            file: "core.rs".into(),
            line: 0,
            column: 0,
        };
        assert_eq!(location.to_string(), "core.rs");
    }
}
