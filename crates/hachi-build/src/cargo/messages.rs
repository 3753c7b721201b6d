//! What cargo, the compiler and the linker say, brought to the person who can act on it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::Child,
    thread,
};

use hachi_diag::{
    Code, Diagnostic, Renderer, Severity,
    json::{self, CargoTarget, Json},
};

use crate::{Error, error::IoContext};

/// Who reads the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person, directly; messages go to stderr as they come.
    Terminal {
        /// The terminal shows colours.
        color: bool,
    },
    /// Cargo, which runs us as a build script: it shows stderr only when we fail, and warnings
    /// only when they come as directives on stdout.
    BuildScript,
    /// An editor or another program: it is handed the messages as cargo writes them.
    Program,
}

/// Takes messages in cargo's JSON form, one line each, for [`Audience::Program`].
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&str);

impl Audience {
    /// Shows a warning.
    pub(crate) fn warn(self, text: &str) {
        match self {
            Audience::Program => eprintln!("{}", text.trim_end()),
            Audience::Terminal { .. } => eprintln!("{}", text.trim_end()),
            Audience::BuildScript => {
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    println!("cargo::warning={}", without_level(line));
                }
            }
        }
    }

    /// How diagnostics look to it.
    pub(crate) fn renderer(self) -> Renderer {
        match self {
            Audience::Terminal { color: true } => Renderer::styled(),
            _ => Renderer::plain(),
        }
    }

    /// Shows an error. Cargo repeats the stderr of a failed build script as it stands.
    pub(crate) fn fail(self, text: &str) {
        if !text.trim().is_empty() {
            eprintln!("{}", text.trim_end());
        }
    }
}

/// Cargo writes the word `warning: ` itself; of `warning[may-panic]: …` the code stays.
fn without_level(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("warning: ") {
        return rest.to_owned();
    }
    match line
        .strip_prefix("warning[")
        .and_then(|rest| rest.split_once("]: "))
    {
        Some((code, rest)) => format!("[{code}] {rest}"),
        None => line.to_owned(),
    }
}

impl Audience {
    /// Shows a warning of the linker's.
    pub(crate) fn warn_with(self, d: &Diagnostic, about: &About, sink: Sink<'_>) {
        match self {
            Audience::Program => about.tell(d, sink),
            _ => self.warn(&(self.renderer().render(d) + "\n")),
        }
    }

    /// Shows why the linker failed, and what it warned of before.
    pub(crate) fn fail_with(self, diagnostics: &[Diagnostic], about: &About, sink: Sink<'_>) {
        for d in diagnostics {
            match self {
                Audience::Program => about.tell(d, sink),
                _ => self.fail(&(self.renderer().render(d) + "\n")),
            }
        }
    }
}

/// The package and the binary that a message of cargo's is about, in cargo's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    package_id: String,
    manifest_path: String,
    name: String,
    src_path: String,
    edition: String,
}

impl About {
    fn of(message: Json<'_>) -> About {
        let target = message.get("target");
        let text = |json: Json<'_>| json.text().unwrap_or_default().to_owned();
        About {
            package_id: text(message.get("package_id")),
            manifest_path: text(message.get("manifest_path")),
            name: text(target.get("name")),
            src_path: text(target.get("src_path")),
            edition: text(target.get("edition")),
        }
    }

    /// Hands a diagnostic on, as cargo does with those of rustc.
    fn tell(&self, d: &Diagnostic, sink: Sink<'_>) {
        let mut d = d.clone();
        let package = Path::new(&self.manifest_path).parent();
        d.find_in_sources(|file| {
            fs::read_to_string(package.unwrap_or(Path::new("")).join(file)).ok()
        });
        let target = CargoTarget {
            package_id: &self.package_id,
            manifest_path: &self.manifest_path,
            name: &self.name,
            src_path: &self.src_path,
            edition: &self.edition,
        };
        sink(&d.to_cargo_message(Renderer::plain(), &target));
    }
}

/// A binary that cargo built or found up to date.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Up to date: not built by this call.
    pub(crate) fresh: bool,
    pub(crate) about: About,
}

/// The outcome of one call of cargo.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) built: Vec<Built>,
    /// The compiler's warnings, if the audience hears of them only at the end.
    pub(crate) warnings: Vec<String>,
    /// What cargo itself said on stderr, if that was captured.
    pub(crate) failure: String,
    /// The codes of the linker's errors.
    pub(crate) codes: Vec<Code>,
    /// What the last failed link was about.
    pub(crate) about: About,
}

/// The file to which the linker writes what it has to say, one JSON document a line. The compiler
/// quotes a linker only when it fails, and then amid its command line.
#[derive(Debug)]
pub(crate) struct LinkerDiagnostics {
    file: PathBuf,
    /// How much of it has been taken.
    taken: usize,
}

impl LinkerDiagnostics {
    /// Starts with an empty file.
    pub(crate) fn new(file: PathBuf) -> Result<Self, Error> {
        fs::write(&file, "").with_context("write", &file)?;
        Ok(LinkerDiagnostics { file, taken: 0 })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// What came since this was last called.
    pub(crate) fn take_new(&mut self) -> Vec<Diagnostic> {
        let bytes = fs::read(&self.file).unwrap_or_default();
        let new = bytes.get(self.taken..).unwrap_or_default();
        self.taken = bytes.len();
        read_lines(new)
    }
}

/// Diagnostics from a file with one JSON document a line. A line that is none is passed over.
pub(crate) fn read_lines(bytes: &[u8]) -> Vec<Diagnostic> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Diagnostic::from_json(Json::of(&json::parse(line)?)))
        .collect()
}

/// The same, written.
pub(crate) fn write_lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|d| d.to_json(Renderer::plain()) + "\n")
        .collect()
}

/// Reads all that cargo says until it ends, showing messages on the way.
pub(crate) fn collect(
    child: &mut Child,
    audience: Audience,
    linker: &mut LinkerDiagnostics,
    sink: Sink<'_>,
) -> io::Result<Collected> {
    let stderr = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut text = Vec::new();
            // What was read before an error is worth showing.
            let _ = pipe.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let mut collected = Collected::default();
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            match Message::parse(&line) {
                Message::Built(built) => collected.built.push(built),
                Message::Warning(_) | Message::Error(_) if audience == Audience::Program => {
                    sink(String::from_utf8_lossy(&line).trim_end());
                }
                // Cargo shows directives on our stdout only when the build succeeds.
                Message::Warning(text) if audience == Audience::BuildScript => {
                    collected.warnings.push(text)
                }
                Message::Warning(text) => audience.warn(&text),
                Message::Error(text) => audience.fail(&text),
                Message::LinkFailed { wrapped, about } => {
                    let said = linker.take_new();
                    // A linker that died had no time to explain, so the compiler's view is all
                    // there is.
                    match (said.is_empty(), audience) {
                        (true, Audience::Program) => {
                            sink(String::from_utf8_lossy(&line).trim_end());
                        }
                        (true, _) => audience.fail(&wrapped),
                        (false, _) => audience.fail_with(&said, &about, sink),
                    }
                    collected.codes.extend(codes_of_errors(&said));
                    collected.about = about;
                }
                Message::Plain(text) => eprintln!("{text}"),
                Message::Ignored => {}
            }
            line.clear();
        }
    }
    collected.failure = stderr
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default();
    Ok(collected)
}

/// The codes of those that are errors.
pub(crate) fn codes_of_errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = Code> {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.filter_map(|d| d.code)
}

#[derive(Debug)]
enum Message {
    Built(Built),
    Warning(String),
    Error(String),
    /// The linker failed.
    LinkFailed {
        /// The same in the compiler's words.
        wrapped: String,
        about: About,
    },
    /// Not from cargo: a macro or a build script printed it.
    Plain(String),
    Ignored,
}

impl Message {
    fn parse(line: &[u8]) -> Message {
        let Some(message) = json::parse(line) else {
            let text = String::from_utf8_lossy(line).trim_end().to_string();
            return if text.is_empty() {
                Message::Ignored
            } else {
                Message::Plain(text)
            };
        };
        let message = Json::of(&message);
        match message.get("reason").text() {
            Some("compiler-artifact") => Self::artifact(message),
            Some("compiler-message") => Self::diagnostic(message),
            _ => Message::Ignored,
        }
    }

    fn artifact(message: Json<'_>) -> Message {
        let target = message.get("target");
        match (target.get("name").text(), message.get("executable").text()) {
            (Some(name), Some(path)) if target.get("kind").holds("bin") => Message::Built(Built {
                name: name.into(),
                path: path.into(),
                fresh: message.get("fresh").is_true(),
                about: About::of(message),
            }),
            _ => Message::Ignored,
        }
    }

    fn diagnostic(message: Json<'_>) -> Message {
        let diagnostic = message.get("message");
        let headline = diagnostic.get("message").text().unwrap_or_default();
        let Some(rendered) = diagnostic.get("rendered").text() else {
            return Message::Ignored;
        };
        if headline.starts_with("linking with `") {
            return Message::LinkFailed {
                wrapped: rendered.into(),
                about: About::of(message),
            };
        }
        // What the linker says comes by another way. The counts at the end say nothing that one
        // cannot see.
        let noise = headline.starts_with("linker stderr")
            || headline.starts_with("linker stdout")
            || headline.starts_with("aborting due to ")
            || headline.ends_with(" warning emitted")
            || headline.ends_with(" warnings emitted")
            || diagnostic.get("code").get("code").text() == Some("linker_messages");
        match diagnostic.get("level").text() {
            _ if noise => Message::Ignored,
            Some(level) if level.starts_with("error") => {
                Message::Error(match first_steps(diagnostic) {
                    None => rendered.into(),
                    Some(help) => format!("{}\n  = help: {help}\n", rendered.trim_end()),
                })
            }
            // `failure-note` explains the codes of errors.
            Some("failure-note") | None => Message::Ignored,
            Some(_) => Message::Warning(rendered.into()),
        }
    }
}

/// Answers to the commonest first mistakes: what `std` has and eBPF has not, and what to use
/// instead.
fn first_steps(diagnostic: Json<'_>) -> Option<&'static str> {
    let message = diagnostic.get("message").text().unwrap_or_default();
    let about = |what: &str, names: &[&str]| {
        message.starts_with(&format!("cannot find {what} `"))
            && names
                .iter()
                .any(|name| message.contains(&format!(" `{name}`")))
    };
    Some(if message == "can't find crate for `std`" {
        "eBPF programs have no standard library: the crate, and every crate it uses, must be \
         `#![no_std]`"
    } else if about("module or crate", &["std"]) {
        "eBPF programs have no standard library; much of it is in `core` as well"
    } else if about("macro", &["println", "print", "eprintln", "eprint", "dbg"]) {
        "eBPF programs have no output: use `hachi_ebpf::info!`, and user space shows the message"
    } else if message == "can't find crate for `alloc`"
        || about("module or crate", &["alloc"])
        || about("type", &["String", "Vec", "Box"])
        || about("macro", &["format", "vec"])
    {
        "eBPF programs have no heap: use arrays (on the stack, of 512 bytes) and maps"
    } else if message.starts_with("no method named `")
        && message.contains("for struct `core::sync::atomic::")
    {
        "the compiler has no atomic operations for eBPF: use `hachi_ebpf::atomic`, with the same \
         names"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_found_among_artifacts() {
        let line = br#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"e"},
            "executable":"/t/e","fresh":true}"#;
        let Message::Built(built) = Message::parse(line) else {
            panic!("no binary")
        };
        assert_eq!((built.name.as_str(), built.fresh), ("e", true));
        assert_eq!(built.path, PathBuf::from("/t/e"));
        let line = br#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"e"},
            "executable":null,"fresh":true}"#;
        assert!(matches!(Message::parse(line), Message::Ignored));
    }

    fn diagnostic(level: &str, message: &str, code: &str) -> Message {
        Message::parse(
            format!(
                r#"{{"reason":"compiler-message","message":{{"rendered":"R\n","level":"{level}",
                "message":"{message}","code":{{"code":"{code}"}}}}}}"#
            )
            .as_bytes(),
        )
    }

    #[test]
    fn keeps_the_compilers_messages_and_drops_the_linkers_wrapping() {
        assert!(matches!(
            diagnostic("error", "cannot find value", "E0425"),
            Message::Error(text) if text == "R\n"
        ));
        assert!(matches!(
            diagnostic("warning", "unused variable", "unused"),
            Message::Warning(_)
        ));
        for (level, message) in [
            ("error", "aborting due to 1 previous error"),
            ("warning", "2 warnings emitted"),
            ("warning", "linker stderr: x"),
        ] {
            assert!(
                matches!(diagnostic(level, message, ""), Message::Ignored),
                "{message}"
            );
        }
    }

    #[test]
    fn the_linkers_failure_is_recognised() {
        let message = diagnostic(
            "error",
            "linking with `/t/hachi-linker` failed: exit status: 1",
            "",
        );
        assert!(matches!(message, Message::LinkFailed { wrapped, .. } if wrapped == "R\n"));
    }

    #[test]
    fn the_linkers_messages_are_reported_once() {
        use hachi_linker::{Code, Span};
        let file =
            std::env::temp_dir().join(format!("hachi-build-diagnostics-{}", std::process::id()));
        let mut linker = LinkerDiagnostics::new(file.clone()).unwrap();
        assert_eq!(linker.take_new(), []);
        let one = Diagnostic::error(Code::RECURSION, "one").at(Span::new("a.rs", 1, 2));
        let two = Diagnostic::warning(Code::MAY_PANIC, "two\nlines");
        let mut text = write_lines(std::slice::from_ref(&one));
        fs::write(&file, &text).unwrap();
        assert_eq!(linker.take_new(), [one]);
        text += "a line that somebody else wrote\n";
        text += &write_lines(std::slice::from_ref(&two));
        fs::write(&file, text).unwrap();
        assert_eq!(linker.take_new(), [two]);
        fs::remove_file(&file).unwrap();
        assert_eq!(linker.take_new(), []);
    }

    #[test]
    fn first_mistakes_are_explained() {
        for (message, help) in [
            ("can't find crate for `std`", "#![no_std]"),
            ("cannot find module or crate `std` in this scope", "`core`"),
            ("cannot find macro `println` in this scope", "info!"),
            ("can't find crate for `alloc`", "no heap"),
            ("cannot find type `Vec` in this scope", "no heap"),
            ("cannot find macro `format` in this scope", "no heap"),
            (
                "no method named `fetch_add` found for struct `core::sync::atomic::AtomicU64` in \
                 the current scope",
                "hachi_ebpf::atomic",
            ),
        ] {
            let Message::Error(text) = diagnostic("error", message, "") else {
                panic!("no error")
            };
            assert!(text.contains(help), "{message}: {text}");
        }
    }

    #[test]
    fn other_output_passes() {
        assert!(matches!(
            Message::parse(b"hello from a macro\n"),
            Message::Plain(text) if text == "hello from a macro"
        ));
        assert!(matches!(Message::parse(b"\n"), Message::Ignored));
        assert!(matches!(Message::parse(b"[1,2]"), Message::Ignored));
        assert!(matches!(
            Message::parse(br#"{"reason":7}"#),
            Message::Ignored
        ));
    }
}
