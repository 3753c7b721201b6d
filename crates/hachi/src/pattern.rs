//! Patterns of names, as shells have them: `*` is any text, `?` any one byte.

/// Whether there is anything in `text` that makes it a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `name` fits `pattern`, in which `*` is any text and `?` any one byte.
pub(crate) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on with one more byte taken by the last `*`.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after, next)) => {
                    (p, n) = (after, next);
                    retry = Some((after, next + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_any_text() {
        let fits = |pattern: &str, name: &str| fits(pattern.as_bytes(), name.as_bytes());
        assert!(fits("tcp_*", "tcp_connect"));
        assert!(fits("*connect", "tcp_v4_connect"));
        assert!(fits("a*b*c", "aXbYbZc"));
        assert!(fits("?cp_*", "tcp_"));
        assert!(fits("*", ""));
        assert!(!fits("tcp_*", "udp_connect"));
        assert!(!fits("a*b", "abc"));
        assert!(!fits("a?", "a"));
        assert!(fits("abc", "abc") && !fits("abc", "abcd"));
    }
}
