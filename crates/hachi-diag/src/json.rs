//! Diagnostics as JSON, in the form of rustc's own (`--error-format=json`), which editors show; and
//! the little that build scripts need to read JSON.
//!
//! One document for each diagnostic, on one line. Keys that rustc's documents do not have, and that
//! readers of these pass over: `function` of a document and of a span, and `inlined` of a child
//! that is a call by which the code was inlined. Lines and columns that are not known are 0, and so
//! are the byte offsets unless a span has been given the source of its file
//! ([`Span::find_in`](crate::Span::find_in)).
//!
//! A general JSON crate would take longer to compile than everything else in a build script that
//! uses this one.

use std::collections::HashMap;
use std::fmt::Write;

pub use tinyjson::JsonValue;

use crate::diagnostic::{Applicability, Diagnostic, Edit, Help, Note, Severity, Span};
use crate::{Code, Renderer};

/// A value somewhere in a document. Absent ones can be looked into as well, and hold nothing.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a>(Option<&'a JsonValue>);

/// Parses one document; `None` when the text is not JSON.
pub fn parse(text: &[u8]) -> Option<JsonValue> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

impl<'a> Json<'a> {
    /// The whole of a document.
    pub fn of(value: &'a JsonValue) -> Self {
        Json(Some(value))
    }

    /// The member of an object.
    pub fn get(self, name: &str) -> Json<'a> {
        Json(
            self.0
                .and_then(|value| value.get::<HashMap<String, JsonValue>>()?.get(name)),
        )
    }

    /// A string.
    pub fn text(self) -> Option<&'a str> {
        self.0?.get::<String>().map(String::as_str)
    }

    /// A whole number.
    pub fn number(self) -> Option<u64> {
        let number = *self.0?.get::<f64>()?;
        // Beyond 2^53 a float no longer tells neighbours apart.
        (number >= 0.0 && number.fract() == 0.0 && number <= (1u64 << 53) as f64)
            .then_some(number as u64)
    }

    /// The elements of an array.
    pub fn list(self) -> Option<impl Iterator<Item = Json<'a>>> {
        Some(self.0?.get::<Vec<JsonValue>>()?.iter().map(Json::of))
    }

    /// Whether this is `true`.
    pub fn is_true(self) -> bool {
        self.0.and_then(|value| value.get::<bool>()) == Some(&true)
    }

    /// Whether this is an array that holds the text.
    pub fn holds(self, text: &str) -> bool {
        self.list()
            .is_some_and(|mut items| items.any(|item| item.text() == Some(text)))
    }
}

/// Writes a string, quoted and escaped.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl Diagnostic {
    /// The diagnostic as one line of JSON; `rendered` is what the renderer makes of it.
    pub fn to_json(&self, renderer: Renderer) -> String {
        let mut out = String::from("{\"$message_type\":\"diagnostic\",\"message\":");
        quote(&mut out, &self.headline);
        out.push_str(",\"code\":");
        match self.code {
            None => out.push_str("null"),
            Some(code) => {
                out.push_str("{\"code\":");
                quote(&mut out, code.name());
                out.push_str(",\"explanation\":");
                option(&mut out, explanation(code));
                out.push('}');
            }
        }
        out.push_str(",\"level\":");
        quote(&mut out, self.severity.name());
        out.push_str(",\"function\":");
        option(&mut out, self.function.as_deref());
        out.push_str(",\"spans\":[");
        let primary = self.primary.iter().map(|span| (span, true));
        let secondary = self.secondary.iter().map(|span| (span, false));
        for (at, (span, is_primary)) in primary.chain(secondary).enumerate() {
            comma(&mut out, at);
            span.json(&mut out, is_primary, None);
        }
        out.push_str("],\"children\":[");
        let mut at = 0;
        for call in &self.inlined {
            comma(&mut out, at);
            at += 1;
            let text = match &call.function {
                Some(function) => format!("inlined into `{function}` here"),
                None => "inlined here".into(),
            };
            child(&mut out, "note", &text, true, |out| {
                call.json(out, true, None)
            });
        }
        for note in &self.notes {
            comma(&mut out, at);
            at += 1;
            child(&mut out, "note", &note.text, false, |out| {
                if let Some(span) = &note.span {
                    span.json(out, true, None);
                }
            });
        }
        for help in &self.helps {
            comma(&mut out, at);
            at += 1;
            child(&mut out, "help", &help.text, false, |out| {
                for (at, edit) in help.edits.iter().enumerate() {
                    comma(out, at);
                    edit.span.json(out, true, Some(edit));
                }
            });
        }
        out.push_str("],\"rendered\":");
        quote(&mut out, &renderer.render(self));
        out.push('}');
        out
    }

    /// The diagnostic as a message of cargo's (`--message-format=json`), on one line: what editors
    /// read that run a command in place of `cargo check`.
    pub fn to_cargo_message(&self, renderer: Renderer, of: &CargoTarget<'_>) -> String {
        let mut out = String::from("{\"reason\":\"compiler-message\",\"package_id\":");
        quote(&mut out, of.package_id);
        out.push_str(",\"manifest_path\":");
        quote(&mut out, of.manifest_path);
        out.push_str(",\"target\":{\"kind\":[\"bin\"],\"crate_types\":[\"bin\"],\"name\":");
        quote(&mut out, of.name);
        out.push_str(",\"src_path\":");
        quote(&mut out, of.src_path);
        out.push_str(",\"edition\":");
        quote(&mut out, of.edition);
        out.push_str(",\"doc\":false,\"doctest\":false,\"test\":false}");
        out.push_str(",\"message\":");
        out.push_str(&self.to_json(renderer));
        out.push('}');
        out
    }

    /// Reads what [`to_json`](Diagnostic::to_json) writes. A code that this version does not know
    /// is left out. `None` when it is something else.
    pub fn from_json(json: Json<'_>) -> Option<Diagnostic> {
        let severity = match json.get("level").text()? {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Note,
        };
        let mut d = Diagnostic {
            severity,
            code: json.get("code").get("code").text().and_then(Code::named),
            headline: json.get("message").text()?.into(),
            function: json.get("function").text().map(str::to_owned),
            primary: None,
            secondary: Vec::new(),
            inlined: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
        };
        for span in json.get("spans").list()? {
            let is_primary = span.get("is_primary").is_true();
            let span = Span::from_json(span)?;
            match is_primary && d.primary.is_none() {
                true => d.primary = Some(span),
                false => d.secondary.push(span),
            }
        }
        for child in json.get("children").list()? {
            let text = child.get("message").text()?.to_owned();
            let mut spans = child.get("spans").list()?;
            if child.get("inlined").is_true() {
                d.inlined.push(Span::from_json(spans.next()?)?);
            } else if child.get("level").text() == Some("help") {
                let edits = spans.map(|span| {
                    Some(Edit {
                        replacement: span.get("suggested_replacement").text()?.into(),
                        applicability: match span.get("suggestion_applicability").text()? {
                            "MachineApplicable" => Applicability::MachineApplicable,
                            "HasPlaceholders" => Applicability::HasPlaceholders,
                            _ => Applicability::MaybeIncorrect,
                        },
                        span: Span::from_json(span)?,
                    })
                });
                let edits = edits.collect::<Option<_>>()?;
                d.helps.push(Help {
                    text,
                    edits,
                    fix: None,
                });
            } else {
                let span = match spans.next() {
                    Some(span) => Some(Span::from_json(span)?),
                    None => None,
                };
                d.notes.push(Note { text, span });
            }
        }
        Some(d)
    }
}

/// The page of a code, where pages are compiled in.
fn explanation(code: Code) -> Option<&'static str> {
    #[cfg(feature = "pages")]
    return Some(code.page());
    #[cfg(not(feature = "pages"))]
    {
        let _ = code;
        None
    }
}

/// The package and binary that a message of cargo's is about.
#[derive(Debug, Clone, Copy)]
pub struct CargoTarget<'a> {
    /// The package, as cargo identifies it.
    pub package_id: &'a str,
    /// Its `Cargo.toml`.
    pub manifest_path: &'a str,
    /// The binary.
    pub name: &'a str,
    /// Its main source file.
    pub src_path: &'a str,
    /// The edition of Rust that it is written in, such as `2024`.
    pub edition: &'a str,
}

impl Span {
    fn json(&self, out: &mut String, is_primary: bool, edit: Option<&Edit>) {
        out.push_str("{\"file_name\":");
        quote(out, &self.file);
        let (byte_start, byte_end) = self.bytes.unwrap_or((0, 0));
        let _ = write!(
            out,
            ",\"byte_start\":{byte_start},\"byte_end\":{byte_end},\
             \"line_start\":{},\"line_end\":{},\"column_start\":{},\"column_end\":{},\
             \"is_primary\":{is_primary},\"text\":[",
            self.line, self.end_line, self.column, self.end_column
        );
        if !self.text.is_empty() {
            let end = match self.end_line == self.line {
                true => self.end_column,
                false => self.text.trim_end().chars().count() as u32 + 1,
            };
            out.push_str("{\"text\":");
            quote(out, &self.text);
            let _ = write!(
                out,
                ",\"highlight_start\":{},\"highlight_end\":{end}}}",
                self.column
            );
        }
        out.push_str("],\"label\":");
        option(out, (!self.label.is_empty()).then_some(&self.label));
        out.push_str(",\"function\":");
        option(out, self.function.as_deref());
        out.push_str(",\"suggested_replacement\":");
        option(out, edit.map(|edit| edit.replacement.as_str()));
        out.push_str(",\"suggestion_applicability\":");
        option(out, edit.map(|edit| edit.applicability.name()));
        out.push_str(",\"expansion\":null}");
    }

    fn from_json(json: Json<'_>) -> Option<Span> {
        let number = |name| u32::try_from(json.get(name).number()?).ok();
        let first = json.get("text").list()?.next();
        let text = first.and_then(|line| line.get("text").text());
        Some(Span {
            file: json.get("file_name").text()?.into(),
            line: number("line_start")?,
            column: number("column_start")?,
            end_line: number("line_end")?,
            end_column: number("column_end")?,
            bytes: Some((number("byte_start")?, number("byte_end")?)).filter(|at| *at != (0, 0)),
            text: text.unwrap_or_default().into(),
            function: json.get("function").text().map(str::to_owned),
            label: json.get("label").text().unwrap_or_default().into(),
        })
    }
}

fn child(
    out: &mut String,
    level: &str,
    text: &str,
    inlined: bool,
    spans: impl FnOnce(&mut String),
) {
    out.push_str("{\"message\":");
    quote(out, text);
    out.push_str(",\"code\":null,\"level\":");
    quote(out, level);
    let _ = write!(out, ",\"inlined\":{inlined},\"spans\":[");
    spans(out);
    out.push_str("],\"children\":[],\"rendered\":null}");
}

fn option(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => quote(out, text),
        None => out.push_str("null"),
    }
}

fn comma(out: &mut String, at: usize) {
    if at > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Diagnostic {
        let mut place = Span::new("src/\"main\".rs", 3, 7).with_text("\tlet é = a / b;\u{1}");
        place.bytes = Some((40, 41));
        Diagnostic::warning(Code::FLOATING_POINT, "head\nline")
            .in_function("a::f")
            .at(place.clone().labelled("here"))
            .with(Span::new("b.rs", 0, 0).in_function("g").labelled("there"))
            .inlined_at(Span::new("src/main.rs", 9, 0).in_function("a::caller"))
            .inlined_at(Span::new("src/main.rs", 12, 5))
            .note("n1")
            .note_at("n2", place.clone().until(4, 2))
            .help("h1")
            .suggest(
                "h2",
                [Edit::new(place, "x \\ y", Applicability::HasPlaceholders)],
            )
    }

    #[test]
    fn everything_survives_writing_and_reading() {
        for d in [full(), Diagnostic::error(Code::RECURSION, "e")] {
            let text = d.to_json(Renderer::plain());
            assert!(!text.contains('\n'), "{text}");
            let document = parse(text.as_bytes()).unwrap();
            assert_eq!(Diagnostic::from_json(Json::of(&document)), Some(d));
        }
    }

    #[test]
    fn refuses_a_truncated_document() {
        let text = full().to_json(Renderer::plain());
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(parse(&text.as_bytes()[..end]).is_none(), "cut at {end}");
        }
        for other in ["{}", "[]", r#"{"level":"error","message":"m","spans":[]}"#] {
            let document = parse(other.as_bytes()).unwrap();
            assert_eq!(Diagnostic::from_json(Json::of(&document)), None, "{other}");
        }
    }

    #[test]
    fn the_keys_are_rustcs() {
        let text = full().to_json(Renderer::plain());
        let document = parse(text.as_bytes()).unwrap();
        let json = Json::of(&document);
        assert_eq!(json.get("$message_type").text(), Some("diagnostic"));
        assert_eq!(json.get("code").get("code").text(), Some("floating-point"));
        assert_eq!(json.get("rendered").text(), Some(&*format!("{}\n", full())));
        let span = json.get("spans").list().unwrap().next().unwrap();
        for (key, value) in [
            ("byte_start", 40),
            ("line_start", 3),
            ("line_end", 3),
            ("column_start", 7),
            ("column_end", 8),
        ] {
            assert_eq!(span.get(key).number(), Some(value), "{key}");
        }
        let line = span.get("text").list().unwrap().next().unwrap();
        assert_eq!(line.get("text").text(), Some("\tlet é = a / b;\u{1}"));
        assert_eq!(line.get("highlight_start").number(), Some(7));
        let children: Vec<_> = json.get("children").list().unwrap().collect();
        let levels: Vec<_> = children
            .iter()
            .map(|c| c.get("level").text().unwrap())
            .collect();
        assert_eq!(levels, ["note", "note", "note", "note", "help", "help"]);
    }

    #[test]
    fn cargos_message_wraps_it() {
        let of = CargoTarget {
            package_id: "p",
            manifest_path: "/p/Cargo.toml",
            name: "prog",
            src_path: "/p/src/main.rs",
            edition: "2021",
        };
        let text = full().to_cargo_message(Renderer::plain(), &of);
        let document = parse(text.as_bytes()).unwrap();
        let json = Json::of(&document);
        assert_eq!(json.get("reason").text(), Some("compiler-message"));
        assert_eq!(json.get("target").get("name").text(), Some("prog"));
        assert!(json.get("target").get("kind").holds("bin"));
        assert_eq!(Diagnostic::from_json(json.get("message")), Some(full()));
    }

    #[test]
    fn absent_parts_are_null() {
        let text = r#" {"a": {"b": ["x", 1, "y"], "t": true}, "s": "\u001b[1mé\n", "n": 1.5} "#;
        let document = parse(text.as_bytes()).unwrap();
        let document = Json::of(&document);
        assert!(document.get("a").get("b").holds("y") && !document.get("a").get("b").holds("z"));
        assert_eq!(document.get("a").get("b").list().unwrap().count(), 3);
        assert!(document.get("a").get("t").is_true());
        assert_eq!(document.get("s").text(), Some("\u{1b}[1mé\n"));
        assert_eq!(document.get("n").number(), None);
        assert_eq!(document.get("no").get("such").text(), None);
        let string = document.get("s");
        assert!(string.list().is_none() && !string.is_true() && !document.holds("a"));
        assert!(parse(b"not json").is_none() && parse(b"").is_none() && parse(b"\xff").is_none());
    }
}
