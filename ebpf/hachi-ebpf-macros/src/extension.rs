//! `#[extension]`

use proc_macro::{Ident, Span, TokenStream, TokenTree};

use crate::args::{self, Text};
use crate::function::{self, export};
use crate::tokens::{Error, fill, is_punct, split_commas};

const LOOKS: &str = "fn name(ctx: XdpContext, value: u32) -> u32";

/// Contexts, and what the kernel calls what they point to: by that name it knows that an argument
/// is the program's context.
const CONTEXTS: [(&str, &str); 6] = [
    ("XdpContext", "xdp_md"),
    ("TcContext", "__sk_buff"),
    ("SkBuffContext", "__sk_buff"),
    ("SkMsgContext", "sk_msg_md"),
    ("SockOpsContext", "bpf_sock_ops"),
    ("PerfEventContext", "bpf_perf_event_data"),
];

pub fn expand(attribute: TokenStream, mut item: TokenStream) -> Result<TokenStream, Error> {
    let (mut name, mut section) = (None, "freplace".to_owned());
    for arg in args::parse(attribute)? {
        match arg.key.to_string().as_str() {
            "name" => {
                let text = arg.into_text()?;
                args::check_name(&text)?;
                name = Some(text);
            }
            "function" => {
                let text = arg.into_text()?;
                args::check_name(&text)?;
                section = format!("freplace/{}", text.text);
            }
            _ => {
                return Err(Error::new(
                    arg.key.span(),
                    "`#[extension]` knows `function = \"…\"` and `name = \"…\"`",
                ));
            }
        }
    }
    let signature = function::signature(item.clone(), LOOKS)?;
    item.extend(entry(&signature, &section, name.as_ref())?);
    Ok(item)
}

/// The function that the kernel calls.
fn entry(
    signature: &function::Signature,
    section: &str,
    name: Option<&Text>,
) -> Result<TokenStream, Error> {
    let own = signature.name.to_string();
    let own = own.trim_start_matches("r#");
    let symbol = name.map_or(own, |name| &name.text);
    let here = Span::mixed_site();
    let (mut parameters, mut arguments) = (TokenStream::new(), TokenStream::new());
    let mut pointed = "";
    for (number, parameter) in split_commas(signature.parameters.stream())
        .iter()
        .enumerate()
    {
        let Some(ty @ [first, ..]) = function::type_of(parameter) else {
            return Err(Error::new(parameter[0].span(), "the argument has no type"));
        };
        if is_punct(first, '&') {
            return Err(Error::new(first.span(), "arguments come by value"));
        }
        let argument = TokenTree::from(Ident::new(&format!("argument{number}"), here)).into();
        let place = first.span();
        let last = ty.last().map(ToString::to_string);
        let context = CONTEXTS
            .iter()
            .find(|(name, _)| Some(*name) == last.as_deref());
        let ty = ty.iter().cloned().collect();
        let (taken, passed) = match context {
            Some((_, structure)) => {
                pointed = structure;
                (format!("__0: *mut {structure},"), "<__1>::new(__0.cast()),")
            }
            None => ("__0: __1,".to_owned(), "__0,"),
        };
        parameters.extend(fill(&taken, place, &[&argument, &ty]));
        arguments.extend(fill(passed, place, &[&argument, &ty]));
    }
    let structure = match pointed {
        "" => String::new(),
        _ => format!(
            "#[allow(non_camel_case_types)] #[repr(C)] pub struct {pointed} {{ nothing: [u8; 0] }}"
        ),
    };
    let result = match &signature.result[..] {
        [] => fill("()", here, &[]),
        result => result.iter().cloned().collect(),
    };
    let function = TokenTree::from(signature.name.clone()).into();
    let code = format!(
        "const _: () = {{
            {structure}
            {}
            #[allow(unused_unsafe)]
            extern \"C\" fn entry_of_{own}(__0) -> __1 {{ unsafe {{ __2(__3) }} }}
        }};",
        export(symbol, section)
    );
    Ok(fill(
        &code,
        here,
        &[&parameters, &result, &function, &arguments],
    ))
}
