//! Reads the declarations in `kernel_types!`.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::scalars::SCALARS;
use crate::tokens::{Error, is_group, is_ident, is_punct, split_commas};

/// A declaration.
pub enum Item {
    Composite(Composite),
    Enum(Enum),
    /// A function whose arguments programs get.
    Function(Function),
    /// A function that programs call.
    Kfunc(Function),
    /// A structure of functions that programs are.
    Ops(Ops),
}

/// Attributes and visibility, and the name.
pub struct Head {
    /// Documentation and other attributes.
    pub attributes: TokenStream,
    pub visibility: TokenStream,
    pub name: Ident,
    /// What the kernel calls it.
    pub kernel_name: String,
}

/// A structure or union.
pub struct Composite {
    pub head: Head,
    /// `struct`, `union` or `typedef`.
    pub keyword: String,
    pub fields: Vec<Field>,
}

pub struct Field {
    pub head: Head,
    pub ty: Type,
    /// Width of a bit field.
    pub bits: Option<String>,
}

pub struct Enum {
    pub head: Head,
    /// The integer it is.
    pub repr: TokenStream,
    /// Name and value, attributes before the name.
    pub variants: Vec<(TokenStream, Ident, TokenStream)>,
}

pub struct Function {
    pub head: Head,
    /// May the kernel lack it?
    pub weak: bool,
    /// Does its author say that it is safe to call?
    pub says_safe: bool,
    pub params: Vec<(Ident, Type)>,
    pub result: Option<Type>,
}

/// A structure of functions and data, as a trait.
pub struct Ops {
    pub head: Head,
    pub data: Vec<(Head, Type)>,
    pub functions: Vec<Function>,
}

/// A type as it is declared.
pub enum Type {
    /// An integer, `bool`, or a pointer to such a thing: the tokens as they are.
    Scalar(TokenStream),
    /// A number of an enumerator: of an enum declared elsewhere, or if it is an integer, of one
    /// without a name.
    Enum(Ident),
    /// A pointer to a structure declared elsewhere.
    Pointer(TokenStream),
    /// A structure declared elsewhere, embedded.
    Named(TokenStream),
    /// A structure or union without a name, declared here.
    Anonymous(Vec<Field>, Span),
    Array(Box<Type>, TokenTree),
    /// Memory that a program lends the kernel.
    Reference {
        mutable: bool,
        to: Box<Type>,
        span: Span,
    },
}

pub fn is_scalar(name: &str) -> bool {
    SCALARS.contains(&name)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<TokenTree>>,
    /// The last token, for errors at the end.
    last: Span,
}

pub fn items(tokens: Vec<TokenTree>) -> Result<Vec<Item>, Error> {
    let mut parser = Parser::new(tokens, Span::call_site());
    let mut items = Vec::new();
    while parser.tokens.peek().is_some() {
        items.push(parser.item()?);
    }
    Ok(items)
}

/// The functions in an `extern "C" { … }`.
pub fn extern_block(item: TokenStream) -> Result<Vec<Function>, Error> {
    const LOOKS: &str = "an `extern \"C\"` block, with the functions in it";
    let mut parser = Parser::new(item.into_iter().collect(), Span::call_site());
    let (attributes, _) = parser.attributes()?;
    parser.tokens.next_if(|token| is_ident(token, "unsafe"));
    if parser
        .tokens
        .next_if(|token| is_ident(token, "extern"))
        .is_none()
    {
        return parser.expected(LOOKS);
    }
    if let Some(TokenTree::Literal(abi)) = parser
        .tokens
        .next_if(|token| matches!(token, TokenTree::Literal(_)))
        && abi.to_string() != "\"C\""
    {
        return Err(Error::new(abi.span(), "the kernel's functions are `\"C\"`"));
    }
    let body = parser.group(Delimiter::Brace, LOOKS)?;
    parser.end()?;
    let mut parser = Parser::of(&body);
    let mut functions = Vec::new();
    while parser.tokens.peek().is_some() {
        functions.push(parser.foreign(&attributes)?);
    }
    Ok(functions)
}

impl Parser {
    fn new(tokens: Vec<TokenTree>, last: Span) -> Self {
        Parser {
            tokens: tokens.into_iter().peekable(),
            last,
        }
    }

    fn of(group: &Group) -> Self {
        Parser::new(group.stream().into_iter().collect(), group.span_close())
    }

    fn next(&mut self) -> Option<TokenTree> {
        let token = self.tokens.next()?;
        self.last = token.span();
        Some(token)
    }

    /// An error at the next token.
    fn expected<T>(&mut self, what: &str) -> Result<T, Error> {
        let span = self.tokens.peek().map_or(self.last, TokenTree::span);
        Err(Error::new(span, format!("expected {what}")))
    }

    fn eat_punct(&mut self, c: char) -> bool {
        self.tokens.next_if(|token| is_punct(token, c)).is_some()
    }

    fn ident(&mut self, what: &str) -> Result<Ident, Error> {
        match self.tokens.peek() {
            Some(TokenTree::Ident(ident)) => {
                let ident = ident.clone();
                self.next();
                Ok(ident)
            }
            _ => self.expected(what),
        }
    }

    fn group(&mut self, delimiter: Delimiter, what: &str) -> Result<Group, Error> {
        match self.tokens.peek() {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
                let group = group.clone();
                self.next();
                Ok(group)
            }
            _ => self.expected(what),
        }
    }

    /// Attributes; `#[name = "…"]`, which is ours, is taken out.
    fn attributes(&mut self) -> Result<(TokenStream, Option<String>), Error> {
        let (mut attributes, mut name) = (TokenStream::new(), None);
        while let Some(hash) = self.tokens.next_if(|token| is_punct(token, '#')) {
            let group = self.group(Delimiter::Bracket, "an attribute")?;
            let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
            match &tokens[..] {
                [first, _, TokenTree::Literal(text)] if is_ident(first, "name") => {
                    name = Some(text.to_string().trim_matches('"').to_owned());
                }
                _ => attributes.extend([hash, group.into()]),
            }
        }
        Ok((attributes, name))
    }

    fn visibility(&mut self) -> TokenStream {
        let mut visibility = TokenStream::new();
        if let Some(token) = self.tokens.next_if(|token| is_ident(token, "pub")) {
            visibility.extend([token]);
            let restricted = |token: &TokenTree| is_group(token, Delimiter::Parenthesis);
            visibility.extend(self.tokens.next_if(restricted));
        }
        visibility
    }

    fn item(&mut self) -> Result<Item, Error> {
        let (attributes, kernel_name) = self.attributes()?;
        let visibility = self.visibility();
        const WHAT: &str =
            "`struct`, `union`, `typedef`, `enum`, `trait`, `fn`, `kfunc` or `weak kfunc`";
        let keyword = self.ident(WHAT)?;
        let span = keyword.span();
        let mut keyword = keyword.to_string();
        let weak = keyword == "weak";
        if weak {
            keyword = self.ident("`kfunc`")?.to_string();
        }
        let name = self.ident("a name")?;
        let head = head(attributes, visibility, name, kernel_name);
        match keyword.as_str() {
            "struct" | "union" | "typedef" => {
                let fields = if self.eat_punct(';') {
                    Vec::new()
                } else {
                    fields(&self.group(Delimiter::Brace, "fields in braces, or `;`")?)?
                };
                Ok(Item::Composite(Composite {
                    head,
                    keyword,
                    fields,
                }))
            }
            "enum" => self.enumeration(head).map(Item::Enum),
            "trait" => self.ops(head).map(Item::Ops),
            "fn" => self.function(head, weak).map(Item::Function),
            "kfunc" => self.function(head, weak).map(Item::Kfunc),
            _ => Err(Error::new(span, format!("expected {WHAT}"))),
        }
    }

    /// `#[weak] pub safe fn name(…) -> type;`; `common` are attributes of the block.
    fn foreign(&mut self, common: &TokenStream) -> Result<Function, Error> {
        let (own, kernel_name) = self.attributes()?;
        let (own, weak) = without_weak(own);
        let attributes = common.clone().into_iter().chain(own).collect();
        let visibility = self.visibility();
        let says_safe = self
            .tokens
            .next_if(|token| is_ident(token, "safe"))
            .is_some();
        self.tokens.next_if(|token| is_ident(token, "unsafe"));
        let keyword = self.ident("`fn`")?;
        match keyword.to_string().as_str() {
            "fn" => {}
            "static" => {
                return Err(Error::new(
                    keyword.span(),
                    "variables of the kernel are `ksym!(NAME: type)`",
                ));
            }
            _ => return Err(Error::new(keyword.span(), "expected `fn`")),
        }
        let name = self.ident("a name")?;
        let head = head(attributes, visibility, name, kernel_name);
        let mut function = self.function(head, weak)?;
        function.says_safe = says_safe;
        Ok(function)
    }

    /// `: u32 { A = 0, … }`
    fn enumeration(&mut self, head: Head) -> Result<Enum, Error> {
        if !self.eat_punct(':') {
            return self.expected("`:` and the integer that the enum is");
        }
        let repr = TokenTree::from(self.ident("an integer type")?).into();
        let body = self.group(Delimiter::Brace, "enumerators in braces")?;
        let mut variants = Vec::new();
        for part in split_commas(body.stream()) {
            let mut parser = Parser::new(part, body.span_close());
            let (attributes, _) = parser.attributes()?;
            let name = parser.ident("an enumerator")?;
            if !parser.eat_punct('=') {
                return parser.expected("`=` and the enumerator's value");
            }
            variants.push((attributes, name, parser.tokens.collect()));
        }
        Ok(Enum {
            head,
            repr,
            variants,
        })
    }

    /// `{ const name: type; fn name(…) -> type; … }`
    fn ops(&mut self, head_of_all: Head) -> Result<Ops, Error> {
        let body = self.group(Delimiter::Brace, "members in braces")?;
        let mut parser = Parser::of(&body);
        let (mut data, mut functions) = (Vec::new(), Vec::new());
        while parser.tokens.peek().is_some() {
            let (attributes, kernel_name) = parser.attributes()?;
            let keyword = parser.ident("`const` or `fn`")?;
            let name = parser.ident("a member's name")?;
            let head = head(attributes, TokenStream::new(), name, kernel_name);
            match keyword.to_string().as_str() {
                "fn" => functions.push(parser.function(head, false)?),
                "const" => {
                    if !parser.eat_punct(':') {
                        return parser.expected("`:` and the member's type");
                    }
                    data.push((head, parser.ty()?));
                    if !parser.eat_punct(';') {
                        return parser.expected("`;`");
                    }
                }
                _ => return Err(Error::new(keyword.span(), "expected `const` or `fn`")),
            }
        }
        Ok(Ops {
            head: head_of_all,
            data,
            functions,
        })
    }

    /// `(name: type, …) -> type;`
    fn function(&mut self, head: Head, weak: bool) -> Result<Function, Error> {
        let group = self.group(Delimiter::Parenthesis, "parameters in parentheses")?;
        let mut params = Vec::new();
        for part in split_commas(group.stream()) {
            let mut parser = Parser::new(part, group.span_close());
            let name = parser.ident("a parameter's name")?;
            if !parser.eat_punct(':') {
                return parser.expected("`:` and the parameter's type");
            }
            params.push((name, parser.ty_or_reference()?));
            parser.end()?;
        }
        let mut result = None;
        if self.eat_punct('-') {
            self.eat_punct('>');
            result = Some(self.ty_or_reference()?);
        }
        if !self.eat_punct(';') {
            return self.expected("`;`");
        }
        Ok(Function {
            head,
            weak,
            says_safe: false,
            params,
            result,
        })
    }

    /// `&mut type`, or a type.
    fn ty_or_reference(&mut self) -> Result<Type, Error> {
        let Some(ampersand) = self.tokens.next_if(|token| is_punct(token, '&')) else {
            return self.ty();
        };
        let span = ampersand.span();
        let mutable = self
            .tokens
            .next_if(|token| is_ident(token, "mut"))
            .is_some();
        let to = Box::new(self.ty()?);
        Ok(Type::Reference { mutable, to, span })
    }

    fn ty(&mut self) -> Result<Type, Error> {
        if self.tokens.peek().is_some_and(|token| is_punct(token, '*')) {
            return self.pointer();
        }
        if let Some(TokenTree::Group(group)) = self.tokens.peek()
            && group.delimiter() == Delimiter::Bracket
        {
            let mut inner = Parser::of(group);
            self.next();
            let element = inner.ty()?;
            if !inner.eat_punct(';') {
                return inner.expected("`;` and the number of elements");
            }
            let Some(count) = inner.next() else {
                return inner.expected("the number of elements");
            };
            inner.end()?;
            return Ok(Type::Array(Box::new(element), count));
        }
        let first = self.ident("a type")?;
        match first.to_string().as_str() {
            "enum" => return self.ident("the enum's name").map(Type::Enum),
            "struct" | "union" => {
                let group = self.group(Delimiter::Brace, "fields in braces")?;
                return Ok(Type::Anonymous(fields(&group)?, first.span()));
            }
            _ => {}
        }
        let (path, last) = self.path(first)?;
        Ok(match is_scalar(&last) {
            true => Type::Scalar(path),
            false => Type::Named(path),
        })
    }

    /// The rest of a path, and its last segment.
    fn path(&mut self, first: Ident) -> Result<(TokenStream, String), Error> {
        let mut last = first.to_string();
        let mut path = TokenStream::from(TokenTree::from(first));
        while let Some(colon) = self.tokens.next_if(|token| is_punct(token, ':')) {
            path.extend([colon]);
            path.extend(self.tokens.next_if(|token| is_punct(token, ':')));
            let next = self.ident("the next segment of the path")?;
            last = next.to_string();
            path.extend([TokenTree::from(next)]);
        }
        Ok((path, last))
    }

    /// `*const T`: a handle, if `T` is a structure.
    fn pointer(&mut self) -> Result<Type, Error> {
        let mut stars = TokenStream::new();
        let mut depth = 0;
        while let Some(star) = self.tokens.next_if(|token| is_punct(token, '*')) {
            let Some(kind) = self
                .tokens
                .next_if(|token| is_ident(token, "const") || is_ident(token, "mut"))
            else {
                return self.expected("`const` or `mut`");
            };
            stars.extend([star, kind]);
            depth += 1;
        }
        let first = self.ident("what the pointer points to")?;
        let (path, last) = self.path(first)?;
        if is_scalar(&last) {
            stars.extend(path);
            return Ok(Type::Scalar(stars));
        }
        if depth > 1 {
            return Err(Error::new(
                self.last,
                "a pointer to pointers is read as an address: write `*const *const c_void`",
            ));
        }
        Ok(Type::Pointer(path))
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.tokens.peek() {
            None => Ok(()),
            Some(_) => self.expected("nothing more here"),
        }
    }
}

/// Attributes but `#[weak]`, and whether that was among them.
fn without_weak(attributes: TokenStream) -> (TokenStream, bool) {
    let tokens: Vec<TokenTree> = attributes.into_iter().collect();
    let is_weak = |pair: &[TokenTree]| match pair {
        [_, TokenTree::Group(group)] => group.stream().to_string() == "weak",
        _ => false,
    };
    let others = tokens.chunks(2).filter(|pair| !is_weak(pair));
    (
        others.flatten().cloned().collect(),
        tokens.chunks(2).any(is_weak),
    )
}

fn head(
    attributes: TokenStream,
    visibility: TokenStream,
    name: Ident,
    kernel_name: Option<String>,
) -> Head {
    let own = name.to_string();
    let own = own.strip_prefix("r#").unwrap_or(&own).to_owned();
    Head {
        attributes,
        visibility,
        name,
        kernel_name: kernel_name.unwrap_or(own),
    }
}

fn fields(group: &Group) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    for part in split_commas(group.stream()) {
        let mut parser = Parser::new(part, group.span_close());
        let (attributes, kernel_name) = parser.attributes()?;
        // All accessors are as visible as the type; a `pub` out of habit does no harm.
        parser.visibility();
        let name = parser.ident("a field's name")?;
        if !parser.eat_punct(':') {
            return parser.expected("`:` and the field's type");
        }
        let ty = parser.ty()?;
        let mut bits = None;
        if parser.eat_punct('/') {
            if !matches!(ty, Type::Scalar(_) | Type::Enum(_)) {
                return Err(Error::new(
                    name.span(),
                    "only integers, `bool` and enums can be bit fields",
                ));
            }
            match parser.next() {
                Some(TokenTree::Literal(width)) => bits = Some(width.to_string()),
                _ => return parser.expected("the width of the bit field"),
            }
        }
        parser.end()?;
        fields.push(Field {
            head: head(attributes, TokenStream::new(), name, kernel_name),
            ty,
            bits,
        });
    }
    Ok(fields)
}
