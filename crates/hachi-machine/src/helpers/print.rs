//! Formatted text: `bpf_trace_printk`, `bpf_trace_vprintk`, `bpf_snprintf`.

use hachi_asm::helpers::id;

use super::{Outcome, answer, misuse, size};
use crate::{Errno, Host, Memory, Misuse, Trap};

/// Most arguments of a format: `MAX_BPRINTF_VARARGS`.
const MOST: usize = 12;
/// The longest format, and the longest text of one call.
const LONGEST: usize = 1024;

pub fn trace_printk(host: &mut dyn Host, [format, len, a, b, c]: [u64; 5]) -> Outcome {
    let len = size(id::TRACE_PRINTK, u64::from(len as u32))?;
    print(host, id::TRACE_PRINTK, format, len, &[a, b, c], true)
}

pub fn trace_vprintk(host: &mut dyn Host, [format, len, data, data_len, _]: [u64; 5]) -> Outcome {
    let len = size(id::TRACE_VPRINTK, u64::from(len as u32))?;
    let arguments = match arguments(host, data, data_len)? {
        Ok(arguments) => arguments,
        Err(errno) => return answer(Err(errno)),
    };
    print(host, id::TRACE_VPRINTK, format, len, &arguments, false)
}

pub fn snprintf(host: &mut dyn Host, [to, room, format, data, data_len]: [u64; 5]) -> Outcome {
    let room = size(id::SNPRINTF, u64::from(room as u32))?;
    let arguments = match arguments(host, data, data_len)? {
        Ok(arguments) => arguments,
        Err(errno) => return answer(Err(errno)),
    };
    let (_, memory) = host.parts();
    let mut text = Vec::new();
    for at in 0..LONGEST as u64 {
        let mut byte = [0];
        memory.read(format.wrapping_add(at), &mut byte)?;
        if byte[0] == 0 {
            break;
        }
        text.push(byte[0]);
    }
    let printed = match render(memory, &text, &arguments, false) {
        Ok(printed) => printed,
        Err(errno) => return answer(Err(errno)),
    };
    if room > 0 {
        let kept = printed.len().min(room - 1);
        memory.write(to, &[&printed[..kept], &[0]].concat())?;
    }
    Ok(printed.len() as u64 + 1)
}

/// The text of a format with the arguments at `data`; no errno if it is a good one.
pub fn formatted(
    host: &mut dyn Host,
    format: u64,
    len: usize,
    data: u64,
    data_len: u64,
) -> Result<Result<Vec<u8>, Errno>, Trap> {
    let arguments = match arguments(host, data, data_len)? {
        Ok(arguments) => arguments,
        Err(errno) => return Ok(Err(errno)),
    };
    let (_, memory) = host.parts();
    let mut text = memory.bytes(format, len)?;
    let Some(end) = text.iter().position(|byte| *byte == 0) else {
        return Ok(Err(Errno::EINVAL));
    };
    text.truncate(end);
    Ok(render(memory, &text, &arguments, false))
}

fn arguments(host: &mut dyn Host, data: u64, len: u64) -> Result<Result<Vec<u64>, Errno>, Trap> {
    let len = u64::from(len as u32);
    if len % 8 != 0 || len > MOST as u64 * 8 {
        return Ok(Err(Errno::EINVAL));
    }
    let (_, memory) = host.parts();
    let each = (0..len / 8).map(|at| Ok(memory.u64(data.wrapping_add(at * 8))?));
    each.collect::<Result<Vec<_>, Trap>>().map(Ok)
}

fn print(
    host: &mut dyn Host,
    helper: u32,
    format: u64,
    len: usize,
    arguments: &[u64],
    lenient: bool,
) -> Outcome {
    if len > LONGEST {
        let (bytes, limit) = (len as u64, LONGEST as u64);
        return Err(misuse(helper, Misuse::TooLong { bytes, limit }));
    }
    let (world, memory) = host.parts();
    let mut text = memory.bytes(format, len)?;
    let Some(end) = text.iter().position(|byte| *byte == 0) else {
        return answer(Err(Errno::EINVAL));
    };
    text.truncate(end);
    match render(memory, &text, arguments, lenient) {
        Ok(line) => {
            let count = line.len() as u64;
            let line = String::from_utf8_lossy(&line).into_owned();
            world.printed.push(line.trim_end_matches('\n').to_owned());
            Ok(count)
        }
        Err(errno) => answer(Err(errno)),
    }
}

/// The text of a format. `lenient` formats need not use all arguments.
fn render(
    memory: &dyn Memory,
    format: &[u8],
    arguments: &[u64],
    lenient: bool,
) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    let mut left = arguments.iter().copied();
    let mut rest = format;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            // The kernel allows what it can print.
            if !first.is_ascii() || (first.is_ascii_control() && !first.is_ascii_whitespace()) {
                return Err(Errno::EINVAL);
            }
            out.push(*first);
            continue;
        }
        if let [b'%', after @ ..] = rest {
            out.push(b'%');
            rest = after;
            continue;
        }
        let mut spec = Spec::default();
        rest = spec.flags(rest);
        let [conversion, after @ ..] = rest else {
            return Err(Errno::EINVAL);
        };
        rest = after;
        let value = left.next().ok_or(Errno::EINVAL)?;
        let text = match conversion {
            b'd' | b'i' => spec.signed(value).to_string().into_bytes(),
            b'u' => spec.unsigned(value).to_string().into_bytes(),
            b'x' if spec.alternate => format!("{:#x}", spec.unsigned(value)).into_bytes(),
            b'X' if spec.alternate => format!("0X{:X}", spec.unsigned(value)).into_bytes(),
            b'x' => format!("{:x}", spec.unsigned(value)).into_bytes(),
            b'X' => format!("{:X}", spec.unsigned(value)).into_bytes(),
            b'c' => vec![value as u8],
            b's' => string(memory, value),
            b'p' => {
                // `%pK`, `%px`, `%ps`, `%pB` …: without symbols all are addresses.
                let more = rest.iter().take_while(|b| b.is_ascii_alphanumeric());
                let more = more.count();
                rest = &rest[more..];
                format!("{value:016x}").into_bytes()
            }
            _ => return Err(Errno::EINVAL),
        };
        spec.pad(&mut out, text);
        if out.len() > LONGEST {
            out.truncate(LONGEST);
            break;
        }
    }
    match lenient || left.next().is_none() {
        true => Ok(out),
        false => Err(Errno::EINVAL),
    }
}

fn string(memory: &dyn Memory, address: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for at in 0..LONGEST as u64 {
        let mut byte = [0];
        if memory.read(address.wrapping_add(at), &mut byte).is_err() || byte[0] == 0 {
            break;
        }
        text.push(byte[0]);
    }
    text
}

/// What stands between `%` and the conversion.
#[derive(Default)]
struct Spec {
    alternate: bool,
    zeros: bool,
    left: bool,
    width: usize,
    /// Bits of the number: 32 unless `l` or `ll` is there.
    wide: bool,
}

impl Spec {
    fn flags<'f>(&mut self, mut rest: &'f [u8]) -> &'f [u8] {
        while let [flag, after @ ..] = rest {
            match flag {
                b'#' => self.alternate = true,
                b'0' => self.zeros = true,
                b'-' => self.left = true,
                b'+' | b' ' => {}
                _ => break,
            }
            rest = after;
        }
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            self.width = (self.width * 10 + usize::from(digit - b'0')).min(LONGEST);
            rest = after;
        }
        while let [b'l', after @ ..] = rest {
            self.wide = true;
            rest = after;
        }
        rest
    }

    fn unsigned(&self, value: u64) -> u64 {
        if self.wide {
            value
        } else {
            value & 0xffff_ffff
        }
    }

    fn signed(&self, value: u64) -> i64 {
        if self.wide {
            value as i64
        } else {
            i64::from(value as i32)
        }
    }

    fn pad(&self, out: &mut Vec<u8>, text: Vec<u8>) {
        let missing = self.width.saturating_sub(text.len());
        match (self.left, self.zeros) {
            (true, _) => {
                out.extend(text);
                out.extend(std::iter::repeat_n(b' ', missing));
            }
            (false, true) => {
                let (sign, digits) = match text.strip_prefix(b"-") {
                    Some(digits) => (&b"-"[..], digits),
                    None => (&b""[..], &text[..]),
                };
                out.extend(sign);
                out.extend(std::iter::repeat_n(b'0', missing));
                out.extend(digits);
            }
            (false, false) => {
                out.extend(std::iter::repeat_n(b' ', missing));
                out.extend(text);
            }
        }
    }
}
