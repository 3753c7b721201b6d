//! Traffic of the demo: small programs that ask again and again, and a table of who gets answers.

use super::firewall::Counters;
use crate::install::Tool;
use crate::shell::{Result, dim, green, is_terminal, own_program, red};
use hachi_test::{
    Guarded, Netns, VethPair, find_program, interrupted, tcp_request_from, udp_request_from,
};
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two questions of one flow.
const PAUSE: Duration = Duration::from_millis(150);
/// Between two looks at the table.
const REFRESH: Duration = Duration::from_millis(500);
/// A phase goes on until every flow has asked this often in it,
const ENOUGH: u64 = 2;
/// but no longer than this.
const AT_MOST: Duration = Duration::from_secs(20);
/// What is sent; the servers send it back.
const QUESTION: &[u8] = b"anybody there?\n";

/// The programs that ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    Ping,
    Tcp,
    Udp,
}

/// Which programs play the TCP and UDP client.
#[derive(Clone, Debug)]
pub struct Clients {
    nc: Option<PathBuf>,
}

impl Clients {
    /// Takes `nc`, or our own small clients where it could not be installed. Without `ip` or `ping`
    /// there is no demo.
    pub fn choose(missing: &[(Tool, String)]) -> Result<Self> {
        for (tool, reason) in missing {
            if tool.program == "nc" {
                println!("without `nc` ({reason}), our own TCP and UDP clients are used");
            } else {
                return Err(format!("`{}` is needed: {reason}", tool.program).into());
            }
        }
        Ok(Self {
            nc: find_program("nc"),
        })
    }

    /// The command that asks once, ending within about a second, answered or not.
    fn command(
        &self,
        netns: &Netns,
        program: Program,
        from: Ipv4Addr,
        to: SocketAddr,
    ) -> Result<Command> {
        let (from, address, port) = (from.to_string(), to.ip().to_string(), to.port().to_string());
        let own = own_program();
        let mut command = match (program, &self.nc) {
            (Program::Ping, _) => netns.command("ping"),
            (_, Some(nc)) => netns.command(nc),
            (_, None) => netns.command(own),
        };
        match (program, &self.nc) {
            (Program::Ping, _) => {
                command.args(["-n", "-q", "-c", "1", "-W", "0.4", "-I", &from, &address])
            }
            (Program::Tcp, Some(_)) => {
                command.args(["-N", "-w", "1", "-s", &from, &address, &port])
            }
            (Program::Udp, Some(_)) => {
                command.args(["-u", "-w", "1", "-W", "1", "-s", &from, &address, &port])
            }
            (Program::Tcp, None) => command.args(["demo", "client", "tcp", &from, &to.to_string()]),
            (Program::Udp, None) => command.args(["demo", "client", "udp", &from, &to.to_string()]),
        };
        Ok(command)
    }
}

/// What one flow counted since the last change of scene.
#[derive(Default)]
struct Counts {
    epoch: u32,
    sent: u64,
    answered: u64,
}

/// One program that asks the server from one address, again and again.
pub struct Flow {
    program: Program,
    from: Ipv4Addr,
    stranger: bool,
    counts: Arc<Mutex<Counts>>,
}

/// All of them; they stop on drop.
pub struct Flows {
    flows: Vec<Flow>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Flow {
    /// Questions asked in this epoch.
    pub fn sent(&self) -> u64 {
        lock(&self.counts).sent
    }

    /// Those of them that were answered.
    pub fn answered(&self) -> u64 {
        lock(&self.counts).answered
    }

    fn row(&self) -> Row {
        let counts = lock(&self.counts);
        Row {
            program: self.program,
            from: self.from,
            stranger: self.stranger,
            asked: counts.sent,
            answered: counts.answered,
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub program: Program,
    pub from: Ipv4Addr,
    /// Whether it comes from the address that will be blocked.
    pub stranger: bool,
    pub asked: u64,
    pub answered: u64,
}

/// What the last column of the table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Received,
    /// Where nobody answers: what came to the server.
    LetThrough,
}

/// Who asked how often, and what became of it.
pub fn table(rows: &[Row], answers: Answers, counters: Option<Counters>) -> String {
    let last = match answers {
        Answers::Received => "answered",
        Answers::LetThrough => "let through",
    };
    let header = format!("client                   asked  {last}");
    let mut table = format!("    {}\n", dim(header));
    for row in rows {
        let count = format!("{:8}", row.answered);
        let count = if row.asked > 0 && row.answered == 0 {
            red(count)
        } else {
            green(count)
        };
        let name = row.to_string();
        table.push_str(&format!("    {name:22} {:7}  {count}\n", row.asked));
    }
    if let Some(Counters { passed, blocked }) = counters {
        table.push_str(&format!(
            "    firewall: {} packets passed, {} dropped\n",
            green(passed),
            red(blocked)
        ));
    }
    table
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row().fmt(f)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self.program {
            Program::Ping => "ping",
            Program::Tcp => "TCP ",
            Program::Udp => "UDP ",
        };
        write!(f, "{program} from {}", self.from)
    }
}

impl Flows {
    /// Starts a ping, a TCP and a UDP client at each of the two addresses of `wire.left`.
    pub fn new(
        wire: &VethPair,
        stranger: Ipv4Addr,
        server: SocketAddr,
        clients: &Clients,
    ) -> Result<Self> {
        let mut all = Self {
            flows: Vec::new(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for from in [wire.left.ipv4(), stranger] {
            for program in [Program::Ping, Program::Tcp, Program::Udp] {
                let counts: Arc<Mutex<Counts>> = Arc::default();
                let (netns, clients) = (wire.left.netns().clone(), clients.clone());
                let (stop, shared) = (Arc::clone(&all.stop), Arc::clone(&counts));
                // Once here, where a program that cannot be run still ends the demo.
                clients.command(&netns, program, from, server)?;
                all.threads.push(thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let epoch = lock(&shared).epoch;
                        let answered = clients
                            .command(&netns, program, from, server)
                            .is_ok_and(|command| ask(command, program));
                        let mut counts = lock(&shared);
                        // A question from before the change of scene says nothing about after it.
                        if counts.epoch == epoch {
                            counts.sent += 1;
                            counts.answered += u64::from(answered);
                        }
                        drop(counts);
                        thread::sleep(PAUSE);
                    }
                }));
                all.flows.push(Flow {
                    program,
                    from,
                    stranger: from == stranger,
                    counts,
                });
            }
        }
        Ok(all)
    }

    /// Starts counting again from zero.
    pub fn next_epoch(&self) {
        for flow in &self.flows {
            let mut counts = lock(&flow.counts);
            *counts = Counts {
                epoch: counts.epoch + 1,
                ..Counts::default()
            };
        }
    }

    /// The flows, the stranger's last.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter()
    }

    /// The same as lines of the table.
    pub fn rows(&self) -> Vec<Row> {
        self.flows.iter().map(Flow::row).collect()
    }

    /// Shows the table for `duration`, with what the firewall counted, if there is one.
    pub fn watch(
        &self,
        duration: Duration,
        counters: impl Fn() -> Result<Option<Counters>>,
    ) -> Result {
        let start = Instant::now();
        let mut drawn = 0;
        loop {
            thread::sleep(REFRESH);
            if interrupted() {
                return Err("interrupted".into());
            }
            let elapsed = start.elapsed();
            let enough = self.flows.iter().all(|flow| flow.sent() >= ENOUGH);
            let done = elapsed >= AT_MOST || (elapsed >= duration && enough);
            // Where the table cannot be redrawn in place, once is enough.
            if is_terminal() || done {
                if drawn > 0 {
                    print!("\x1b[{drawn}A\x1b[J");
                }
                let table = table(&self.rows(), Answers::Received, counters()?);
                drawn = table.lines().count();
                print!("{table}");
                std::io::stdout().flush()?;
            }
            if done {
                return Ok(());
            }
        }
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Runs a client once and says whether it got its answer.
fn ask(mut command: Command, program: Program) -> bool {
    if program == Program::Ping {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        return Guarded::spawn(command)
            .and_then(|process| process.wait(Duration::from_secs(5)))
            .is_ok_and(|(status, _)| status.success());
    }
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // When it has ended already there is no answer, which is what counts.
        let _ = stdin.write_all(QUESTION);
    }
    child
        .wait_with_output()
        .is_ok_and(|output| output.stdout == QUESTION)
}

/// What `nc` does, where there is none: sends stdin, prints what comes back within a second.
pub fn client(protocol: &str, from: &str, to: &str) -> Result<ExitCode> {
    let timeout = Duration::from_secs(1);
    let (from, to): (IpAddr, SocketAddr) = (from.parse()?, to.parse()?);
    let mut question = Vec::new();
    std::io::stdin().read_to_end(&mut question)?;
    let here = Netns::current()?;
    let answer = match protocol {
        "udp" => udp_request_from(&here, from, to, &question, timeout)?,
        _ => tcp_request_from(&here, from, to, &question, timeout)?,
    };
    std::io::stdout().write_all(&answer)?;
    Ok(ExitCode::SUCCESS)
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    // A thread that panicked while counting has at worst not counted.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
