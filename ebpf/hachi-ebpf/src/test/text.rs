//! The kernel's functions for text: they read any address, and say where there is nothing.

use std::vec::Vec;

use super::errno::*;
use super::{Done, memory};
use crate::cty::c_char;

/// The longest text that is looked at (`XATTR_SIZE_MAX`).
const MOST: usize = 64 << 10;

/// The bytes before a NUL.
fn read(text: *const c_char) -> Done<Vec<u8>> {
    let text = memory::read_string(text.expose_provenance() as u64, MOST + 1)?;
    if text.len() > MOST {
        Err(E2BIG)
    } else {
        Ok(text)
    }
}

/// The bytes before a NUL or the end.
fn read_within(text: *const c_char, count: u64) -> Done<Vec<u8>> {
    memory::read_string(text.expose_provenance() as u64, (count as usize).min(MOST))
}

fn number(result: Done<usize>) -> i32 {
    result.map_or_else(|error| error as i32, |number| number as i32)
}

fn place(result: Done<Option<usize>>) -> i32 {
    number(result.and_then(|at| at.ok_or(ENOENT)))
}

fn order(a: Done<Vec<u8>>, b: Done<Vec<u8>>) -> i32 {
    match (a, b) {
        (Ok(a), Ok(b)) => a.cmp(&b) as i32,
        (Err(error), _) | (_, Err(error)) => error as i32,
    }
}

pub fn strcmp(a: *const c_char, b: *const c_char) -> i32 {
    order(read(a), read(b))
}

pub fn strcasecmp(a: *const c_char, b: *const c_char) -> i32 {
    let small = |text| Ok(read(text)?.to_ascii_lowercase());
    order(small(a), small(b))
}

pub fn strlen(text: *const c_char) -> i32 {
    number(read(text).map(|text| text.len()))
}

pub fn strnlen(text: *const c_char, count: u64) -> i32 {
    number(read_within(text, count).map(|text| text.len()))
}

pub fn strchr(text: *const c_char, byte: u8) -> i32 {
    place(read(text).map(|text| with_nul(text).position(|other| other == byte)))
}

pub fn strrchr(text: *const c_char, byte: i32) -> i32 {
    place(read(text).map(|text| with_nul(text).rposition(|other| i32::from(other) == byte)))
}

/// A text and the NUL behind it, which can be found as well.
fn with_nul(mut text: Vec<u8>) -> std::vec::IntoIter<u8> {
    text.push(0);
    text.into_iter()
}

pub fn strnchr(text: *const c_char, count: u64, byte: u8) -> i32 {
    place(read_within(text, count).map(|text| text.iter().position(|&other| other == byte)))
}

pub fn strstr(text: *const c_char, part: *const c_char) -> i32 {
    let found = || {
        let (text, part) = (read(text)?, read(part)?);
        if part.is_empty() {
            return Ok(Some(0));
        }
        Ok(text.windows(part.len()).position(|window| window == part))
    };
    place(found())
}

fn span(text: *const c_char, set: *const c_char, is_member: bool) -> i32 {
    let span = || {
        let (text, set) = (read(text)?, read(set)?);
        let inside = text
            .iter()
            .take_while(|byte| set.contains(byte) == is_member);
        Ok(inside.count())
    };
    number(span())
}

pub fn strspn(text: *const c_char, set: *const c_char) -> i32 {
    span(text, set, true)
}

pub fn strcspn(text: *const c_char, set: *const c_char) -> i32 {
    span(text, set, false)
}
