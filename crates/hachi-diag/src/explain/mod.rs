//! A cause put into words: in terms of the source, with the values that the verifier knew, and with
//! help that mends the program at hand.

mod calls;
mod control;
mod load;
mod memory;

use crate::places::Place;
use crate::state::Value;
use crate::trace::Trace;
use crate::{Cause, Diagnostic, Fix, Op, Span};

/// Explains why the program of a trace was rejected.
pub fn explain(cause: &Cause, trace: &Trace<'_>) -> Diagnostic {
    let insn = match cause.insn() {
        Some(insn) => Some(insn),
        None if cause.is_about_the_program() => None,
        None => trace.last().map(|at| trace.steps[at].insn),
    };
    let insn = insn.filter(|_| !trace.messages().is_empty() || !trace.steps.is_empty());
    let mut draft = Draft {
        trace,
        insn,
        step: insn.and_then(|insn| trace.find(insn)),
        place: insn.and_then(|insn| trace.places.of(trace, insn)),
        title: String::new(),
        because: None,
        helps: Vec::new(),
    };
    let known = memory::explain(cause, &mut draft)
        || calls::explain(cause, &mut draft)
        || control::explain(cause, &mut draft)
        || load::explain(cause, &mut draft);
    if !known {
        draft.unknown(cause);
    }
    draft.finish(cause)
}

/// An explanation in the making.
struct Draft<'d, 't> {
    trace: &'d Trace<'t>,
    /// The instruction it is about.
    insn: Option<usize>,
    /// The last step at that instruction.
    step: Option<usize>,
    place: Option<Place>,
    title: String,
    because: Option<String>,
    helps: Vec<(String, Option<Fix>)>,
}

impl<'t> Draft<'_, 't> {
    /// What happened, in one sentence without a full stop.
    fn title(&mut self, text: impl Into<String>) {
        self.title = text.into();
    }

    /// Why the verifier minds.
    fn because(&mut self, text: impl Into<String>) {
        self.because = Some(text.into());
    }

    /// What to change. Only what mends the program at hand; the most likely first.
    fn help(&mut self, text: impl Into<String>) {
        self.helps.push((text.into(), None));
    }

    /// The same as a change whose place the source tells.
    fn fix(&mut self, text: impl Into<String>, fix: Fix) {
        self.helps.push((text.into(), Some(fix)));
    }

    /// The value that the verifier's last words are about.
    fn value(&self) -> Option<&'t Value> {
        self.trace.value_before(self.step?, self.trace.subject()?)
    }

    /// The helper or kernel function called there.
    fn helper(&self) -> Option<&'t str> {
        self.trace.called(self.step?)
    }

    /// The same for a sentence.
    fn helper_name(&self) -> String {
        match self.helper() {
            Some(name) => format!("`{name}`"),
            None => "this helper".to_owned(),
        }
    }

    /// `xdp programs`
    fn programs(&self) -> String {
        match self.trace.input().kind {
            "" => "programs of this type".to_owned(),
            kind => format!("{kind} programs"),
        }
    }

    fn kind(&self) -> &'t str {
        self.trace.input().kind
    }

    /// Whether the source line, or a line that it was inlined into, has one of these.
    fn source_has(&self, parts: &[&str]) -> bool {
        let Some(place) = &self.place else {
            return false;
        };
        std::iter::once(&place.own)
            .chain(&place.inlined)
            .any(|span| parts.iter().any(|part| span.text.contains(part)))
    }

    /// Whether the program is written in C, as far as the file's name tells.
    fn is_c(&self) -> bool {
        let file = match &self.place {
            Some(place) => &place.own.file,
            None => self
                .trace
                .input()
                .lines
                .first()
                .map_or("", |line| line.file),
        };
        file.ends_with(".c") || file.ends_with(".h")
    }

    fn unknown(&mut self, cause: &Cause) {
        match cause {
            Cause::Unknown {
                message: Some(message),
            } => self.title(message.clone()),
            _ => {
                self.title("the kernel rejected the program without giving a reason");
                self.help("load it with a verifier log: `hachi check -v OBJECT`");
            }
        }
    }

    fn finish(mut self, cause: &Cause) -> Diagnostic {
        let program = self.trace.input().program;
        let headline = format!("program `{program}`: {}", self.title);
        let mut d = Diagnostic::error(cause.code(), headline);
        let mut notes = Vec::new();
        if let Cause::TooManyInstructions { .. } = cause {
            // Where the verifier happened to stop means little; where it spent its time is what to
            // change.
            d = self.hottest(d);
        } else {
            if let Some(place) = self.place.take() {
                d = at(d, place, &mut notes);
            }
            d = self.value_and_origins(d, &mut notes);
        }
        if let (Some(insn), Some(step)) = (self.insn, self.step) {
            let text = self.trace.steps[step].text;
            d = d.note(format!("instruction {insn}: {text}"));
        }
        for note in notes {
            d = d.note(note);
        }
        if let Some(because) = self.because {
            d = d.note(because);
        }
        for message in self.trace.messages() {
            d = d.note(format!("the kernel says: {message}"));
        }
        for (help, fix) in self.helps {
            d = match fix {
                Some(fix) => d.fix(help, fix),
                None => d.help(help),
            };
        }
        d
    }

    /// Adds what the verifier knew of the value concerned, and at most three stations of its way:
    /// the nearest two and the source.
    fn value_and_origins(&self, mut d: Diagnostic, notes: &mut Vec<String>) -> Diagnostic {
        let (Some(at), Some(register)) = (self.step, self.trace.subject()) else {
            return d;
        };
        if let Some(value) = self.trace.value_before(at, register) {
            let mut value = value.clone();
            // A comparison elsewhere may have proven more since the register was last printed.
            if let Some(range) = self.trace.proven() {
                value.set("r", &range.to_string());
            }
            let known = format!("{register} is {}", value.describe());
            match &mut d.primary {
                Some(primary) => primary.label = known,
                None => notes.push(known),
            }
        }
        let mut stations: Vec<(String, usize, Option<Span>)> = Vec::new();
        for origin in self.trace.origins(at, register, self.kind()) {
            let place = self.trace.places.of(self.trace, origin.insn);
            let span = place.map(|place| place.own);
            // Several steps of one expression tell the reader one thing.
            if stations
                .last()
                .is_none_or(|(what, _, last)| *what != origin.what || *last != span)
            {
                stations.push((origin.what, origin.insn, span));
            }
        }
        if stations.len() > 3 {
            let source = stations.pop();
            stations.truncate(2);
            stations.extend(source);
        }
        for (what, insn, span) in stations {
            // Several marks at one place tell less than one.
            let marked = |other: &Span| {
                span.as_ref()
                    .is_some_and(|span| span.shares_line_with(other) && span.column == other.column)
            };
            if d.primary.iter().chain(&d.secondary).any(marked) {
                continue;
            }
            match span {
                Some(span) if !span.text.trim().is_empty() || span.line > 0 => {
                    d = d.with(span.labelled(what));
                }
                _ => notes.push(format!("{what} (instruction {insn})")),
            }
        }
        d
    }

    /// Points at the lines that the verifier walked most often.
    fn hottest(&self, mut d: Diagnostic) -> Diagnostic {
        let total = self.trace.steps.len().max(1);
        for (count, span) in self.trace.places.hottest(self.trace).into_iter().take(3) {
            let share = count * 100 / total;
            d = d.with(span.labelled(format!("{share} % of the logged walk is here")));
        }
        d
    }
}

/// Puts a diagnostic at a place.
fn at(mut d: Diagnostic, place: Place, notes: &mut Vec<String>) -> Diagnostic {
    d = d.at(place.own);
    for inside in place.inside {
        let function = inside.function.as_deref();
        notes.push(match function {
            Some(function) => format!("inside `{function}` ({inside}), which is inlined there"),
            None => format!("inside {inside}, which is inlined there"),
        });
    }
    for call in place.inlined {
        d = d.inlined_at(call);
    }
    d
}

/// `1 byte`, `8 bytes`.
fn bytes(count: i64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        _ => format!("{count} bytes"),
    }
}

/// Whether a step calls a function, rather than accessing memory itself.
fn is_call(op: Option<&Op>) -> bool {
    matches!(op, Some(Op::Call { .. }))
}
