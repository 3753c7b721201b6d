//! Captures: packets in pcap and pcapng format.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::failure::{Failure, Result};

/// A packet of a capture.
pub struct Packet {
    /// Since 1970.
    pub time: Duration,
    pub bytes: Vec<u8>,
}

/// How a pcapng file begins, in either byte order.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The packets of a file of Ethernet frames.
pub fn read(path: &Path) -> Result<Vec<Packet>> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(format!("reading capture {}: {why}", path.display()))
    };
    let bytes = hachi_linker::read_file(path).map_err(|error| failed(&error))?;
    let packets = match bytes.starts_with(&SECTION) {
        true => read_pcapng(&bytes),
        false => read_pcap(&bytes),
    };
    packets.map_err(|why| failed(&why))
}

fn of_ethernet(kind: DataLink) -> std::result::Result<(), String> {
    match kind {
        DataLink::ETHERNET => Ok(()),
        kind => Err(format!(
            "its packets have link type {}, not Ethernet (1)",
            u32::from(kind)
        )),
    }
}

fn read_pcap(bytes: &[u8]) -> std::result::Result<Vec<Packet>, String> {
    let reader = PcapReader::new(Cursor::new(bytes));
    let mut reader = reader.map_err(|error| error.to_string())?;
    of_ethernet(reader.header().datalink)?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(|error| format!("packet {}: {error}", packets.len() + 1))?;
        packets.push(Packet {
            time: packet.timestamp,
            bytes: packet.data.into_owned(),
        });
    }
    Ok(packets)
}

fn read_pcapng(bytes: &[u8]) -> std::result::Result<Vec<Packet>, String> {
    let reader = PcapNgReader::new(Cursor::new(bytes));
    let mut reader = reader.map_err(|error| error.to_string())?;
    let mut packets: Vec<Packet> = Vec::new();
    let mut count = 0;
    loop {
        let block = match reader.next_block() {
            None => return Ok(packets),
            Some(block) => block.map(Block::into_owned),
        };
        count += 1;
        let wrong = |why: &dyn std::fmt::Display| format!("block {count}: {why}");
        let (interface, time, bytes) = match block.map_err(|error| wrong(&error))? {
            Block::EnhancedPacket(packet) => {
                let units = packet.timestamp.as_nanos();
                (packet.interface_id, Some(units), packet.data)
            }
            Block::SimplePacket(packet) => {
                // It is as long as the interface cuts packets to, and padded.
                let len = packet.original_len as usize;
                let mut bytes = packet.data.into_owned();
                bytes.truncate(len);
                (0, None, bytes.into())
            }
            Block::Packet(packet) => {
                let units = u128::from(packet.timestamp);
                (packet.interface_id.into(), Some(units), packet.data)
            }
            _ => continue,
        };
        let from = reader.interfaces().get(interface as usize);
        let from = from.ok_or_else(|| wrong(&format_args!("there is no interface {interface}")))?;
        of_ethernet(from.linktype).map_err(|why| wrong(&why))?;
        packets.push(Packet {
            time: time.map_or(Duration::ZERO, |units| time_of(units, from)),
            bytes: bytes.into_owned(),
        });
    }
}

/// A time in an interface's units: microseconds, unless it says otherwise.
fn time_of(units: u128, interface: &InterfaceDescriptionBlock<'_>) -> Duration {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    let resolution = resolution.unwrap_or(6);
    // A negative power of 2 if the first bit is set, else of 10.
    let exponent = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 != 0 { 2 } else { 10 };
    // What no number of 128 bits holds is finer than time gets.
    let Some(in_a_second) = base.checked_pow(exponent) else {
        return Duration::ZERO;
    };
    let seconds = units / in_a_second;
    let rest = (units % in_a_second).checked_mul(1_000_000_000);
    let nanos = rest.map_or(0, |rest| rest / in_a_second);
    Duration::new(seconds as u64, nanos as u32)
}

/// A capture in pcap format that is written. It is there once it is whole.
pub struct Writer {
    path: PathBuf,
    writer: PcapWriter<std::io::BufWriter<hachi_linker::NewFile>>,
}

impl Writer {
    pub fn new(path: &Path) -> Result<Writer> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::because(format!("writing capture {}", path.display()), error)
        };
        let file = hachi_linker::NewFile::create(path).map_err(|error| failed(&error))?;
        let file = std::io::BufWriter::new(file);
        let header = PcapHeader {
            // More than any packet has.
            snaplen: 0x4_0000,
            ts_resolution: pcap_file::TsResolution::NanoSecond,
            endianness: pcap_file::Endianness::Little,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(file, header).map_err(|error| failed(&error))?;
        Ok(Writer {
            path: path.to_path_buf(),
            writer,
        })
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::because(format!("writing capture {}", self.path.display()), error)
    }

    pub fn packet(&mut self, timestamp: Duration, bytes: &[u8]) -> Result {
        let packet = PcapPacket::new(timestamp, bytes.len() as u32, bytes);
        let written = self.writer.write_packet(&packet);
        written.map_err(|error| self.failed(&error)).map(|_| ())
    }

    pub fn finish(self) -> Result {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::because(format!("writing capture {}", self.path.display()), error)
        };
        let mut buffer = self.writer.into_writer();
        buffer.flush().map_err(|error| failed(&error))?;
        let file = buffer.into_inner().map_err(|error| failed(error.error()))?;
        file.finish().map_err(|error| failed(&error))
    }
}
