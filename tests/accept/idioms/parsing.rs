//! Numbers read from text, and written as text.

use crate::prelude::*;

fn decimal(t: &[u8]) -> Option<u64> {
    let mut n = 0u64;
    if t.is_empty() {
        return None;
    }
    for byte in t {
        if !byte.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(n)
}

fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

programs! {
    text fn leading_digits(t) {
        let mut n = 0u64;
        for byte in t {
            match byte {
                b'0'..=b'9' => n = n.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
                _ => break,
            }
        }
        n
    }

    text fn a_whole_number(t) {
        decimal(t).unwrap_or(u64::MAX)
    }

    text fn a_signed_number(t) {
        let (negative, digits) = match t {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        match decimal(digits) {
            Some(n) if negative => n.wrapping_neg(),
            Some(n) => n,
            None => 1 << 63,
        }
    }

    text fn hexadecimal_pairs(t) {
        let mut n = 0u64;
        for pair in t.chunks_exact(2) {
            let (Some(high), Some(low)) = (hexadecimal(pair[0]), hexadecimal(pair[1])) else {
                break;
            };
            n = n << 8 | u64::from(high << 4 | low);
        }
        n
    }

    text fn an_address_of_four_parts(t) {
        let mut address = 0u32;
        let mut parts = 0;
        for part in t.split(|b| *b == b'.') {
            let Some(n) = decimal(part).and_then(|n| u8::try_from(n).ok()) else { return 1 };
            address = address << 8 | u32::from(n);
            parts += 1;
        }
        if parts == 4 { u64::from(address) } else { 2 }
    }

    text fn by_to_digit(t) {
        t.iter().filter_map(|b| char::from(*b).to_digit(16)).map(u64::from).sum()
    }

    text fn from_str_radix(t) {
        match core::str::from_utf8(t).map(|t| u32::from_str_radix(t, 16)) {
            Ok(Ok(n)) => u64::from(n),
            Ok(Err(_)) => 1,
            Err(_) => 2,
        }
    }

    text fn parsed(t) {
        let number = core::str::from_utf8(t).ok().and_then(|t| t.parse::<i32>().ok());
        number.map_or(5, |n| n as u32 as u64)
    }

    text fn behind_the_last_equals_sign(t) {
        let at = t.iter().rposition(|b| *b == b'=').map_or(0, |at| at + 1);
        decimal(&t[at..]).unwrap_or(3)
    }

    words fn written_as_decimal(x) {
        let mut digits = [0u8; 20];
        let mut n = x[0];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 || at == 0 {
                break;
            }
        }
        digits[at..].iter().fold(0, |h: u64, b| h.wrapping_mul(31) + u64::from(*b))
    }

    words fn written_as_hexadecimal(x) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 16];
        for (i, byte) in x[0].to_be_bytes().into_iter().enumerate() {
            text[i * 2] = DIGITS[usize::from(byte >> 4)];
            text[i * 2 + 1] = DIGITS[usize::from(byte & 15)];
        }
        text.iter().fold(0, |h: u64, b| h.wrapping_mul(31) + u64::from(*b))
    }

    text fn a_line_of_a_request(t) {
        let mut words = t.split(|b| *b == b' ');
        let method = match words.next() {
            Some(b"GET") => 1,
            Some(b"POST") => 2,
            Some(_) => 3,
            None => 4,
        };
        let path = words.next().map_or(0, <[u8]>::len) as u64;
        method << 8 | path
    }

    text fn a_variable_length_number(t) {
        let mut n = 0u64;
        for (i, byte) in t.iter().take(9).enumerate() {
            n |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return n;
            }
        }
        u64::MAX
    }
}
