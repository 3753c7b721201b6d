//! Helpers that read memory.

use hachi_asm::helpers::id;

use super::{Outcome, answer, misuse, size};
use crate::context::Layout;
use crate::{Errno, Host, Memory, Misuse, Trap};

/// Reads memory of the kernel's or of the process: what programs have, and the images of the
/// test. `false` if not all of it is there.
fn read_any(host: &mut dyn Host, at: u64, to: &mut [u8], user: bool) -> bool {
    let (world, memory) = host.parts();
    // The context of tracing programs is the kernel's own memory, others are made up.
    let real = Layout::of_number(world.running.program_type).is_none();
    let found = match real {
        true => memory.read_owned(at, to),
        false => memory.read(at, to),
    };
    if !user && found.is_ok() {
        return true;
    }
    let images = world.images.iter().filter(|image| image.user == user);
    for image in images {
        let offset = at.wrapping_sub(image.address) as usize;
        let part = offset.checked_add(to.len());
        if let Some(part) = part.and_then(|end| image.bytes.get(offset..end)) {
            to.copy_from_slice(part);
            return true;
        }
    }
    false
}

fn read(host: &mut dyn Host, [to, len, from, ..]: [u64; 5], user: bool) -> Outcome {
    let len = size(id::PROBE_READ_KERNEL, u64::from(len as u32))?;
    let mut bytes = vec![0; len];
    let found = len == 0 || read_any(host, from, &mut bytes, user);
    if !found {
        bytes.fill(0);
    }
    host.parts().1.write(to, &bytes)?;
    answer(if found { Ok(0) } else { Err(Errno::EFAULT) })
}

pub fn probe_read(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    read(host, arguments, false)
}

pub fn probe_read_user(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    read(host, arguments, true)
}

fn read_str(host: &mut dyn Host, [to, len, from, ..]: [u64; 5], user: bool) -> Outcome {
    let len = size(id::PROBE_READ_KERNEL_STR, u64::from(len as u32))?;
    if len == 0 {
        return Ok(0);
    }
    let mut bytes = Vec::new();
    for at in 0..len as u64 - 1 {
        let mut byte = [0];
        if !read_any(host, from.wrapping_add(at), &mut byte, user) {
            host.parts().1.write(to, &vec![0; len])?;
            return answer(Err(Errno::EFAULT));
        }
        if byte[0] == 0 {
            break;
        }
        bytes.push(byte[0]);
    }
    // What does not fit is cut.
    bytes.push(0);
    host.parts().1.write(to, &bytes)?;
    Ok(bytes.len() as u64)
}

pub fn probe_read_str(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    read_str(host, arguments, false)
}

pub fn probe_read_user_str(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    read_str(host, arguments, true)
}

pub fn probe_write_user(host: &mut dyn Host, [to, from, len, ..]: [u64; 5]) -> Outcome {
    let len = size(id::PROBE_WRITE_USER, u64::from(len as u32))?;
    let (world, memory) = host.parts();
    let bytes = memory.bytes(from, len)?;
    let images = world.images.iter_mut().filter(|image| image.user);
    for image in images {
        let offset = to.wrapping_sub(image.address) as usize;
        let part = offset.checked_add(len);
        if let Some(part) = part.and_then(|end| image.bytes.get_mut(offset..end)) {
            part.copy_from_slice(&bytes);
            return Ok(0);
        }
    }
    answer(Err(Errno::EFAULT))
}

/// A string of the program's: up to its NUL, or as long as there is room.
fn string(memory: &dyn Memory, address: u64, room: usize) -> Result<Vec<u8>, Trap> {
    let mut text = memory.bytes(address, room)?;
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    Ok(text)
}

pub fn strncmp(host: &mut dyn Host, [first, len, second, ..]: [u64; 5]) -> Outcome {
    let len = size(id::STRNCMP, u64::from(len as u32))?;
    let (_, memory) = host.parts();
    let first = string(memory, first, len)?;
    for at in 0..len {
        let mut other = [0];
        memory.read(second.wrapping_add(at as u64), &mut other)?;
        let own = first.get(at).copied().unwrap_or(0);
        let difference = i64::from(own) - i64::from(other[0]);
        if difference != 0 || own == 0 {
            return Ok(difference.signum() as u64);
        }
    }
    Ok(0)
}

/// Digits at the start of a text: whether there is a minus, the number, bytes read.
fn number(text: &[u8], base: u64, signed: bool) -> Result<(bool, u64, usize), Errno> {
    let spaces = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let mut at = spaces;
    let negative = signed && text.get(at) == Some(&b'-');
    at += usize::from(negative);
    let hex = |at: usize| {
        matches!(text.get(at..at + 2), Some(b"0x" | b"0X"))
            && text.get(at + 2).is_some_and(u8::is_ascii_hexdigit)
    };
    let base = match base {
        0 if hex(at) => 16,
        0 if text.get(at) == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if base == 16 && hex(at) {
        at += 2;
    }
    let start = at;
    let mut value = 0_u64;
    while let Some(digit) = text.get(at).and_then(|b| char::from(*b).to_digit(16)) {
        if u64::from(digit) >= base {
            break;
        }
        let next = value
            .checked_mul(base)
            .and_then(|v| v.checked_add(digit.into()));
        value = next.ok_or(Errno::ERANGE)?;
        at += 1;
    }
    match at > start {
        true => Ok((negative, value, at)),
        false => Err(Errno::EINVAL),
    }
}

fn parse(host: &mut dyn Host, signed: bool, [from, len, flags, to, _]: [u64; 5]) -> Outcome {
    let helper = if signed { id::STRTOL } else { id::STRTOUL };
    let len = size(helper, len)?;
    let (_, memory) = host.parts();
    let text = memory.bytes(from, len)?;
    if !matches!(flags, 0 | 8 | 10 | 16) || len == 0 {
        return answer(Err(Errno::EINVAL));
    }
    let parsed = number(&text, flags, signed).and_then(|(negative, value, read)| {
        let value = match (signed, negative) {
            (false, _) => value,
            (true, false) => i64::try_from(value).map_err(|_| Errno::ERANGE)? as u64,
            (true, true) if value <= 1 << 63 => value.wrapping_neg(),
            (true, true) => return Err(Errno::ERANGE),
        };
        Ok((value, read))
    });
    match parsed {
        Ok((value, read)) => {
            let bytes = memory.endian().put_u64(value);
            memory.write(to, &bytes)?;
            Ok(read as u64)
        }
        Err(errno) => answer(Err(errno)),
    }
}

pub fn strtol(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    parse(host, true, arguments)
}

pub fn strtoul(host: &mut dyn Host, arguments: [u64; 5]) -> Outcome {
    parse(host, false, arguments)
}

/// The ones' complement sum of bytes as numbers of 16 bits, as the machine reads them.
fn sum(memory: &dyn Memory, address: u64, len: usize) -> Result<u64, Trap> {
    let bytes = memory.bytes(address, len)?;
    let endian = memory.endian();
    let word = |bytes: &[u8]| u64::from(endian.u32([bytes[0], bytes[1], bytes[2], bytes[3]]));
    Ok(bytes.chunks_exact(4).map(word).sum())
}

pub fn csum_diff(host: &mut dyn Host, [from, from_len, to, to_len, seed]: [u64; 5]) -> Outcome {
    let from_len = size(id::CSUM_DIFF, u64::from(from_len as u32))?;
    let to_len = size(id::CSUM_DIFF, u64::from(to_len as u32))?;
    if from_len % 4 != 0 || to_len % 4 != 0 {
        return answer(Err(Errno::EINVAL));
    }
    // As many words as the kernel copies them to.
    const LONGEST: u64 = 512 * 4;
    let bytes = (from_len + to_len) as u64;
    if bytes > LONGEST {
        let limit = LONGEST;
        return Err(misuse(id::CSUM_DIFF, Misuse::TooLong { bytes, limit }));
    }
    let (_, memory) = host.parts();
    let words = (from_len / 4) as u64;
    // Taking away is adding the complement.
    let removed = words * 0xffff_ffff - sum(memory, from, from_len)?;
    let mut total = u64::from(seed as u32) + removed + sum(memory, to, to_len)?;
    while total > 0xffff_ffff {
        total = (total & 0xffff_ffff) + (total >> 32);
    }
    // Since Linux 6.13 the sum is folded to 16 bits.
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_reads_them() {
        assert_eq!(number(b"  42x", 0, true), Ok((false, 42, 4)));
        assert_eq!(number(b"-0x1f", 0, true), Ok((true, 0x1f, 5)));
        assert_eq!(number(b"017", 0, false), Ok((false, 15, 3)));
        assert_eq!(number(b"19", 8, false), Ok((false, 1, 1)));
        assert_eq!(number(b"-1", 10, false), Err(Errno::EINVAL));
        assert_eq!(number(b"", 10, true), Err(Errno::EINVAL));
        assert_eq!(
            number(b"18446744073709551616", 10, false),
            Err(Errno::ERANGE)
        );
    }
}
