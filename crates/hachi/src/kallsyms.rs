//! The kernel's list of its symbols, `/proc/kallsyms`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    ops::ControlFlow,
};

pub(crate) const FILE: &str = "/proc/kallsyms";

/// Calls `f` with the kind (a letter, as of nm(1)), name and address (0 if this process may not
/// know it) of each symbol of the kernel and its modules, some hundred thousand, as long as it
/// wants more.
pub(crate) fn for_each_symbol(
    f: &mut dyn FnMut(u8, &str, u64) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, fs::File::open(FILE)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Some((kind, name, address)) = symbol(&line)
            && f(kind, name, address).is_break()
        {
            break;
        }
        line.clear();
    }
    Ok(())
}

/// `ffffffff81000000 T _stext`, and behind it in brackets the module it is in.
fn symbol(line: &[u8]) -> Option<(u8, &str, u64)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let [kind] = words.next()?.as_bytes() else {
        return None;
    };
    Some((*kind, words.next()?, address))
}

#[cfg(test)]
mod tests {
    use super::symbol;

    #[test]
    fn lines_are_read() {
        assert_eq!(
            symbol(b"ffffffff81000000 T _stext\n"),
            Some((b'T', "_stext", 0xffff_ffff_8100_0000))
        );
        assert_eq!(
            symbol(b"0000000000000000 d table\t[nf_nat]\n"),
            Some((b'd', "table", 0))
        );
        for line in [
            &b""[..],
            b"\xff T x",
            b"ffffffff81000000 T",
            b"10 long x",
            b"x T y",
        ] {
            assert_eq!(symbol(line), None);
        }
    }
}
