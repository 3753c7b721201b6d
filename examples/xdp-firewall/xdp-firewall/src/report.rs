//! Reports, for a person or for a program.

use crate::rules::protocol_name;
use std::net::{Ipv4Addr, Ipv6Addr};
use xdp_firewall_common::{Counter, Event, Verdict};

/// The counters as a table.
pub fn table(counters: &[Counter]) -> String {
    let mut text = format!("{:15} {:>10} {:>12}\n", "verdict", "packets", "bytes");
    for (verdict, counter) in Verdict::ALL.iter().zip(counters) {
        let (name, Counter { packets, bytes }) = (verdict.name(), counter);
        text.push_str(&format!("{name:15} {packets:10} {bytes:12}\n"));
    }
    text
}

/// The counters as one line.
pub fn line(counters: &[Counter]) -> String {
    let parts: Vec<String> = Verdict::ALL
        .iter()
        .zip(counters)
        .map(|(verdict, counter)| format!("{} {}", verdict.name(), counter.packets))
        .collect();
    parts.join(" | ")
}

/// The counters as one line of JSON: `{"passed":{"packets":1,"bytes":60},…}`.
pub fn json(counters: &[Counter]) -> String {
    let members: Vec<String> = Verdict::ALL
        .iter()
        .zip(counters)
        .map(|(verdict, Counter { packets, bytes })| {
            let name = verdict.name().replace(' ', "_");
            format!("\"{name}\":{{\"packets\":{packets},\"bytes\":{bytes}}}")
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// One dropped packet, in words.
pub fn event(event: &Event) -> String {
    let verdict = event.verdict.get().map_or("unknown verdict", Verdict::name);
    let source = match event.ip_version {
        4 => {
            let [a, b, c, d, ..] = event.source;
            Ipv4Addr::new(a, b, c, d).to_string()
        }
        6 => Ipv6Addr::from(event.source).to_string(),
        _ => "an unknown source".to_owned(),
    };
    let port = match event.port {
        0 => String::new(),
        port => format!(" to port {port}"),
    };
    let (protocol, length) = (protocol_name(event.protocol), event.length);
    format!("dropped {protocol} from {source}{port}, {length} bytes: {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use xdp_firewall_common::UDP;

    #[test]
    fn events_read_well() {
        let mut source = [0; 16];
        source[..4].copy_from_slice(&[10, 0, 0, 7]);
        let drop = Event {
            source,
            length: 60,
            port: 53,
            ip_version: 4,
            protocol: UDP,
            verdict: Verdict::BlockedPort.into(),
        };
        let text = "dropped udp from 10.0.0.7 to port 53, 60 bytes: blocked port";
        assert_eq!(event(&drop), text);
    }

    #[test]
    fn counters_read_well() {
        let mut counters = [Counter::default(); 4];
        counters[1] = Counter {
            packets: 3,
            bytes: 180,
        };
        assert!(json(&counters).starts_with(
            r#"{"passed":{"packets":0,"bytes":0},"blocked_source":{"packets":3,"bytes":180},"#
        ));
        assert_eq!(
            line(&counters),
            "passed 0 | blocked source 3 | blocked port 0 | malformed 0"
        );
        assert!(table(&counters).contains("blocked source           3          180\n"));
    }
}
