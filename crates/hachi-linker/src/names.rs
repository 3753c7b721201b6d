//! Symbol names as their authors wrote them.

/// The Rust path behind a symbol, without the compiler's hash; other names as they are.
pub(crate) fn demangle(symbol: &str) -> String {
    // LLVM appends `.llvm.123` or `.7` to copies.
    match rustc_demangle::try_demangle(symbol) {
        Ok(name) => {
            let text = format!("{name:#}");
            match text.split_once(".llvm.") {
                Some((head, _)) => head.to_owned(),
                None => text,
            }
        }
        Err(_) => symbol.to_owned(),
    }
}

/// Demangles every symbol inside a text.
pub(crate) fn demangle_all(text: &str) -> String {
    let is_symbol = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("_ZN").or_else(|| rest.find("_R")) {
        let (head, tail) = rest.split_at(start);
        out.push_str(head);
        let end = tail.find(|c| !is_symbol(c)).unwrap_or(tail.len());
        let (symbol, tail) = tail.split_at(end);
        out.push_str(&demangle(symbol));
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Is the function of this demangled name the Rust library's?
pub(crate) fn is_of_library(name: &str) -> bool {
    ["core::", "alloc::", "std::", "compiler_builtins::"]
        .iter()
        .any(|root| name.trim_start_matches('<').starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_and_v0_names_are_shortened() {
        assert_eq!(
            demangle("_ZN4core6option13unwrap_failed17h0123456789abcdefE"),
            "core::option::unwrap_failed"
        );
        assert_eq!(demangle("_RNvC1a3foo"), "a::foo");
        assert_eq!(demangle("memcpy"), "memcpy");
    }

    #[test]
    fn inside_a_sentence() {
        assert_eq!(
            demangle_all("in function '_RNvC1a3foo': too big"),
            "in function 'a::foo': too big"
        );
        assert_eq!(demangle_all("nothing here"), "nothing here");
    }
}
