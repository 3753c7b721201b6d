//! What both sides of Aya's log share, on top of Hachi.
//!
//! ```toml
//! aya-log-common = { package = "hachi-aya-log-common", version = "0.1" }
//! ```
//!
//! Levels, display hints, and which types each hint takes. How a message travels is Hachi's own
//! affair (`hachi_common::log`), so Aya's records have nothing in their place.

#![no_std]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use hachi_common::log::Level;

/// How an argument is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DisplayHint {
    /// `{}`
    Default = 1,
    /// `{:x}`
    LowerHex,
    /// `{:X}`
    UpperHex,
    /// `{:i}`
    Ip,
    /// `{:mac}`
    LowerMac,
    /// `{:MAC}`
    UpperMac,
    /// `{:p}`
    Pointer,
}

impl From<DisplayHint> for u8 {
    fn from(hint: DisplayHint) -> Self {
        hint as u8
    }
}

/// The hint of that name in Hachi.
impl From<DisplayHint> for hachi_common::log::Hint {
    fn from(hint: DisplayHint) -> Self {
        match hint {
            DisplayHint::Default => Self::Display,
            DisplayHint::LowerHex => Self::LowerHex,
            DisplayHint::UpperHex => Self::UpperHex,
            DisplayHint::Ip => Self::Ip,
            DisplayHint::LowerMac => Self::LowerMac,
            DisplayHint::UpperMac => Self::UpperMac,
            DisplayHint::Pointer => Self::Pointer,
        }
    }
}

macro_rules! formatters {
    ($($(#[$doc:meta])* $name:ident: $($({$($generics:tt)*})? $type:ty),*;)*) => { $(
        $(#[$doc])*
        pub trait $name {}
        $(impl $(<$($generics)*>)? $name for $type {})*
    )* };
}

formatters! {
    /// What `{}` takes.
    DefaultFormatter: bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64, char,
        str, &str, IpAddr, Ipv4Addr, Ipv6Addr;
    /// What `{:x}` takes.
    LowerHexFormatter: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, &[u8],
        {const N: usize} &[u8; N];
    /// What `{:X}` takes.
    UpperHexFormatter: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, &[u8],
        {const N: usize} &[u8; N];
    /// What `{:i}` takes.
    IpFormatter: IpAddr, Ipv4Addr, Ipv6Addr, u32, [u8; 4], [u8; 16], [u16; 8];
    /// What `{:mac}` takes.
    LowerMacFormatter: [u8; 6];
    /// What `{:MAC}` takes.
    UpperMacFormatter: [u8; 6];
    /// What `{:p}` takes.
    PointerFormatter: {T} *const T, {T} *mut T;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_aya() {
        assert_eq!(u8::from(DisplayHint::Default), 1);
        assert_eq!(u8::from(DisplayHint::Pointer), 7);
        assert_eq!(Level::Error as u8, 1);
        assert_eq!(Level::Trace as u8, 5);
        let hint = hachi_common::log::Hint::from(DisplayHint::UpperMac);
        assert_eq!(hint, hachi_common::log::Hint::UpperMac);
    }
}
