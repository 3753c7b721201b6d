//! `xtask-api FILE`: the public API that rustdoc's JSON in FILE describes, one item a line.

use std::process::ExitCode;

/// Traits of the compiler's own, about which no caller asks. `Send` and `Sync` stay in the list.
const UNASKED: [&str; 6] = [
    "impl core::marker::Freeze for ",
    "impl core::marker::Unpin for ",
    "impl core::marker::UnsafeUnpin for ",
    "impl core::marker::StructuralPartialEq for ",
    "impl core::panic::unwind_safe::RefUnwindSafe for ",
    "impl core::panic::unwind_safe::UnwindSafe for ",
];

/// Methods that a line `impl Clone for …` and the like says already.
const IMPLIED: [&str; 6] = [
    "::clone(&self) -> ",
    "::cmp(&self, &",
    "::eq(&self, &",
    "::fmt(&self, &mut core::fmt::Formatter<'_>) -> core::fmt::Result",
    "::hash<__H: core::hash::Hasher>(&self, &mut __H)",
    "::partial_cmp(&self, &",
];

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: xtask-api RUSTDOC.json");
        return ExitCode::from(2);
    };
    let api = public_api::Builder::from_rustdoc_json(&file)
        .omit_blanket_impls(true)
        .build();
    match api {
        Ok(api) => {
            for item in api.items() {
                let line = item.to_string();
                if is_listed(&line) {
                    println!("{line}");
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn is_listed(line: &str) -> bool {
    let plain = without_generics(line);
    !UNASKED.iter().any(|unasked| plain.starts_with(unasked))
        && !IMPLIED.iter().any(|implied| line.contains(implied))
}

/// `impl<T> X for Y` as `impl X for Y`.
fn without_generics(line: &str) -> String {
    let Some(rest) = line.strip_prefix("impl<") else {
        return line.to_owned();
    };
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += match c {
            '<' => 1,
            '>' => -1,
            _ => 0,
        };
        depth == 0
    });
    match end {
        Some(end) => format!("impl{}", &rest[end + 1..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_public_api() {
        for line in [
            "pub fn a::B::new() -> Self",
            "impl core::clone::Clone for a::B",
            "impl<T> core::marker::Send for a::C<T>",
        ] {
            assert!(is_listed(line), "{line}");
        }
        for line in [
            "pub fn a::B::clone(&self) -> a::B",
            "impl<T> core::marker::Freeze for a::C<T>",
        ] {
            assert!(!is_listed(line), "{line}");
        }
    }

    #[test]
    fn leaves_generics_out() {
        for (line, plain) in [
            ("impl<T: Into<U>> A for B<T>", "impl A for B<T>"),
            ("impl A for B", "impl A for B"),
            ("pub fn a<T>()", "pub fn a<T>()"),
            ("impl<T", "impl<T"),
        ] {
            assert_eq!(without_generics(line), plain);
        }
    }
}
