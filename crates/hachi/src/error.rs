//! Helpers for messages.

/// Names as a sentence part: `"a", "b" and "c"`; `none` when there are none.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => format!("{:?}", one.as_ref()),
        [first @ .., last] => {
            let first: Vec<_> = first
                .iter()
                .map(|name| format!("{:?}", name.as_ref()))
                .collect();
            format!("{} and {:?}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(list::<&str>(&[]), "none");
        assert_eq!(list(&["a"]), "\"a\"");
        assert_eq!(list(&["a", "b", "c"]), "\"a\", \"b\" and \"c\"");
    }
}
