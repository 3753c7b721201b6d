//! The command line.

use anyhow::{Context, bail};
use std::path::PathBuf;

pub const USAGE: &str = "\
A packet filter in XDP. It looks at source addresses and destination ports.

Load it (as root):
  xdp-firewall run --iface IFACE [--pin DIR] [--quiet]   filter and show what happens, until Ctrl-C
  xdp-firewall pin --iface IFACE [--pin DIR]             filter from now on, and come back at once
  options of both: [--block PREFIX]... [--block-port PORT]... [--mode skb|driver] [--pass-malformed]

Talk to one that is pinned:
  xdp-firewall stats [--json]           packets and bytes by verdict
  xdp-firewall events                   what it drops, live, until Ctrl-C
  xdp-firewall list                     the rules
  xdp-firewall block PREFIX...          drop what comes from 10.0.0.0/8, 2001:db8::/32, 10.1.2.3
  xdp-firewall unblock PREFIX...        remove the rule again
  xdp-firewall allow PREFIX...          an exception from a shorter prefix that is blocked
  xdp-firewall block-port PORT...       drop what goes to udp/53, tcp/22, or 53 (both)
  xdp-firewall unblock-port PORT...     remove the rule again
  xdp-firewall unpin                    detach and remove it

--pin DIR says where it is pinned: /sys/fs/bpf/xdp-firewall if not given. With `run`, the firewall
goes on after Ctrl-C if --pin was given.
";

/// Where it is pinned when nothing else is said.
const DEFAULT_DIRECTORY: &str = "/sys/fs/bpf/xdp-firewall";

/// What the command line says, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    pub command: String,
    pub operands: Vec<String>,
    pub iface: Option<String>,
    pub pin: Option<PathBuf>,
    pub block: Vec<String>,
    pub block_port: Vec<String>,
    pub mode: Option<String>,
    pub pass_malformed: bool,
    pub json: bool,
    pub quiet: bool,
}

impl Args {
    /// Sorts the arguments (without the program's name).
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut args = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--iface" | "-i" => args.iface = Some(value()?),
                "--pin" => args.pin = Some(value()?.into()),
                "--block" => args.block.push(value()?),
                "--block-port" => args.block_port.push(value()?),
                "--mode" => args.mode = Some(value()?),
                "--pass-malformed" => args.pass_malformed = true,
                "--json" => args.json = true,
                "--quiet" | "-q" => args.quiet = true,
                "--help" | "-h" => args.command = "help".to_owned(),
                option if option.starts_with('-') => {
                    bail!("unknown option {option}; see `xdp-firewall help`")
                }
                _ if args.command.is_empty() => args.command = argument,
                _ => args.operands.push(argument),
            }
        }
        Ok(args)
    }

    /// The directory it is pinned in.
    pub fn directory(&self) -> PathBuf {
        self.pin.clone().unwrap_or(DEFAULT_DIRECTORY.into())
    }

    /// The interface to attach to.
    pub fn iface(&self) -> anyhow::Result<&str> {
        self.iface
            .as_deref()
            .with_context(|| format!("`{}` needs --iface, see `ip link`", self.command))
    }

    /// The operands, of which there must be some.
    pub fn some_operands(&self) -> anyhow::Result<&[String]> {
        if self.operands.is_empty() {
            bail!(
                "`{}` needs something to work on; see `xdp-firewall help`",
                self.command
            );
        }
        Ok(&self.operands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Args> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_operands_mix() {
        let args = parse("block --pin /x 10.0.0.0/8 ::1").unwrap();
        assert_eq!(args.command, "block");
        assert_eq!(args.directory(), PathBuf::from("/x"));
        assert_eq!(args.some_operands().unwrap(), ["10.0.0.0/8", "::1"]);
        let args = parse("run -i eth0 --block 10.0.0.1 --block ::1 --pass-malformed -q").unwrap();
        assert_eq!(args.iface().unwrap(), "eth0");
        assert_eq!(args.block, ["10.0.0.1", "::1"]);
        assert!(args.quiet && args.pass_malformed && args.pin.is_none());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            parse("run --iface")
                .unwrap_err()
                .to_string()
                .contains("--iface")
        );
        assert!(
            parse("run --fast")
                .unwrap_err()
                .to_string()
                .contains("--fast")
        );
        assert!(parse("run").unwrap().iface().is_err());
        assert!(parse("block").unwrap().some_operands().is_err());
    }
}
