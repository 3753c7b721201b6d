//! `#[struct_ops]`

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::args::{self, Text};
use crate::function::export;
use crate::kernel::ops_entry;
use crate::tokens::{Error, fill, is_group, is_ident, is_punct};

const LOOKS: &str = "an implementation of a structure of functions looks like `#[struct_ops] impl \
                     tcp_congestion_ops for Mine { const name: [u8; 16] = …; fn init(sk: sock) { … \
                     } … }`";

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let (mut name, mut section) = (None, ".struct_ops.link");
    for arg in args::parse(attribute)? {
        match arg.key.to_string().as_str() {
            "name" => {
                let text = arg.into_text()?;
                args::check_name(&text)?;
                name = Some(text);
            }
            "no_link" => {
                arg.flag()?;
                section = ".struct_ops";
            }
            _ => {
                return Err(Error::new(
                    arg.key.span(),
                    "`#[struct_ops]` knows `name = \"…\"` and `no_link`",
                ));
            }
        }
    }
    let implementation = parse(item)?;
    let mut code: TokenStream = "#[allow(non_upper_case_globals, clippy::too_many_arguments)]"
        .parse()
        .expect("an attribute");
    code.extend(implementation.code());
    code.extend(implementation.object(section, name.as_ref())?);
    Ok(code)
}

/// `impl Trait for Type { members }`
struct Implementation {
    /// All before the members.
    head: Vec<TokenTree>,
    interface: TokenStream,
    /// The interface's name: the structure's.
    structure: Ident,
    on: TokenStream,
    /// The name of the type.
    own: Ident,
    /// The members, without what is ours.
    body: Group,
    members: Vec<Member>,
}

struct Member {
    name: Ident,
    kind: MemberKind,
}

enum MemberKind {
    /// A constant, of this type.
    Data(TokenStream),
    Function {
        sleepable: bool,
    },
}

fn parse(item: TokenStream) -> Result<Implementation, Error> {
    let mut head: Vec<TokenTree> = item.into_iter().collect();
    let first = head.first().map_or(Span::call_site(), TokenTree::span);
    let looks = |span| Error::new(span, LOOKS);
    let Some(TokenTree::Group(body)) = head.pop() else {
        return Err(looks(first));
    };
    let at = |word: &str| head.iter().position(|token| is_ident(token, word));
    let (Some(start), Some(middle)) = (at("impl"), at("for")) else {
        return Err(looks(first));
    };
    let last = |tokens: &[TokenTree]| match tokens.last() {
        Some(TokenTree::Ident(ident)) => Ok(ident.clone()),
        Some(token) => Err(looks(token.span())),
        None => Err(looks(first)),
    };
    let (interface, on) = (&head[start + 1..middle], &head[middle + 1..]);
    if let Some(token) = interface.first().filter(|token| is_punct(token, '<')) {
        return Err(Error::new(
            token.span(),
            "a generic implementation has no programs",
        ));
    }
    let (structure, own) = (last(interface)?, last(on)?);
    let (interface, on) = (
        interface.iter().cloned().collect(),
        on.iter().cloned().collect(),
    );
    let mut members = Vec::new();
    let stream = body_members(&body, &mut members)?;
    let mut new = Group::new(Delimiter::Brace, stream);
    new.set_span(body.span());
    Ok(Implementation {
        head,
        interface,
        structure,
        on,
        own,
        body: new,
        members,
    })
}

/// Reads the members; gives them as they are, without attributes of ours.
fn body_members(body: &Group, members: &mut Vec<Member>) -> Result<TokenStream, Error> {
    let mut tokens = body.stream().into_iter().peekable();
    let mut out = TokenStream::new();
    let mut sleepable = None;
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#')
            && let Some(TokenTree::Group(group)) = tokens.peek()
            && let Some(word) = single_word(group, "sleepable")
        {
            sleepable = Some(word.span());
            tokens.next();
            continue;
        }
        let keyword = token.clone();
        out.extend([token]);
        let (constant, function) = (is_ident(&keyword, "const"), is_ident(&keyword, "fn"));
        // `const fn`, of which traits have none, is left to the compiler.
        if !constant && !function {
            continue;
        }
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(Error::new(keyword.span(), "the member has no name"));
        };
        out.extend([TokenTree::from(name.clone())]);
        let mut ty = TokenStream::new();
        let mut typed = false;
        let mut in_value = false;
        for token in tokens.by_ref() {
            out.extend([token.clone()]);
            let end = match function {
                true => is_group(&token, Delimiter::Brace),
                false => is_punct(&token, ';'),
            };
            if end {
                break;
            }
            in_value |= is_punct(&token, '=');
            if typed && !in_value {
                ty.extend([token.clone()]);
            }
            typed |= is_punct(&token, ':');
        }
        let sleepable = sleepable.take();
        let kind = match (function, sleepable) {
            (true, sleepable) => MemberKind::Function {
                sleepable: sleepable.is_some(),
            },
            (false, None) => MemberKind::Data(ty),
            (false, Some(span)) => {
                return Err(Error::new(span, "only functions may sleep"));
            }
        };
        members.push(Member { name, kind });
    }
    Ok(out)
}

fn single_word(group: &Group, word: &str) -> Option<TokenTree> {
    let mut tokens = group.stream().into_iter();
    let first = tokens.next()?;
    (is_ident(&first, word) && tokens.next().is_none()).then_some(first)
}

impl Implementation {
    fn code(&self) -> TokenStream {
        let mut code: TokenStream = self.head.iter().cloned().collect();
        code.extend([TokenTree::from(self.body.clone())]);
        code
    }

    /// The programs, and the static that names them.
    fn object(&self, section: &str, name: Option<&Text>) -> Result<TokenStream, Error> {
        let here = Span::mixed_site();
        let own = self.own.to_string();
        let object = name.map_or(own.as_str(), |name| &name.text);
        let (mut outer, mut fields, mut values) =
            (TokenStream::new(), TokenStream::new(), TokenStream::new());
        for member in &self.members {
            let plain = member.name.to_string();
            let plain = plain.trim_start_matches("r#");
            let ident = TokenTree::from(member.name.clone()).into();
            let (interface, on) = (&self.interface, &self.on);
            match &member.kind {
                MemberKind::Data(ty) => {
                    let value = format!("const value_{plain}: __0 = <__1 as __2>::__3;");
                    outer.extend(fill(
                        &value,
                        member.name.span(),
                        &[ty, on, interface, &ident],
                    ));
                    fields.extend(fill("pub __0: __1,", here, &[&ident, ty]));
                    values.extend(fill(&format!("__0: value_{plain},"), here, &[&ident]));
                }
                MemberKind::Function { sleepable } => {
                    let symbol = format!("{object}_{plain}");
                    let section = match sleepable {
                        true => format!("struct_ops.s/{symbol}"),
                        false => format!("struct_ops/{symbol}"),
                    };
                    let entry = Ident::new(&ops_entry(plain), member.name.span());
                    let entry = TokenTree::from(entry).into();
                    let program = format!(
                        "{}
                        unsafe extern \"C\" fn program_{plain}(
                            context: *mut ::core::ffi::c_void
                        ) -> u64 {{
                            unsafe {{ <__0 as __1>::__2(context.cast()) }}
                        }}",
                        export(&symbol, &section)
                    );
                    outer.extend(fill(&program, here, &[on, interface, &entry]));
                    let ty = "pub __0: unsafe extern \"C\" fn(*mut ::core::ffi::c_void) -> u64,";
                    fields.extend(fill(ty, here, &[&ident]));
                    values.extend(fill(&format!("__0: program_{plain},"), here, &[&ident]));
                }
            }
        }
        let structure = TokenTree::from(self.structure.clone()).into();
        // The structure has the kernel's name, as the trait does: it needs a block of its own.
        let code = format!(
            "#[allow(non_upper_case_globals)]
            const _: () = {{
                __0
                const _: () = {{
                    #[allow(non_camel_case_types, non_snake_case)]
                    #[repr(C)]
                    struct __1 {{ __2 }}
                    {}
                    static OPS: __1 = __1 {{ __3 }};
                }};
            }};",
            export(object, section)
        );
        Ok(fill(&code, here, &[&outer, &structure, &fields, &values]))
    }
}
