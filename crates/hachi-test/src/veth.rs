//! Two hosts and a cable.

use crate::error::{self, Error, Result};
use crate::netns::Netns;
use crate::sys;
use crate::traffic::Ping;
use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Two network namespaces joined by a pair of virtual Ethernet interfaces, both up, with addresses.
///
/// Each end knows the other's hardware address from the start, so nothing but the traffic of the
/// test crosses the wire (and a program that drops all of it does not confuse address resolution
/// for the seconds after). Native XDP works on both ends (Linux ≥ 4.19).
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
        let mut pair = Self {
            left: Host::new(&left, &right, ["left0", "right0"], 1),
            right: Host::new(&right, &left, ["right0", "left0"], 2),
        };
        let (left, right) = (&pair.left, &pair.right);
        let cable = format!(
            "link add left0 address {} type veth peer name right0 address {} netns {}\n",
            text(left.mac),
            text(right.mac),
            peer.display()
        );
        left.netns.ip_batch(&(cable + &left.commands(right)))?;
        right.netns.ip_batch(&right.commands(left))?;
        for (host, peer) in [(left, right), (right, left)] {
            // Where IPv6 is switched off, the tests that want it say so by failing to send; the
            // others go on.
            let _ = host.netns.ip_batch(&host.commands_v6(peer));
        }
        for host in [&mut pair.left, &mut pair.right] {
            host.index = host.find_index()?;
        }
        Ok(pair)
    }
}

impl Host {
    /// An end of which only the namespace is there yet; its number in addresses.
    fn new(netns: &Netns, peer: &Netns, interfaces: [&str; 2], number: u8) -> Self {
        let [interface, peer_interface] = interfaces.map(str::to_owned);
        Self {
            netns: netns.clone(),
            interface,
            index: 0,
            // One of those that anybody may use.
            mac: [2, 0, 0, 0x77, 0, number],
            ipv4: Ipv4Addr::new(10, 77, 0, number),
            ipv6: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into()),
            peer: peer.clone(),
            peer_interface,
        }
    }

    fn commands(&self, peer: &Self) -> String {
        let Self {
            interface, ipv4, ..
        } = self;
        let (peer, mac) = (peer.ipv4, text(peer.mac));
        format!(
            "address add {ipv4}/24 dev {interface}\n\
             link set {interface} up\n\
             neighbour replace {peer} lladdr {mac} dev {interface} nud permanent\n"
        )
    }

    /// Without `nodad` the address could not be used for the first second or two.
    fn commands_v6(&self, peer: &Self) -> String {
        let Self {
            interface, ipv6, ..
        } = self;
        let (peer, mac) = (peer.ipv6, text(peer.mac));
        format!(
            "address add {ipv6}/64 dev {interface} nodad\n\
             neighbour replace {peer} lladdr {mac} dev {interface} nud permanent\n"
        )
    }

    fn find_index(&self) -> Result<u32> {
        let name = CString::new(self.interface.as_str()).unwrap_or_default();
        self.netns
            .run(|| sys::interface_index(&name))
            .map_err(Error::during(format!("looking for {}", self.interface)))
    }

    /// Tells the other end that `address` is this one's.
    fn introduce(&self, address: IpAddr) -> Result<()> {
        let (address, mac) = (address.to_string(), text(self.mac));
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

/// `02:00:00:77:00:01`
fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
