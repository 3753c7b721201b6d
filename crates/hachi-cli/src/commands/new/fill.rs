//! Templates, and what goes into their slots.

use hachi_build::Origin;

use super::Plan;
use super::name::identifier;

/// Puts names and dependencies into a template's text.
pub(super) fn fill(text: &str, plan: &Plan, origin: &Origin) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((slot, tail)) = split_at_end(after) else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        out.push_str(&filled(slot, plan, origin));
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// What is in a slot that has begun, which may be text with slots in it, and what follows it.
fn split_at_end(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let next = rest.find(['{', '}'])?;
        at += next;
        match text.get(at..at + 2) {
            Some("{{") => (depth, at) = (depth + 1, at + 2),
            Some("}}") => {
                depth -= 1;
                if depth == 0 {
                    return Some((&text[..at], &text[at + 2..]));
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    None
}

/// What stands in a slot.
fn filled(slot: &str, plan: &Plan, origin: &Origin) -> String {
    let kind = plan.kind;
    // Text for some kinds only.
    for (condition, holds) in [
        ("logs?", kind.logs),
        ("quiet?", !kind.logs),
        ("program?", !kind.is_struct_ops()),
    ] {
        if let Some(text) = slot.strip_prefix(condition) {
            return match holds {
                true => fill(text, plan, origin),
                false => String::new(),
            };
        }
    }
    let checkout = match origin {
        Origin::Checkout(directory) => Some(directory.display().to_string()),
        _ => None,
    };
    match slot.trim() {
        "name" => plan.name.clone(),
        "ident" => identifier(&plan.name),
        // Names of structures of functions have 15 bytes at most.
        "short" => identifier(&plan.name).chars().take(15).collect(),
        "about" => sentence(kind.about),
        "section" => fill(kind.section, plan, origin),
        "usage" => plan.usage(),
        "iface" => plan.iface.clone(),
        "function" => plan.function.clone(),
        "category" => plan.category.clone(),
        "event" => plan.event.clone(),
        "needs" => match kind.needs {
            Some(needs) => format!("The program needs {needs}.\n"),
            None => String::new(),
        },
        "hachi" => {
            let features: Vec<String> = kind
                .features
                .iter()
                .map(|name| format!("\"{name}\""))
                .collect();
            let mut options = "default-features = false".to_owned();
            if !features.is_empty() {
                options.push_str(&format!(", features = [{}]", features.join(", ")));
            }
            origin.dependency("hachi", &options)
        }
        // Files for services and containers.
        "matrix" => "${{ matrix.kernel }}".to_owned(),
        "install" => match checkout {
            Some(checkout) => format!("cargo install --locked --path {checkout}/crates/hachi-cli"),
            None => format!(
                "cargo install --locked hachi-cli@{}",
                env!("CARGO_PKG_VERSION")
            ),
        },
        "context" => match checkout {
            Some(checkout) => format!("--build-context hachi={checkout} "),
            None => String::new(),
        },
        "copy" => match checkout {
            Some(checkout) => format!("COPY --from=hachi . {checkout}\n"),
            None => String::new(),
        },
        slot => match slot.strip_prefix("dep ") {
            Some(package) => {
                let (package, options) = package.split_once(',').unwrap_or((package, ""));
                origin.dependency(package.trim(), options.trim())
            }
            None => panic!("the template has an unknown slot {{{{{slot}}}}}"),
        },
    }
}

/// Text as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
