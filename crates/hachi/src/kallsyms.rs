//! The kernel's list of its symbols, `/proc/kallsyms`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    ops::ControlFlow,
    sync::OnceLock,
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

/// Whether a symbol of this kind is a function.
fn is_function(kind: u8) -> bool {
    matches!(kind, b't' | b'T' | b'w' | b'W')
}

/// Calls `f` with name and address (0 if this process may not know it) of each function of the
/// kernel and its modules.
pub(crate) fn for_each_function(mut f: impl FnMut(&str, u64)) -> io::Result<()> {
    for_each_symbol(&mut |kind, name, address| {
        if is_function(kind) {
            f(name, address);
        }
        ControlFlow::Continue(())
    })
}

/// Whether the kernel or a module has a function of this name; reads no further than to the first.
pub(crate) fn has_function(wanted: &str) -> io::Result<bool> {
    let mut found = false;
    for_each_symbol(&mut |kind, name, _| {
        found = is_function(kind) && name == wanted;
        match found {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(found)
}

/// What the function of a system call may be called, the likeliest first: with the wrapper that
/// most architectures have, and without.
pub(crate) fn syscall_functions(name: &str) -> [String; 3] {
    let wrapper = if cfg!(target_arch = "x86_64") {
        "x64"
    } else if cfg!(target_arch = "x86") {
        "ia32"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "s390x") {
        "s390x"
    } else if cfg!(target_arch = "riscv64") {
        "riscv"
    } else if cfg!(target_arch = "loongarch64") {
        "loongarch"
    } else {
        "se"
    };
    [
        format!("__{wrapper}_sys_{name}"),
        format!("__se_sys_{name}"),
        format!("sys_{name}"),
    ]
}

/// Whether system calls have wrappers with names of their own, such as `__x64_sys_bpf` (Linux ≥
/// 4.17). A kernel without a list of symbols is taken for one without.
pub(crate) fn has_syscall_wrappers() -> io::Result<bool> {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return Ok(*answer);
    }
    let [wrapper, ..] = syscall_functions("bpf");
    let mut found = false;
    let listed = for_each_symbol(&mut |_, name, _| {
        found = name == wrapper;
        match found {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match listed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(*ANSWER.get_or_init(|| found)),
    }
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
