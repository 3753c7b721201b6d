//! `cargo xtask demo`: from a checkout to a firewall in the kernel that filters real traffic.
//!
//! Everything happens in two network namespaces without names and under a private mount of a BPF
//! filesystem, which the kernel takes away with this process, however it ends. Each thing the demo
//! says is checked; the first that is not true ends it with an error. A machine that refuses bpf(2)
//! sees the same firewall in the virtual machine, over captured traffic.

mod firewall;
mod flows;
mod offline;

use crate::install::{self, IP, NC, PING};
use crate::shell::{
    Result, bold, capture, cargo, dim, examples_target_dir, green, root, run as run_command,
    target_dir,
};
use firewall::Firewall;
use flows::{Answers, Clients, Flows, Row};
use hachi_test::{Bpffs, EchoServer, VethPair, interrupted};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Lines of the disassembly that are shown.
const DISASSEMBLY: usize = 40;

/// Runs it; `--fast` shows each phase only as long as the checks need.
pub fn run(options: &[&str]) -> Result<ExitCode> {
    let phase = match options {
        [] => Duration::from_secs(4),
        ["--fast"] => Duration::from_millis(1500),
        // How our own clients run, where `nc` is not installed.
        ["client", protocol, from, to] => return flows::client(protocol, from, to),
        _ => return Err("usage: cargo xtask demo [--fast]".into()),
    };
    let start = Instant::now();
    // Ctrl-C must end the demo in order, not at once.
    hachi_test::on_interrupt();
    // Before the first thread, so that all of them and every child see the same mounts.
    let private = hachi_test::private_mounts();

    step(1, "The tools and the toolchain");
    let missing = install::ensure(&[IP, PING, NC]);
    let hachi = build_hachi()?;
    step(
        2,
        "Build the firewall: kernel side and user side, both Rust",
    );
    let built = Built::new(&hachi)?;

    if let Err(reason) = hachi_test::bpf_available() {
        return offline::run(&hachi, &built.object, &reason, start);
    }
    private?;
    let clients = Clients::choose(&missing)?;

    step(3, "Two hosts and a cable");
    let wire = VethPair::new()?;
    let bpffs = Bpffs::new()?;
    let stranger = wire.left.add_ipv4(66)?;
    let tcp = EchoServer::tcp(wire.right.netns(), (wire.right.ipv4(), 7000).into())?;
    let udp = EchoServer::udp(wire.right.netns(), (wire.right.ipv4(), 7000).into())?;
    println!(
        "clients {} and {stranger} on {}, a TCP and a UDP server at {} on {}",
        wire.left.ipv4(),
        wire.left.interface(),
        tcp.address(),
        wire.right.interface()
    );
    if interrupted() {
        return Err("interrupted".into());
    }

    step(4, "Load the firewall, attach it, pin it");
    let firewall = Firewall::start(
        &built.program,
        wire.right.netns(),
        wire.right.interface(),
        bpffs.join("firewall"),
    )?;

    step(5, "Real traffic, all of it let through");
    let flows = Flows::new(&wire, stranger, udp.address(), &clients)?;
    flows.watch(phase, || firewall.counters().map(Some))?;
    for flow in flows.iter() {
        check(flow.answered() > 0, format!("{flow} got answers"))?;
    }
    check(
        firewall.counters()?.passed > 0,
        "the firewall counted what it let through",
    )?;

    step(
        6,
        &format!("Block {stranger}; {} goes on", wire.left.ipv4()),
    );
    firewall.control(&["block", &stranger.to_string()])?;
    flows.next_epoch();
    flows.watch(phase, || firewall.counters().map(Some))?;
    expect_blocked(&flows.rows(), Answers::Received, "")?;
    check(
        firewall.counters()?.blocked > 0,
        "the firewall counted what it dropped",
    )?;

    step(7, "What the kernel runs, with the Rust lines it comes from");
    show_disassembly(&hachi, &built.object)?;

    step(
        8,
        "End the program that loaded it: pinned, the firewall stays",
    );
    let pinned = firewall.end_program()?;
    flows.next_epoch();
    flows.watch(phase, || pinned.counters().map(Some))?;
    expect_blocked(
        &flows.rows(),
        Answers::Received,
        ", with no process of the firewall's left",
    )?;

    step(9, "Unpin it: the last thing that held it, so it is gone");
    pinned.control(&["unpin"])?;
    flows.next_epoch();
    flows.watch(phase, || Ok(None))?;
    for flow in flows.iter() {
        check(flow.answered() > 0, format!("{flow} gets answers"))?;
    }
    drop((flows, tcp, udp, bpffs, wire));
    println!(
        "\n{} in {:.0?}, in this kernel; nothing is left behind.",
        green("Done"),
        start.elapsed()
    );
    Ok(ExitCode::SUCCESS)
}

/// What was built.
struct Built {
    /// The kernel side, as an object file.
    object: PathBuf,
    /// The user side, with the object inside.
    program: PathBuf,
}

impl Built {
    fn new(hachi: &Path) -> Result<Self> {
        let example = root().join("examples/xdp-firewall");
        let start = Instant::now();
        let mut build = Command::new(hachi);
        build
            .arg("build")
            .arg(example.join("xdp-firewall-ebpf"))
            .arg("--out")
            .arg(target_dir().join("demo"))
            .env("HACHI_YES", "1");
        echo(&build);
        let printed = capture(&mut build)?;
        let object = PathBuf::from(
            printed
                .lines()
                .next()
                .ok_or("`hachi build` named no object")?,
        );
        println!(
            "{} ({} bytes) in {:.1?}",
            file_name(&object),
            std::fs::metadata(&object)?.len(),
            start.elapsed()
        );
        let start = Instant::now();
        let mut user_side = cargo(&example);
        // Cargo tells each crate that it compiles.
        user_side
            .arg("build")
            .env("CARGO_TARGET_DIR", examples_target_dir());
        echo(&user_side);
        run_command(&mut user_side)?;
        let program = examples_target_dir().join("debug/xdp-firewall");
        println!("{} in {:.1?}", file_name(&program), start.elapsed());
        Ok(Self { object, program })
    }
}

/// The hachi command: what `HACHI_BIN` names, or built now.
fn build_hachi() -> Result<PathBuf> {
    if let Some(ready) = std::env::var_os("HACHI_BIN") {
        return Ok(ready.into());
    }
    let start = Instant::now();
    let mut build = cargo(root());
    // Minutes on a busy machine: cargo tells each crate that it compiles.
    build.args(["build", "--package", "hachi-cli"]);
    echo(&build);
    run_command(&mut build)?;
    println!("the hachi command in {:.1?}", start.elapsed());
    Ok(target_dir().join("debug/hachi"))
}

fn show_disassembly(hachi: &Path, object: &Path) -> Result {
    let mut dis = Command::new(hachi);
    dis.arg("dis").arg(object);
    echo(&dis);
    let text = capture(&mut dis)?;
    let lines: Vec<&str> = text.lines().collect();
    // Lines of the firewall itself rather than of the libraries it uses.
    let own = |line: &&&str| line.starts_with(';') && line.contains("  src/");
    check(
        lines.iter().any(|line| own(&line)),
        "the firewall's Rust lines stand between the instructions",
    )?;
    let start = (0..lines.len())
        .rev()
        .max_by_key(|start| lines[*start..].iter().take(DISASSEMBLY).filter(own).count())
        .unwrap_or(0);
    println!("    {}", lines.first().unwrap_or(&""));
    println!("    {}", dim(format!("… from line {start}:")));
    for line in lines[start..].iter().take(DISASSEMBLY) {
        println!("    {line}");
    }
    println!("    {}", dim(format!("… of {} lines", lines.len())));
    Ok(())
}

/// The stranger gets no answer, everybody else does.
fn expect_blocked(rows: &[Row], answers: Answers, circumstances: &str) -> Result {
    let (gone, there) = match answers {
        Answers::Received => ("gets no answer", "still gets answers"),
        Answers::LetThrough => ("is not let through", "is still let through"),
    };
    for flow in rows {
        if flow.stranger {
            check(
                flow.asked > 0 && flow.answered == 0,
                format!("{flow} {gone}{circumstances}"),
            )?;
        } else {
            check(flow.answered > 0, format!("{flow} {there}{circumstances}"))?;
        }
    }
    Ok(())
}

/// Says that a claim holds, or ends the demo.
fn check(holds: bool, claim: impl std::fmt::Display) -> Result {
    if holds {
        println!("  {} {claim}", green("✓"));
        Ok(())
    } else {
        Err(format!("not so: {claim}").into())
    }
}

fn step(number: u32, title: &str) {
    println!("\n{}", bold(format!("{number}. {title}")));
}

/// Shows the command that is about to run, as one would type it.
fn echo(command: &Command) {
    let directory = match command
        .get_current_dir()
        .map(|path| path.strip_prefix(root()))
    {
        Some(Ok(path)) if path != Path::new("") => format!("cd {} && ", path.display()),
        _ => String::new(),
    };
    let line = crate::shell::describe(command);
    let line = line.replace(&format!("{}/", root().display()), "");
    println!("{}", dim(format!("$ {directory}{line}")));
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
