//! The arguments of an attribute: `flag`, `key = "value"`.

use proc_macro::{Ident, Literal, TokenStream, TokenTree};

use crate::tokens::{Error, is_punct, split_commas};

/// One argument.
pub struct Arg {
    pub key: Ident,
    /// What stands after `=`.
    value: Option<Literal>,
}

/// A string literal.
pub struct Text {
    pub text: String,
    pub literal: Literal,
}

/// Reads the arguments of the attribute `name`.
pub fn parse(attribute: TokenStream) -> Result<Vec<Arg>, Error> {
    split_commas(attribute).into_iter().map(arg).collect()
}

fn arg(tokens: Vec<TokenTree>) -> Result<Arg, Error> {
    match &tokens[..] {
        [TokenTree::Ident(key)] => Ok(Arg {
            key: key.clone(),
            value: None,
        }),
        [TokenTree::Ident(key), equals, TokenTree::Literal(literal)] if is_punct(equals, '=') => {
            Ok(Arg {
                key: key.clone(),
                value: Some(literal.clone()),
            })
        }
        [first, ..] => Err(Error::new(
            first.span(),
            "expected a word, or a word with a value: `key = \"value\"`",
        )),
        [] => unreachable!("split_commas makes no empty part but before a comma"),
    }
}

impl Arg {
    /// The string, which must be there.
    pub fn into_text(self) -> Result<Text, Error> {
        let literal = self.value("\"…\"")?;
        let text = literal.to_string();
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        match text {
            // A name needs no escapes.
            Some(text) if !text.contains('\\') => Ok(Text {
                text: text.to_owned(),
                literal,
            }),
            _ => Err(Error::new(
                literal.span(),
                "expected a plain string such as \"name\"",
            )),
        }
    }

    /// The number, which must be there.
    pub fn into_number(self) -> Result<u64, Error> {
        let literal = self.value("0")?;
        let text = literal.to_string().replace('_', "");
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map_err(|_| Error::new(literal.span(), "expected a number"))
    }

    fn value(&self, example: &str) -> Result<Literal, Error> {
        self.value.clone().ok_or_else(|| {
            Error::new(
                self.key.span(),
                format!("`{}` needs a value: `{} = {example}`", self.key, self.key),
            )
        })
    }

    /// Makes sure that there is no string.
    pub fn flag(&self) -> Result<(), Error> {
        match &self.value {
            None => Ok(()),
            Some(value) => Err(Error::new(
                value.span(),
                format!("`{}` takes no value", self.key),
            )),
        }
    }
}

/// Checks that a symbol may have this name.
pub fn check_name(name: &Text) -> Result<(), Error> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.text.is_empty() || !name.text.chars().all(good) {
        return Err(Error::new(
            name.literal.span(),
            "a name consists of letters, digits, `_` and `.`: the kernel takes no others",
        ));
    }
    Ok(())
}
