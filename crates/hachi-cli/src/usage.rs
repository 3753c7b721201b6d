//! Help, and mistakes in the command line.

use std::error::Error as _;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use hachi_diag::printable;

use crate::failure::{Failure, Kind, Result};
use crate::output::Output;

/// Shows what clap has to say: help and version were asked for and go to standard output, mistakes
/// to standard error.
pub fn show(mut error: clap::Error, out: &mut Output) -> Result {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return out.rendered(&error.render().ansi().to_string());
    }
    make_printable(&mut error);
    let mut text = error.render().ansi().to_string();
    // What the parser of a value says is not part of the context.
    if let Some(reason) = error.source().map(ToString::to_string) {
        text = text.replace(&reason, &printable(&reason));
    }
    out.note_rendered(&text)?;
    Err(Failure::silent(Kind::Usage))
}

/// What was typed is part of the message.
fn make_printable(error: &mut clap::Error) {
    let shown = |text: &String| printable(text).into_owned();
    let changed: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(shown(text)),
                ContextValue::Strings(texts) => {
                    ContextValue::Strings(texts.iter().map(shown).collect())
                }
                _ => return None,
            };
            Some((kind, value))
        })
        .collect();
    for (kind, value) in changed {
        error.insert(kind, value);
    }
}

pub fn seconds(text: &str) -> std::result::Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds such as 10 or 0.5".to_string())
}
