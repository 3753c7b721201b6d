//! Rules as people write them: `10.0.0.0/8`, `2001:db8::/32`, `udp/53`.

use anyhow::{Context, bail};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use xdp_firewall_common::{Port, TCP, UDP};

/// Source addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// The address; bits after the prefix are zero.
    pub address: IpAddr,
    /// How many bits count.
    pub length: u32,
}

impl FromStr for Prefix {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .with_context(|| format!("`{text}` is no address or prefix such as 10.0.0.0/8"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(length) => match length.parse() {
                Ok(length) if length <= bits => length,
                _ => bail!("`{text}`: the length of a prefix of this kind is 0 to {bits}"),
            },
        };
        Ok(Self::new(address, length))
    }
}

impl Prefix {
    /// The first `length` bits of `address`.
    pub fn new(address: IpAddr, length: u32) -> Self {
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        Self { address, length }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Reads `53`, meaning TCP and UDP, `tcp/22` or `udp/53`.
pub fn parse_ports(text: &str) -> anyhow::Result<Vec<Port>> {
    let (protocols, number) = match text.split_once('/') {
        Some(("tcp", number)) => (&[TCP][..], number),
        Some(("udp", number)) => (&[UDP][..], number),
        Some(_) => bail!("`{text}`: a port is 53, tcp/53 or udp/53"),
        None => (&[TCP, UDP][..], text),
    };
    let number = number
        .parse()
        .with_context(|| format!("`{text}`: a port is 53, tcp/53 or udp/53"))?;
    Ok(protocols
        .iter()
        .map(|&protocol| Port::new(protocol, number))
        .collect())
}

/// The protocol's name, or its number.
pub fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".to_owned(),
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => format!("protocol {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_parse_and_print() {
        for (text, printed) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("ff::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), printed);
        }
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "a/8",
            "1.2.3.4/-1",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn ports_parse() {
        assert_eq!(parse_ports("udp/53").unwrap(), [Port::new(UDP, 53)]);
        let both = [Port::new(TCP, 53), Port::new(UDP, 53)];
        assert_eq!(parse_ports("53").unwrap(), both);
        for text in ["", "tcp/", "sctp/5", "70000", "tcp/x"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }
}
