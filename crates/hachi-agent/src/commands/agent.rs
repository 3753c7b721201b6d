//! `hachi agent`: a machine kept as a description says.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::agent::{self, Description, Outcome, Plan, Step, Watch};
use crate::console::Console;
use crate::failure::{Failure, Result, chain};
use crate::image::Store;

/// How long after a failure the agent tries again without a change.
const RETRY: Duration = Duration::from_secs(30);

/// Keep this machine's eBPF programs as a description says
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Apply(Apply),
    Diff(Common),
    Status(Common),
}

/// The options of all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hachi agent diff --config /etc/hachi/agent.toml
  hachi agent status --config /etc/hachi/agent.toml --json")]
pub struct Common {
    /// The description: a TOML or YAML file, or a directory of them
    #[arg(long, value_name = "DIR|FILE")]
    config: PathBuf,
    /// The directory of pins, on a BPF file system
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/hachi")]
    pins: PathBuf,
    /// The directory of images [default: the user's]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print JSON on stdout instead of text
    #[arg(long)]
    json: bool,
}

impl Common {
    fn read(&self) -> Result<Description> {
        Description::read(&self.config).map_err(|error| Failure::from(&error))
    }

    fn plan(&self, description: &Description) -> Plan {
        let store = self.store.as_ref().map_or_else(Store::of_user, Store::at);
        Plan::new(description, &self.pins, &store)
    }
}

/// Bring the description about, and keep it so until a signal asks for the end
///
/// What is attached stays attached when the agent ends, and is taken over by the next one. New
/// interfaces, new cgroups and changes of the description are followed as they come.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi agent run --config /etc/hachi --metrics 127.0.0.1:9464")]
pub struct Run {
    #[command(flatten)]
    common: Common,
    /// Serve metrics for a scraper on this address, under /metrics
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
}

/// Bring the description about once
///
/// Each application is changed as a whole, or left as it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hachi agent apply --config firewall.toml --dry-run
  hachi agent apply --config firewall.toml")]
pub struct Apply {
    #[command(flatten)]
    common: Common,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub fn run(command: Command, console: &mut Console) -> Result {
    match command {
        Command::Run(args) => keep(args, console),
        Command::Apply(args) if args.dry_run => diff(args.common, console),
        Command::Apply(args) => apply(args.common, console),
        Command::Diff(args) => diff(args, console),
        Command::Status(args) => status(args, console),
    }
}

fn steps_json(application: &str, steps: &[Step], error: Option<&agent::Error>) -> Value {
    json!({
        "application": application,
        "steps": steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "error": error.map(|error| chain(error)),
    })
}

/// Fails if an application did, after all have been shown.
fn report<'e>(
    all: impl Iterator<Item = (&'e str, &'e [Step], Option<&'e agent::Error>)>,
    json: bool,
    console: &mut Console,
) -> Result {
    let mut failed = 0;
    let mut documents = Vec::new();
    for (application, steps, error) in all {
        documents.push(steps_json(application, steps, error));
        failed += usize::from(error.is_some());
        if !json {
            for step in steps {
                console.line(format_args!("{application}: {step}"))?;
            }
        }
        if let Some(error) = error {
            console.failure(&Failure::from(error));
        }
    }
    if json {
        console.json(&json!({ "applications": documents }))?;
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new("one application is as it was")),
        _ => Err(Failure::new(format_args!(
            "{failed} applications are as they were"
        ))),
    }
}

fn diff(args: Common, console: &mut Console) -> Result {
    let description = args.read()?;
    let plan = args.plan(&description);
    let all = plan.applications().map(|(name, steps)| match steps {
        Ok(steps) => (name, steps, None),
        Err(error) => (name, &[][..], Some(error)),
    });
    report(all, args.json, console)
}

fn apply(args: Common, console: &mut Console) -> Result {
    let description = args.read()?;
    let outcomes = args.plan(&description).apply();
    let all = outcomes.iter().map(|outcome| {
        (
            outcome.application.as_str(),
            outcome.steps.as_slice(),
            outcome.error.as_ref(),
        )
    });
    report(all, args.json, console)
}

fn status(args: Common, console: &mut Console) -> Result {
    let description = args.read()?;
    let plan = args.plan(&description);
    let mut documents = Vec::new();
    for (name, steps) in plan.applications() {
        let state = match &steps {
            Ok([]) => "as described",
            Ok(_) => "differs",
            Err(_) => "cannot be brought about",
        };
        let wanted = plan.wanted(name);
        let attached: Vec<String> = wanted
            .iter()
            .flat_map(|wanted| &wanted.programs)
            .flat_map(|(program, targets)| {
                targets
                    .iter()
                    .map(move |target| format!("{program} on {target}"))
            })
            .collect();
        documents.push(json!({
            "application": name,
            "state": state,
            "version": wanted.map(|wanted| &wanted.version),
            "programs": attached,
            "steps": steps.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "error": steps.err().map(|error| chain(error)),
        }));
        if !args.json {
            let version = wanted.map_or("", |wanted| &wanted.version);
            console.line(format_args!("{name} {version}: {state}"))?;
            for text in attached {
                console.line(format_args!("  {text}"))?;
            }
            for step in steps.unwrap_or_default() {
                console.line(format_args!("  to do: {step}"))?;
            }
            if let Err(error) = steps {
                console.line(format_args!("  {}", chain(error)))?;
            }
        }
    }
    match args.json {
        true => console.json(&json!({ "applications": documents })),
        false => Ok(()),
    }
}

/// Readable once a signal asks for the end.
fn signals() -> Result<UnixStream> {
    let failed = |error| Failure::new(format_args!("waiting for signals: {error}"));
    let (reader, writer) = UnixStream::pair().map_err(failed)?;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let writer = writer.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, writer).map_err(failed)?;
    }
    reader.set_nonblocking(true).map_err(failed)?;
    Ok(reader)
}

fn keep(args: Run, console: &mut Console) -> Result {
    let Run { common, metrics } = args;
    let mut signals = signals()?;
    let mut description = common.read()?;
    let watching = |error| Failure::new(format_args!("watching this machine: {error}"));
    let mut watch = Watch::new(&description).map_err(watching)?;
    if let Some(address) = metrics {
        serve_metrics(address, common.pins.clone())?;
    }
    loop {
        let outcomes = common.plan(&description).apply();
        let failed = outcomes.iter().any(|outcome| outcome.error.is_some());
        tell(&outcomes, common.json, console)?;
        loop {
            let time = failed.then_some(RETRY);
            let changed = watch.wait(&[signals.as_fd()], time).map_err(watching)?;
            if signals.read(&mut [0; 16]).is_ok_and(|count| count > 0) {
                return Ok(());
            }
            if changed {
                // A description that is being edited is not the end of the old one.
                match common.read() {
                    Ok(new) => description = new,
                    Err(failure) => console.failure(&failure),
                }
                watch.follow(&description).map_err(watching)?;
            }
            if changed || failed {
                break;
            }
        }
    }
}

fn tell(outcomes: &[Outcome], json: bool, console: &mut Console) -> Result {
    for Outcome {
        application,
        steps,
        error,
        ..
    } in outcomes
    {
        if json && (!steps.is_empty() || error.is_some()) {
            console.json_line(&steps_json(application, steps, error.as_ref()))?;
            continue;
        }
        for step in steps {
            console.line(format_args!("{application}: {step}"))?;
        }
        if let Some(error) = error {
            console.failure(&Failure::from(error));
        }
    }
    Ok(())
}

/// Answers scrapers in a thread of its own, one after the other.
fn serve_metrics(address: SocketAddr, pins: PathBuf) -> Result {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format_args!("serving metrics on {address}: {error}"))
    };
    let listener = TcpListener::bind(address).map_err(|error| failed(&error))?;
    let server =
        tiny_http::Server::from_listener(listener, None).map_err(|error| failed(&error))?;
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let response = match request.url() {
                "/metrics" => match agent::exposition(&pins) {
                    Ok(text) => tiny_http::Response::from_string(text).with_header(content_type()),
                    Err(error) => {
                        tiny_http::Response::from_string(format!("{error}\n")).with_status_code(500)
                    }
                },
                _ => tiny_http::Response::from_string("see /metrics\n").with_status_code(404),
            };
            // A scraper that has gone away asks again.
            let _ = request.respond(response);
        }
    });
    Ok(())
}

fn content_type() -> tiny_http::Header {
    let value = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    tiny_http::Header::from_bytes("Content-Type", value).expect("it is a header")
}
