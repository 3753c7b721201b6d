//! How the process that runs LLVM tells its parent what came out.

use crate::{Diagnostic, Frame, Level, Location};

/// What code generation yields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// LLVM's relocatable object; empty when there was no bitcode among the inputs.
    pub object: Vec<u8>,
    /// Names of the symbols that stay visible.
    pub entries: Vec<String>,
    /// (name in the object, name wanted).
    pub renames: Vec<(String, String)>,
    /// Places where the program may give up at run time (each ends the program with its abort
    /// value).
    pub abort_sites: u64,
    pub warnings: Vec<Diagnostic>,
}

/// Why there is no object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The program cannot become one.
    Rejected(Vec<Diagnostic>),
    /// The LLVM library cannot be used.
    Unusable(String),
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Failure::Rejected(diagnostics)
    }
}

/// The whole message.
pub(crate) type Outcome = Result<Compiled, Failure>;

pub(crate) fn encode(outcome: &Outcome) -> Vec<u8> {
    let mut w = Writer(Vec::new());
    match outcome {
        Ok(c) => {
            w.number(0);
            w.bytes(&c.object);
            w.list(&c.entries, |w, name| w.text(name));
            w.list(&c.renames, |w, (from, to)| {
                w.text(from);
                w.text(to);
            });
            w.number(c.abort_sites);
            w.list(&c.warnings, Writer::diagnostic);
        }
        Err(Failure::Rejected(diagnostics)) => {
            w.number(1);
            w.list(diagnostics, Writer::diagnostic);
        }
        Err(Failure::Unusable(reason)) => {
            w.number(2);
            w.text(reason);
        }
    }
    w.0
}

/// `None` when the message is cut short, as it is when the sender dies.
pub(crate) fn decode(message: &[u8]) -> Option<Outcome> {
    let mut r = Reader(message);
    let outcome = match r.number()? {
        0 => Ok(Compiled {
            object: r.bytes()?.to_vec(),
            entries: r.list(Reader::text)?,
            renames: r.list(|r| Some((r.text()?, r.text()?)))?,
            abort_sites: r.number()?,
            warnings: r.list(Reader::diagnostic)?,
        }),
        1 => Err(Failure::Rejected(r.list(Reader::diagnostic)?)),
        _ => Err(Failure::Unusable(r.text()?)),
    };
    Some(outcome)
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, n: u64) {
        self.0.extend(n.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            each(self, item);
        }
    }

    fn option<T>(&mut self, item: &Option<T>, each: impl FnOnce(&mut Self, &T)) {
        self.number(item.is_some().into());
        if let Some(item) = item {
            each(self, item);
        }
    }

    fn location(&mut self, location: &Location) {
        self.text(&location.file);
        self.number(location.line.into());
        self.number(location.column.into());
    }

    fn diagnostic(&mut self, d: &Diagnostic) {
        self.number(match d.level {
            Level::Error => 0,
            Level::Warning => 1,
            Level::Note => 2,
        });
        self.text(&d.message);
        self.option(&d.function, |w, name| w.text(name));
        self.option(&d.location, Self::location);
        self.list(&d.inlined_from, |w, frame| {
            w.location(&frame.location);
            w.option(&frame.function, |w, name| w.text(name));
        });
        self.list(&d.notes, |w, note| w.text(note));
        self.option(&d.help, |w, help| w.text(help));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.number()?;
        // Grows as items arrive: the length alone is no reason to allocate.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(each(self)?);
        }
        Some(items)
    }

    fn option<T>(&mut self, each: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            _ => Some(Some(each(self)?)),
        }
    }

    fn location(&mut self) -> Option<Location> {
        Some(Location {
            file: self.text()?,
            line: u32::try_from(self.number()?).ok()?,
            column: u32::try_from(self.number()?).ok()?,
        })
    }

    fn diagnostic(&mut self) -> Option<Diagnostic> {
        Some(Diagnostic {
            level: match self.number()? {
                0 => Level::Error,
                1 => Level::Warning,
                _ => Level::Note,
            },
            message: self.text()?,
            function: self.option(Self::text)?,
            location: self.option(Self::location)?,
            inlined_from: self.list(|r| {
                Some(Frame {
                    location: r.location()?,
                    function: r.option(Self::text)?,
                })
            })?,
            notes: self.list(Self::text)?,
            help: self.option(Self::text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Diagnostic {
        let place = Location {
            file: "src/main.rs".into(),
            line: 3,
            column: 7,
        };
        let mut d = Diagnostic::warning("message")
            .in_function("f")
            .at(place.clone())
            .note("n1")
            .note("n2")
            .help("h");
        d.inlined_from.push(Frame {
            location: place,
            function: None,
        });
        d
    }

    #[test]
    fn everything_survives_the_way() {
        let ok: Outcome = Ok(Compiled {
            object: vec![1, 2, 3],
            entries: vec!["a".into()],
            renames: vec![("x.1".into(), "x".into())],
            abort_sites: 4,
            warnings: vec![full()],
        });
        assert_eq!(decode(&encode(&ok)), Some(ok));
        let err: Outcome = Err(Failure::Rejected(vec![full(), Diagnostic::error("e")]));
        assert_eq!(decode(&encode(&err)), Some(err));
        let unusable: Outcome = Err(Failure::Unusable("why".into()));
        assert_eq!(decode(&encode(&unusable)), Some(unusable));
    }

    #[test]
    fn a_cut_message_is_no_message() {
        let whole = encode(&Err(Failure::Rejected(vec![full()])));
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "cut at {end}");
        }
    }
}
