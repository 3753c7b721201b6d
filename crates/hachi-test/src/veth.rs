//! Two hosts and a cable.

use crate::error::{self, Error, Result};
use crate::netns::Netns;
use crate::sys;
use crate::traffic::Ping;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Two network namespaces joined by a pair of virtual Ethernet interfaces, both up, with addresses.
///
/// Each end knows the other's hardware address from the start, so nothing but the traffic of the test
/// crosses the wire (and a program that drops all of it does not confuse address resolution for the
/// seconds after). Native XDP works on both ends (Linux ≥ 4.19).
#[derive(Debug)]
pub struct VethPair {
    /// By custom the side that sends: 10.77.0.1, fd77::1.
    pub left: Host,
    /// By custom the side under test: 10.77.0.2, fd77::2.
    pub right: Host,
}

/// One end of a [`VethPair`].
#[derive(Debug)]
pub struct Host {
    netns: Netns,
    interface: String,
    index: u32,
    mac: [u8; 6],
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
    peer: Netns,
    peer_interface: String,
}

impl VethPair {
    /// Makes the two namespaces and the cable.
    ///
    /// # Errors
    /// Without the privilege, without `ip`, or on a kernel without veth.
    pub fn new() -> Result<Self> {
        let (left, right) = (Netns::new()?, Netns::new()?);
        let peer = right.path();
        left.ip([
            "link".as_ref(),
            "add".as_ref(),
            "left0".as_ref(),
            "type".as_ref(),
            "veth".as_ref(),
            "peer".as_ref(),
            "name".as_ref(),
            "right0".as_ref(),
            "netns".as_ref(),
            peer.as_os_str(),
        ])?;
        let mut pair = Self {
            left: Host::set_up(left.clone(), "left0", 1, right.clone())?,
            right: Host::set_up(right, "right0", 2, left)?,
        };
        // Known only now that both are there.
        pair.left.peer_interface = pair.right.interface.clone();
        pair.right.peer_interface = pair.left.interface.clone();
        for host in [&pair.left, &pair.right] {
            host.introduce(host.ipv4.into())?;
            // Fails only where IPv6 is switched off, as adding the address did.
            let _ = host.introduce(host.ipv6.into());
        }
        Ok(pair)
    }
}

impl Host {
    fn set_up(netns: Netns, interface: &str, number: u8, peer: Netns) -> Result<Self> {
        let ipv4 = Ipv4Addr::new(10, 77, 0, number);
        let ipv6 = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into());
        netns.ip(["address", "add", &format!("{ipv4}/24"), "dev", interface])?;
        // Without `nodad` the address could not be used for the first second or two. Where IPv6 is
        // switched off, the tests that want it say so by failing to send; the others go on.
        let _ = netns.ip([
            "address",
            "add",
            &format!("{ipv6}/64"),
            "dev",
            interface,
            "nodad",
        ]);
        netns.ip(["link", "set", interface, "up"])?;
        let listing = netns.ip(["-o", "link", "show", "dev", interface])?;
        let broken = || Error::Command {
            command: format!("ip -o link show dev {interface}"),
            output: format!("not understood: {listing}"),
        };
        let index = listing
            .split(':')
            .next()
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(broken)?;
        let mac = listing
            .split_whitespace()
            .skip_while(|word| *word != "link/ether")
            .nth(1)
            .and_then(parse_mac)
            .ok_or_else(broken)?;
        Ok(Self {
            netns,
            interface: interface.to_owned(),
            index,
            mac,
            ipv4,
            ipv6,
            peer,
            peer_interface: String::new(),
        })
    }

    /// Tells the other end that `address` is this one's.
    fn introduce(&self, address: IpAddr) -> Result<()> {
        let (address, mac) = (
            address.to_string(),
            self.mac.map(|byte| format!("{byte:02x}")),
        );
        let mac = mac.join(":");
        let mut command = vec!["neighbour", "replace", &address, "lladdr", &mac];
        command.extend(["dev", &self.peer_interface, "nud", "permanent"]);
        self.peer.ip(command).map(drop)
    }

    /// The namespace this end is in.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The interface's name inside its namespace.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The interface's number inside its namespace.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The interface's hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The first IPv4 address, in a /24 with the other end's.
    pub fn ipv4(&self) -> Ipv4Addr {
        self.ipv4
    }

    /// The first IPv6 address, in a /64 with the other end's.
    pub fn ipv6(&self) -> Ipv6Addr {
        self.ipv6
    }

    /// Gives the interface one more IPv4 address of the same /24: `10.77.0.NUMBER`.
    ///
    /// # Errors
    /// When the address is there already.
    pub fn add_ipv4(&self, number: u8) -> Result<Ipv4Addr> {
        let [a, b, c, _] = self.ipv4.octets();
        let address = Ipv4Addr::new(a, b, c, number);
        self.netns.ip([
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            &self.interface,
        ])?;
        self.introduce(address.into())?;
        Ok(address)
    }

    /// `ping` from this end: `count` echo requests, 10 ms apart, answers awaited for 0.3 s.
    ///
    /// # Errors
    /// When the `ping` program is missing or refuses its arguments; lost packets are no error.
    pub fn ping(&self, to: impl Into<IpAddr>, count: u32) -> Result<Ping> {
        self.ping_from(None, to.into(), count)
    }

    /// [`Host::ping`] with a chosen source address.
    ///
    /// # Errors
    /// As [`Host::ping`].
    pub fn ping_from(&self, from: Option<IpAddr>, to: IpAddr, count: u32) -> Result<Ping> {
        let mut command = self.netns.command("ping");
        command.args(["-n", "-q", "-i", "0.01", "-W", "0.3", "-c"]);
        command.arg(count.to_string());
        if let Some(from) = from {
            command.arg("-I").arg(from.to_string());
        }
        command.arg(to.to_string());
        command.env("LC_ALL", "C");
        // Exit status 1 is "no answer": a result, not a failure.
        match error::run(&mut command) {
            Ok(output) => Ping::parse(&String::from_utf8_lossy(&output.stdout)),
            Err(Error::Command { output, .. }) => Ping::parse(&output),
            Err(other) => Err(other),
        }
    }

    /// Puts one whole Ethernet frame on the wire, exactly as given.
    ///
    /// # Errors
    /// When the interface is down or the frame longer than its MTU allows.
    pub fn send_frame(&self, frame: &[u8]) -> Result<()> {
        self.netns
            .run(|| {
                let socket = sys::packet_socket()?;
                sys::send_frame(&socket, self.index, frame)
            })
            .map_err(Error::during(format!(
                "sending {} bytes on {}",
                frame.len(),
                self.interface
            )))
    }
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_parse() {
        assert_eq!(parse_mac("02:00:0a:ff:00:01"), Some([2, 0, 10, 255, 0, 1]));
        assert_eq!(parse_mac("02:00:0a:ff:00"), None);
        assert_eq!(parse_mac("02:00:0a:ff:00:01:02"), None);
        assert_eq!(parse_mac("02:00:0a:ff:00:zz"), None);
    }
}
