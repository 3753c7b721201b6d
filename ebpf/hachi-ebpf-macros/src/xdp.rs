//! `#[xdp]`

use proc_macro::TokenStream;

use crate::args;
use crate::function::{self, Returns};
use crate::tokens::Error;

pub fn expand(attribute: TokenStream, mut item: TokenStream) -> Result<TokenStream, Error> {
    let (mut name, mut frags, mut map) = (None, "", String::new());
    for arg in args::parse(attribute)? {
        match arg.key.to_string().as_str() {
            "name" => {
                let text = arg.into_text()?;
                args::check_name(&text)?;
                name = Some(text);
            }
            "frags" => {
                arg.flag()?;
                frags = ".frags";
            }
            "map" => {
                let text = arg.into_text()?;
                if !["devmap", "cpumap"].contains(&text.text.as_str()) {
                    return Err(Error::new(
                        text.literal.span(),
                        "XDP programs go into maps of the kinds \"devmap\" and \"cpumap\"",
                    ));
                }
                map = format!("/{}", text.text);
            }
            _ => {
                return Err(Error::new(
                    arg.key.span(),
                    "`#[xdp]` knows `name = \"…\"`, `frags` and `map = \"…\"`",
                ));
            }
        }
    }
    let returns = Returns::Its("u32");
    let signature = "fn name(ctx: XdpContext) -> u32";
    let function = function::parse(item.clone(), signature, returns)?;
    let section = format!("xdp{frags}{map}");
    item.extend(function.entry(&section, name.as_ref(), returns));
    Ok(item)
}
