//! Traffic: servers that answer, clients that ask.

use crate::error::{Error, Result};
use crate::maker::Maker;
use crate::netns::Netns;
use crate::sys;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often a server looks whether it should stop.
const TICK: Duration = Duration::from_millis(20);

/// What `ping` counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Echo requests sent.
    pub sent: u32,
    /// Answers that came back.
    pub received: u32,
}

impl Ping {
    /// Whether every request got its answer (and there was one).
    pub fn all_answered(self) -> bool {
        self.sent > 0 && self.sent == self.received
    }

    /// Whether none did, although something was sent.
    pub fn none_answered(self) -> bool {
        self.sent > 0 && self.received == 0
    }

    /// Reads ping's closing line, `3 packets transmitted, 2 received, …`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let counts = text.lines().find_map(|line| {
            let (sent, rest) = line.split_once(" packets transmitted, ")?;
            // After a failure the text starts with the exit status, so the number may not be alone.
            let sent = sent.rsplit([' ', ',']).next()?.parse().ok()?;
            let received = rest.split(' ').next()?.parse().ok()?;
            Some(Self { sent, received })
        });
        counts.ok_or_else(|| Error::Command {
            command: "ping".to_owned(),
            output: text.trim().to_owned(),
        })
    }
}

/// A server that sends back what it gets, in a thread of this process; stops on drop.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    maker: Maker,
}

impl EchoServer {
    /// A TCP server at `address` of `netns`; port 0 lets the kernel choose one.
    ///
    /// # Errors
    /// When the address is not there or the port taken.
    pub fn tcp(netns: &Netns, address: SocketAddr) -> Result<Self> {
        let listener = netns
            .run(|| patiently(|| TcpListener::bind(address)))
            .and_then(|listener| {
                // `accept` is only called when poll says so, yet the peer may be gone by then.
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
            .map_err(Error::during(format!("listening on TCP {address}")))?;
        let address = listener
            .local_addr()
            .map_err(Error::during("asking a socket its address"))?;
        Ok(Self::start(address, move |stop, requests| {
            while !stop.load(Ordering::Relaxed) {
                if let Ok(true) = sys::wait_readable(listener.as_fd(), TICK)
                    && let Ok((stream, _)) = listener.accept()
                {
                    let (stop, requests) = (Arc::clone(stop), Arc::clone(requests));
                    thread::spawn(move || echo_tcp(stream, &stop, &requests));
                }
            }
        }))
    }

    /// A UDP server at `address` of `netns`; port 0 lets the kernel choose one.
    ///
    /// # Errors
    /// When the address is not there or the port taken.
    pub fn udp(netns: &Netns, address: SocketAddr) -> Result<Self> {
        let socket = netns
            .run(|| patiently(|| UdpSocket::bind(address)))
            .map_err(Error::during(format!("listening on UDP {address}")))?;
        let address = socket
            .local_addr()
            .map_err(Error::during("asking a socket its address"))?;
        Ok(Self::start(address, move |stop, requests| {
            let mut buffer = [0; 65536];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(true) = sys::wait_readable(socket.as_fd(), TICK)
                    && let Ok((length, from)) = socket.recv_from(&mut buffer)
                {
                    requests.fetch_add(1, Ordering::Relaxed);
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        }))
    }

    fn start(
        address: SocketAddr,
        serve: impl FnOnce(&Arc<AtomicBool>, &Arc<AtomicUsize>) + Send + 'static,
    ) -> Self {
        let (stop, requests) = (Arc::default(), Arc::default());
        let thread = {
            let (stop, requests) = (Arc::clone(&stop), Arc::clone(&requests));
            thread::spawn(move || serve(&stop, &requests))
        };
        Self {
            maker: Maker::this(),
            address,
            stop,
            requests,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams (UDP) or pieces of a stream (TCP) reached it so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Binds, again and again for a second if the address is in use. A server that was just dropped may
/// live on for a moment in a child process that another thread has forked and that has not come to
/// its `exec`, which closes what it inherited.
fn patiently<T>(bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..50 {
        match bind() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(TICK),
            result => return result,
        }
    }
    bind()
}

fn echo_tcp(mut stream: TcpStream, stop: &AtomicBool, requests: &AtomicUsize) {
    if stream.set_nonblocking(false).is_err() {
        return;
    }
    let mut buffer = [0; 16384];
    while !stop.load(Ordering::Relaxed) {
        match sys::wait_readable(stream.as_fd(), TICK) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => break,
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                requests.fetch_add(1, Ordering::Relaxed);
                if stream.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        }
    }
    sys::shutdown(&stream);
}

/// Connects from inside `netns`, sends `payload`, and gives as many bytes of the answer.
///
/// # Errors
/// `TimedOut` or `WouldBlock` (as the kernel reports it) when nothing comes within `timeout`: what
/// a dropped packet looks like from the client's side.
pub fn tcp_request(
    netns: &Netns,
    to: SocketAddr,
    payload: &[u8],
    timeout: Duration,
) -> io::Result<Vec<u8>> {
    tcp_request_from(netns, any_address(to).ip(), to, payload, timeout)
}

/// [`tcp_request`] with a chosen source address.
///
/// # Errors
/// As [`tcp_request`], and when `from` is no address of the namespace.
pub fn tcp_request_from(
    netns: &Netns,
    from: IpAddr,
    to: SocketAddr,
    payload: &[u8],
    timeout: Duration,
) -> io::Result<Vec<u8>> {
    netns.run(|| {
        let mut stream = sys::tcp_connect_from(from, to, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(payload)?;
        let mut answer = vec![0; payload.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    })
}

/// Sends one datagram from inside `netns` and gives the answer.
///
/// # Errors
/// `WouldBlock` when nothing comes within `timeout`.
pub fn udp_request(
    netns: &Netns,
    to: SocketAddr,
    payload: &[u8],
    timeout: Duration,
) -> io::Result<Vec<u8>> {
    udp_request_from(netns, any_address(to).ip(), to, payload, timeout)
}

/// [`udp_request`] with a chosen source address.
///
/// # Errors
/// As [`udp_request`], and when `from` is no address of the namespace.
pub fn udp_request_from(
    netns: &Netns,
    from: IpAddr,
    to: SocketAddr,
    payload: &[u8],
    timeout: Duration,
) -> io::Result<Vec<u8>> {
    netns.run(|| {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.send(payload)?;
        let mut answer = vec![0; 65536];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    })
}

/// Sends one datagram from inside `netns`, from `from` if given, and waits for nothing.
///
/// # Errors
/// When the address cannot be bound or there is no route.
pub fn udp_send(
    netns: &Netns,
    from: Option<SocketAddr>,
    to: SocketAddr,
    payload: &[u8],
) -> io::Result<()> {
    netns.run(|| {
        let socket = UdpSocket::bind(from.unwrap_or(any_address(to)))?;
        socket.send_to(payload, to).map(drop)
    })
}

fn any_address(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_summaries_parse() {
        let good =
            "PING 10.0.0.1\n\n3 packets transmitted, 3 received, 0% packet loss, time 20ms\n";
        assert!(Ping::parse(good).unwrap().all_answered());
        let lost = "exit status: 1, PING x\n4 packets transmitted, 0 received, 100% packet loss";
        assert!(Ping::parse(lost).unwrap().none_answered());
        let merged = "exit status: 1, 4 packets transmitted, 1 received, +3 errors";
        let expected = Ping {
            sent: 4,
            received: 1,
        };
        assert_eq!(Ping::parse(merged).unwrap(), expected);
        assert!(Ping::parse("connect: Network is unreachable").is_err());
    }
}
