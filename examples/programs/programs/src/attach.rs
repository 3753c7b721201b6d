//! Attaching each type of program: most know by their section where, the others are here.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::thread;

use anyhow::Context;
use hachi::Ebpf;
use hachi::maps::{MapData, SockMap};
use hachi::programs::{
    AttachOptions, Extension, Iter, LwtIn, LwtOut, LwtSeg6Local, LwtXmit, NetfilterFamily,
    NetfilterHook, NetfilterPoint, PerfEvent, PerfEventConfig, PerfEventScope, Program,
    ProgramType, SamplePolicy, SoftwareEvent, Syscall,
};
use socket2::{Domain, Socket, Type};

use crate::Args;
use programs_common::Sum;

/// What is left to do.
pub enum Next {
    /// To show what it logs. It needs nothing more.
    Log,
    /// To have another tool attach it, by such a command; then to show what it logs.
    Pinned(String),
    /// Nothing: it has run.
    Done,
}

/// Loads and attaches the program.
pub fn attach(ebpf: &mut Ebpf, args: &Args) -> anyhow::Result<Next> {
    match args.program.as_str() {
        "sk_msg" | "sk_skb" => return connected(ebpf, args),
        "extension" => return replace(ebpf, args),
        "syscall" => return call(ebpf.program_mut("syscall")?.try_into()?),
        _ => {}
    }
    let program = ebpf.program_mut(&args.program)?;
    program.load()?;
    if let Some(path) = &args.pin {
        let command = other_tool(program, path).context("it is not attached by a pin")?;
        program.pin(path)?;
        return Ok(Next::Pinned(command));
    }
    match program {
        Program::Iter(iter) => return read(iter),
        Program::Netfilter(program) => {
            let hook = NetfilterHook::new(NetfilterFamily::Ipv4, NetfilterPoint::LocalIn, 0);
            program.attach(hook)?;
        }
        Program::PerfEvent(program) => sample(program, args)?,
        Program::UProbe(program) => {
            let (binary, place) = place(args)?;
            program.attach(place, binary, args.pid.map(|pid| pid as i32), None)?;
        }
        Program::UProbeMulti(program) => {
            let (binary, place) = place(args)?;
            program.attach(place, binary, args.pid.map(|pid| pid as i32))?;
        }
        Program::Usdt(program) => {
            let (binary, place) = place(args)?;
            let (provider, name) = place.split_once(':').context("--place PROVIDER:NAME")?;
            program.attach(binary, provider, name, args.pid.map(|pid| pid as i32), 0)?;
        }
        Program::SocketFilter(program) => {
            let socket = datagrams(args.port)?;
            program.attach(&socket)?;
            receive(socket);
        }
        Program::SkReuseport(program) => {
            let socket = datagrams(args.port)?;
            program.attach(&socket)?;
            receive(socket);
        }
        program => {
            program.attach_by_section(&options(args))?;
        }
    }
    Ok(Next::Log)
}

/// Where to attach what says by its section how.
fn options(args: &Args) -> AttachOptions {
    let mut options = AttachOptions::new();
    if let Some(iface) = &args.iface {
        options = options.interface(iface);
    }
    if let Some(cgroup) = &args.cgroup {
        options = options.cgroup(cgroup);
    }
    options
}

/// The command by which another tool attaches the program pinned at `path`, if that is the way.
fn other_tool(program: &Program, path: &Path) -> Option<String> {
    let encap = match program {
        Program::LwtIn(_) => LwtIn::encap(path),
        Program::LwtOut(_) => LwtOut::encap(path),
        Program::LwtXmit(_) => LwtXmit::encap(path),
        Program::LwtSeg6Local(_) => LwtSeg6Local::encap(path),
        _ if program.prog_type() == ProgramType::SchedAct => {
            let action = format!("action bpf object-pinned {}", path.display());
            return Some(format!("tc filter add dev IFACE ingress matchall {action}"));
        }
        _ => return None,
    };
    Some(format!("ip route add PREFIX {encap} dev IFACE"))
}

/// Attaches the program `xdp`, and has the extension take its place.
fn replace(ebpf: &mut Ebpf, args: &Args) -> anyhow::Result<Next> {
    let xdp = ebpf.program_mut("xdp")?;
    xdp.load()?;
    xdp.attach_by_section(&options(args))?;
    let xdp = xdp.fd()?.clone();
    let extension: &mut Extension = ebpf.program_mut("extension")?.try_into()?;
    extension.load(xdp, "xdp")?;
    extension.attach()?;
    Ok(Next::Log)
}

/// A file and a place in it.
fn place(args: &Args) -> anyhow::Result<(&Path, &str)> {
    let binary = args.binary.as_deref().context("it needs --binary")?;
    Ok((binary, args.place.as_deref().context("it needs --place")?))
}

/// Runs the iterator, and shows what it writes.
fn read(program: &mut Iter) -> anyhow::Result<Next> {
    let link = program.attach()?;
    let mut text = String::new();
    program.read(link)?.read_to_string(&mut text)?;
    print!("{text}");
    Ok(Next::Done)
}

/// Calls the program, and shows what it answers.
fn call(program: &mut Syscall) -> anyhow::Result<Next> {
    program.load()?;
    let question: Sum = [2, 3, 0];
    let mut context = hachi::bytes_of(&question).to_vec();
    program.call(&mut context)?;
    let [a, b, sum] = hachi::read_bytes::<Sum>(&context).context("it has its size")?;
    println!("syscall: {a} and {b} are {sum}");
    Ok(Next::Done)
}

/// Runs the program in each millisecond that the process has a CPU.
fn sample(program: &mut PerfEvent, args: &Args) -> anyhow::Result<()> {
    let scope = PerfEventScope::OneProcess {
        pid: args.pid.context("it needs --pid")?,
        cpu: None,
    };
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    program.attach(clock, scope, SamplePolicy::Period(1_000_000), true)?;
    Ok(())
}

/// A socket for datagrams that may share its port.
fn datagrams(port: u16) -> anyhow::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// Shows what the socket gets.
fn receive(socket: UdpSocket) {
    thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok(length) = socket.recv(&mut bytes) {
            println!("received: {}", String::from_utf8_lossy(&bytes[..length]));
        }
    });
}

/// Answers a connection with what comes from it. The program sees what it sends or receives.
fn connected(ebpf: &mut Ebpf, args: &Args) -> anyhow::Result<Next> {
    let sockets = ebpf.take_map("SOCKETS")?;
    let mut sockets: SockMap<MapData> = sockets.try_into()?;
    let program = ebpf.program_mut(&args.program)?;
    program.load()?;
    match program {
        Program::SkMsg(program) => program.attach(sockets.fd())?,
        Program::SkSkb(program) => program.attach(sockets.fd())?,
        other => anyhow::bail!("{} is of another type", other.name()),
    };
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, args.port))?;
    thread::spawn(move || -> anyhow::Result<()> {
        loop {
            let (mut connection, _) = listener.accept()?;
            sockets.set(0, &connection, 0)?;
            let mut bytes = [0; 2048];
            while let Ok(length @ 1..) = connection.read(&mut bytes) {
                // What the program refuses is not sent.
                let _ = connection.write_all(&bytes[..length]);
            }
        }
    });
    Ok(Next::Log)
}
