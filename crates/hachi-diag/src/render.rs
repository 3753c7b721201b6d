//! Diagnostics with colour.

use crate::diagnostic::{Diagnostic, Severity};
use crate::layout::{Layout, Looks, Plain, Role};

/// How to show diagnostics.
///
/// ```
/// use hachi_diag::{Code, Diagnostic, Renderer};
///
/// let d = Diagnostic::error(Code::FLOATING_POINT, "floating-point arithmetic");
/// assert_eq!(Renderer::plain().render(&d), d.to_string() + "\n");
/// assert!(Renderer::styled().render(&d).contains("\u{1b}["));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Renderer {
    styled: bool,
}

impl Renderer {
    /// Text alone, as `Display` gives it.
    pub fn plain() -> Self {
        Renderer { styled: false }
    }

    /// With the escape sequences of a terminal, in rustc's colours.
    pub fn styled() -> Self {
        Renderer { styled: true }
    }

    /// The diagnostic as lines of text, each ended by a line feed.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let looks: &dyn Looks = match self.styled {
            true => &Styled,
            false => &Plain,
        };
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = Layout::new(diagnostic, looks).write(&mut text);
        text.push('\n');
        text
    }
}

struct Styled;

impl Looks for Styled {
    fn start(&self, role: Role) -> &'static str {
        match role {
            Role::Severity(Severity::Error) => "\x1b[1;31m",
            Role::Severity(Severity::Warning) => "\x1b[1;33m",
            Role::Severity(_) | Role::Note => "\x1b[1;32m",
            Role::Headline => "\x1b[1m",
            Role::Rule => "\x1b[1;34m",
            Role::Help => "\x1b[1;36m",
            Role::Added => "\x1b[32m",
            Role::Removed => "\x1b[31m",
        }
    }

    fn end(&self) -> &'static str {
        "\x1b[0m"
    }
}
