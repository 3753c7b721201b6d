//! How the process that runs LLVM tells its parent what came out: one line of JSON, then the
//! object's bytes.

use hachi_diag::Renderer;
use hachi_diag::json::{self, Json};

use crate::{
    Diagnostic, LlvmProblem,
    lines::{Frame, Frames, LineTable},
};

/// What code generation yields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// LLVM's relocatable object; empty when there was no bitcode among the inputs.
    pub object: Vec<u8>,
    /// Names of the symbols that stay visible.
    pub entries: Vec<String>,
    /// (name in the object, name wanted).
    pub renames: Vec<(String, String)>,
    /// What stands behind the line numbers in the object.
    pub lines: LineTable,
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
    Unusable(LibraryFault),
}

/// Why a library cannot be used, found by loading it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LibraryFault {
    /// What the dynamic linker says.
    NotLoaded(String),
    /// It lacks this function.
    Lacks(String),
}

impl From<LibraryFault> for LlvmProblem {
    fn from(fault: LibraryFault) -> Self {
        match fault {
            LibraryFault::NotLoaded(message) => LlvmProblem::NotLoaded { message },
            LibraryFault::Lacks(function) => LlvmProblem::Lacks { function },
        }
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Failure::Rejected(diagnostics)
    }
}

/// The whole message.
pub(crate) type Outcome = Result<Compiled, Failure>;

/// The message as bytes.
pub(crate) fn encode(outcome: &Outcome) -> Vec<u8> {
    let mut out = String::from("{");
    let mut object: &[u8] = &[];
    match outcome {
        Ok(compiled) => {
            object = &compiled.object;
            out.push_str(&format!(
                "\"object_size\":{},\"abort_sites\":{},\"entries\":",
                object.len(),
                compiled.abort_sites
            ));
            list(&mut out, &compiled.entries, |out, name| {
                json::quote(out, name)
            });
            out.push_str(",\"renames\":");
            list(&mut out, &compiled.renames, |out, (from, to)| {
                list(out, &[from, to], |out, name| json::quote(out, name));
            });
            out.push_str(",\"lines\":");
            list(&mut out, &compiled.lines.entries, |out, (line, frame)| {
                out.push_str(&format!("[{line},{frame}]"));
            });
            out.push_str(",\"frames\":");
            list(&mut out, &compiled.lines.frames.0, frame);
            out.push_str(",\"warnings\":");
            list(&mut out, &compiled.warnings, diagnostic);
        }
        Err(Failure::Rejected(diagnostics)) => {
            out.push_str("\"rejected\":");
            list(&mut out, diagnostics, diagnostic);
        }
        Err(Failure::Unusable(fault)) => {
            let (key, text) = match fault {
                LibraryFault::NotLoaded(message) => ("not_loaded", message),
                LibraryFault::Lacks(function) => ("lacks", function),
            };
            out.push_str(&format!("\"{key}\":"));
            json::quote(&mut out, text);
        }
    }
    out.push_str("}\n");
    let mut message = out.into_bytes();
    message.extend_from_slice(object);
    message
}

/// `None` when the message is cut short, as it is when the sender dies.
pub(crate) fn decode(message: &[u8]) -> Option<Outcome> {
    let end = message.iter().position(|byte| *byte == b'\n')?;
    let (line, object) = (&message[..end], &message[end + 1..]);
    let document = json::parse(line)?;
    let document = Json::of(&document);
    if let Some(message) = document.get("not_loaded").text() {
        let fault = LibraryFault::NotLoaded(message.to_owned());
        return Some(Err(Failure::Unusable(fault)));
    }
    if let Some(function) = document.get("lacks").text() {
        let fault = LibraryFault::Lacks(function.to_owned());
        return Some(Err(Failure::Unusable(fault)));
    }
    if document.get("rejected").list().is_some() {
        return Some(Err(Failure::Rejected(diagnostics(
            document.get("rejected"),
        )?)));
    }
    if document.get("object_size").number()? != object.len() as u64 {
        return None;
    }
    let texts = |json: Json<'_>| -> Option<Vec<String>> {
        json.list()?
            .map(|item| item.text().map(str::to_owned))
            .collect()
    };
    let renames = document.get("renames").list()?.map(|pair| {
        let [from, to] = <[String; 2]>::try_from(texts(pair)?).ok()?;
        Some((from, to))
    });
    let number = |json: Json<'_>| u32::try_from(json.number()?).ok();
    let entries = document.get("lines").list()?.map(|pair| {
        let mut pair = pair.list()?;
        Some((number(pair.next()?)?, number(pair.next()?)?))
    });
    let frames = document.get("frames").list()?.map(|frame| {
        let mut parts = frame.list()?;
        Some(Frame {
            function: parts.next()?.text()?.to_owned(),
            file: parts.next()?.text()?.to_owned(),
            line: number(parts.next()?)?,
            column: number(parts.next()?)?,
            text: String::new(),
            parent: number(parts.next()?)?,
        })
    });
    Some(Ok(Compiled {
        object: object.to_vec(),
        entries: texts(document.get("entries"))?,
        renames: renames.collect::<Option<_>>()?,
        lines: LineTable {
            entries: entries.collect::<Option<_>>()?,
            frames: Frames(frames.collect::<Option<_>>()?),
        },
        abort_sites: document.get("abort_sites").number()?,
        warnings: diagnostics(document.get("warnings"))?,
    }))
}

fn frame(out: &mut String, frame: &Frame) {
    out.push('[');
    json::quote(out, &frame.function);
    out.push(',');
    json::quote(out, &frame.file);
    out.push_str(&format!(
        ",{},{},{}]",
        frame.line, frame.column, frame.parent
    ));
}

fn diagnostics(json: Json<'_>) -> Option<Vec<Diagnostic>> {
    json.list()?.map(Diagnostic::from_json).collect()
}

fn diagnostic(out: &mut String, d: &Diagnostic) {
    out.push_str(&d.to_json(Renderer::plain()));
}

fn list<T>(out: &mut String, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Span};

    fn full() -> Diagnostic {
        Diagnostic::warning(Code::MAY_PANIC, "message")
            .in_function("f")
            .at(Span::new("src/main.rs", 3, 7).with_text("    a[b]"))
            .inlined_at(Span::new("src/main.rs", 9, 1))
            .note("n1")
            .note("n2")
            .help("h")
    }

    #[test]
    fn everything_survives_the_way() {
        let ok: Outcome = Ok(Compiled {
            object: b"bytes\nof an object\n".to_vec(),
            entries: vec!["a\"\n".into()],
            renames: vec![("x.1".into(), "x".into())],
            lines: LineTable {
                entries: vec![(3, 0), (7, 1)],
                frames: Frames(vec![Frame {
                    function: "a::<\"b\">".into(),
                    file: "/src/main.rs".into(),
                    line: 7,
                    column: 5,
                    ..Frame::default()
                }]),
            },
            abort_sites: 4,
            warnings: vec![full()],
        });
        assert_eq!(decode(&encode(&ok)), Some(ok));
        let error = Diagnostic::error(Code::RECURSION, "e");
        let err: Outcome = Err(Failure::Rejected(vec![full(), error]));
        assert_eq!(decode(&encode(&err)), Some(err));
        for fault in [LibraryFault::NotLoaded, LibraryFault::Lacks] {
            let unusable: Outcome = Err(Failure::Unusable(fault("why".into())));
            assert_eq!(decode(&encode(&unusable)), Some(unusable));
        }
        let nothing: Outcome = Ok(Compiled::default());
        assert_eq!(decode(&encode(&nothing)), Some(nothing));
    }

    #[test]
    fn refuses_a_truncated_message() {
        let whole = encode(&Err(Failure::Rejected(vec![full()])));
        let object = encode(&Ok(Compiled {
            object: vec![7; 9],
            ..Compiled::default()
        }));
        for whole in [whole, object] {
            for end in 0..whole.len() {
                assert_eq!(decode(&whole[..end]), None, "cut at {end}");
            }
        }
    }
}
