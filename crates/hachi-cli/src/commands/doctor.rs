//! `hachi doctor`: what this machine has and lacks, and the command that fixes it.

use std::path::Path;

use hachi::maps::loaded_maps;
use hachi_build::{Search, State, Toolchain};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind, Result};
use crate::machine::{self, Kernel};
use crate::output::{BAD, Format, GOOD, Output, Styled, WARN, bold, dim, say};

/// Say what this machine has and lacks for building and for running eBPF, and how to fix it
///
/// Changes nothing unless asked to. Ends with exit code 3 when something that is needed is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi doctor
  hachi doctor --fix        # install and build what building lacks
  hachi doctor --build      # only what building needs, for machines that load nothing")]
pub struct Args {
    /// Only judge what building needs
    #[arg(long, conflicts_with = "run")]
    build: bool,
    /// Only judge what loading and attaching need
    #[arg(long)]
    run: bool,
    /// First install and build what the toolchain lacks (also with HACHI_YES=1)
    #[arg(long, conflicts_with = "run")]
    fix: bool,
    #[command(flatten)]
    format: Format,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// As it should be.
    Good,
    /// Works without it, less well or not for everything.
    Optional,
    /// Needed, and not there.
    Missing,
}

impl Health {
    fn name(self) -> &'static str {
        match self {
            Health::Good => "ok",
            Health::Optional => "optional",
            Health::Missing => "missing",
        }
    }
}

struct Check {
    area: &'static str,
    subject: String,
    health: Health,
    detail: String,
    fix: Option<String>,
}

impl Check {
    fn new(
        area: &'static str,
        subject: impl Into<String>,
        health: Health,
        detail: impl Into<String>,
    ) -> Check {
        Check {
            area,
            subject: subject.into(),
            health,
            detail: detail.into(),
            fix: None,
        }
    }

    fn fix(mut self, fix: impl Into<String>) -> Check {
        self.fix = Some(fix.into());
        self
    }

    fn json(&self) -> Value {
        json!({
            "area": self.area,
            "subject": self.subject,
            "state": self.health.name(),
            "detail": self.detail,
            "fix": self.fix,
        })
    }
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let wants_fix = args.fix || std::env::var_os("HACHI_YES").is_some_and(|value| value == "1");
    if wants_fix && !args.run {
        prepare(out)?;
    }
    // What is missing is in the exit code, too.
    out.go_on_unread();
    let mut checks = Vec::new();
    if !args.run {
        checks.extend(build_checks());
    }
    if !args.build {
        checks.extend(kernel_checks());
        checks.extend(tool_checks());
    }
    let missing = checks
        .iter()
        .filter(|check| check.health == Health::Missing)
        .count();
    let document = || {
        json!({
            "healthy": missing == 0,
            "checks": checks.iter().map(Check::json).collect::<Vec<_>>(),
        })
    };
    args.format
        .print(out, document, |out| show(&checks, missing, out))?;
    match missing {
        0 => Ok(()),
        _ => Err(Failure::silent(Kind::Missing)),
    }
}

/// Gets a toolchain ready. What is still missing afterwards is in the report, so only the reason is
/// told here.
fn prepare(out: &mut Output) -> Result {
    let search = Search {
        assume_yes: true,
        verbose: true,
        ..Search::default()
    };
    match Toolchain::find(&search) {
        Ok(_) => Ok(()),
        Err(error) => out.warn_report(error),
    }
}

fn show(checks: &[Check], missing: usize, out: &mut Output) -> Result {
    let mut area = "";
    for check in checks {
        if check.area != area {
            if !area.is_empty() {
                say!(out)?;
            }
            area = check.area;
            say!(out, bold(area))?;
        }
        let (mark, style) = match check.health {
            Health::Good => ("ok", GOOD),
            Health::Optional => ("--", WARN),
            Health::Missing => ("NO", BAD),
        };
        let (subject, detail) = (&check.subject, &check.detail);
        say!(out, "  ", Styled(style, mark), "  ", subject, ": ", detail)?;
        if let Some(fix) = &check.fix {
            say!(out, "      ", dim("fix:"), " ", fix)?;
        }
    }
    say!(out)?;
    match missing {
        0 => say!(out, "Nothing that is needed is missing."),
        1 => say!(out, "1 thing that is needed is missing."),
        _ => say!(out, missing, " things that are needed are missing."),
    }
}

/// What every build needs, and the ways to a `core` library, of which one is enough.
fn build_checks() -> Vec<Check> {
    const AREA: &str = "Building";
    let findings = Toolchain::survey(&Search::default());
    let has_way = findings
        .iter()
        .any(|finding| finding.way.is_some() && finding.state != State::Missing);
    let mut checks: Vec<Check> = findings
        .into_iter()
        .map(|finding| {
            let health = match (finding.state, finding.way) {
                (State::Ready, _) => Health::Good,
                (_, Some(_)) => Health::Optional,
                (_, None) => Health::Missing,
            };
            Check {
                fix: finding.fix,
                ..Check::new(AREA, finding.subject, health, finding.detail)
            }
        })
        .collect();
    if !has_way {
        let check = Check::new(
            AREA,
            "`core` for eBPF",
            Health::Missing,
            "none of the ways above is open, and one is needed",
        );
        let fix = checks.iter().find_map(|check| check.fix.clone());
        checks.push(Check { fix, ..check });
    }
    checks
}

const RUNNING: &str = "Running";

fn kernel_checks() -> Vec<Check> {
    let release = machine::kernel_release();
    let kernel = machine::parse_release(&release).unwrap_or(Kernel { major: 0, minor: 0 });
    vec![
        kernel_check(&release, kernel),
        privilege_check(),
        bpf_check(),
        features_check(),
        bpffs_check(),
        btf_check(kernel),
        jit_check(),
        unprivileged_check(),
        memlock_check(kernel),
    ]
}

fn kernel_check(release: &str, kernel: Kernel) -> Check {
    let oldest = Kernel { major: 5, minor: 8 };
    match kernel >= oldest {
        true => Check::new(RUNNING, "kernel", Health::Good, format!("Linux {release}")),
        false => Check::new(
            RUNNING,
            "kernel",
            Health::Optional,
            format!("Linux {release}; ring buffers (and so logs) need {oldest}"),
        )
        .fix("install a newer kernel"),
    }
}

fn privilege_check() -> Check {
    let capabilities = machine::capabilities();
    let has = |name: &str| {
        capabilities
            .iter()
            .any(|(known, held)| *known == name && *held)
    };
    let lacking: Vec<&str> = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
        .into_iter()
        .filter(|name| !has(name) && !has("CAP_SYS_ADMIN"))
        .collect();
    let subject = "privileges";
    // In a user namespace capabilities do not count, what was delegated to it does.
    if let Some(token) = hachi::BpfToken::find() {
        return Check::new(RUNNING, subject, Health::Good, token.to_string());
    }
    if machine::is_root() && lacking.is_empty() {
        return Check::new(RUNNING, subject, Health::Good, "root");
    }
    match lacking.as_slice() {
        [] => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "the capabilities to load and attach",
        ),
        lacking => Check::new(
            RUNNING,
            subject,
            Health::Missing,
            format!("this process lacks {}", lacking.join(", ")),
        )
        .fix("run as root: sudo -E hachi …"),
    }
}

/// The system call itself: containers and lockdown can forbid it to root.
fn bpf_check() -> Check {
    let subject = "bpf(2)";
    let Some(Err(error)) = loaded_maps().next() else {
        return Check::new(RUNNING, subject, Health::Good, "answers");
    };
    if hachi::BpfToken::find().is_some() {
        let answer = "answers to a token, which does not let it list what is loaded";
        return Check::new(RUNNING, subject, Health::Good, answer);
    }
    let check = Check::new(RUNNING, subject, Health::Missing, error.to_string());
    match machine::is_root() {
        true => check.fix(
            "if this is a container, start it with --privileged (or CAP_BPF, CAP_NET_ADMIN and a seccomp profile that allows bpf)",
        ),
        false => check.fix("run as root: sudo -E hachi …"),
    }
}

/// What programs of this version of Hachi may use, and this kernel lacks.
fn features_check() -> Check {
    let lacking: Vec<String> = hachi::features::ALL
        .iter()
        .filter(|feature| !feature.is_supported())
        .map(|feature| format!("{} ({})", feature.name(), feature.since()))
        .collect();
    match lacking.as_slice() {
        [] => Check::new(
            RUNNING,
            "features",
            Health::Good,
            "all that Hachi asks about",
        ),
        lacking => Check::new(
            RUNNING,
            "features",
            Health::Optional,
            format!("not on this kernel: {}", lacking.join(", ")),
        ),
    }
}

fn bpffs_check() -> Check {
    let path = Path::new("/sys/fs/bpf");
    match machine::is_on_bpffs(path) {
        true => Check::new(RUNNING, "bpffs", Health::Good, "mounted at /sys/fs/bpf"),
        false => Check::new(
            RUNNING,
            "bpffs",
            Health::Optional,
            "not mounted at /sys/fs/bpf; pinning needs it",
        )
        .fix("mount -t bpf bpf /sys/fs/bpf"),
    }
}

fn btf_check(kernel: Kernel) -> Check {
    let path = "/sys/kernel/btf/vmlinux";
    match std::fs::metadata(path) {
        Ok(file) => Check::new(
            RUNNING,
            "kernel BTF",
            Health::Good,
            format!("{path}, {:.1} MB", file.len() as f64 / 1e6),
        ),
        Err(_) => Check::new(
            RUNNING,
            "kernel BTF",
            Health::Optional,
            format!("no {path}; CO-RE and BTF tracing need it (Linux ≥ 5.4, here {kernel})"),
        )
        .fix("boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"),
    }
}

fn jit_check() -> Check {
    let path = "/proc/sys/net/core/bpf_jit_enable";
    match machine::sysctl(path) {
        Some(0) => Check::new(
            RUNNING,
            "JIT",
            Health::Optional,
            "off: programs are interpreted, slowly",
        )
        .fix("sysctl -w net.core.bpf_jit_enable=1"),
        Some(_) => Check::new(RUNNING, "JIT", Health::Good, "on"),
        None => Check::new(
            RUNNING,
            "JIT",
            Health::Optional,
            format!("unknown: no {path}"),
        ),
    }
}

fn unprivileged_check() -> Check {
    let subject = "unprivileged programs";
    match machine::sysctl("/proc/sys/kernel/unprivileged_bpf_disabled") {
        Some(0) => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            "allowed; few machines need that, and it widens the ways to attack the kernel",
        )
        .fix("sysctl -w kernel.unprivileged_bpf_disabled=2"),
        Some(_) => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "not allowed, as on most machines",
        ),
        None => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "unknown: the kernel has no such setting",
        ),
    }
}

/// Before 5.11 maps counted against the limit on locked memory.
fn memlock_check(kernel: Kernel) -> Check {
    let subject = "memory limit";
    if kernel
        >= (Kernel {
            major: 5,
            minor: 11,
        })
    {
        return Check::new(
            RUNNING,
            subject,
            Health::Good,
            "maps are charged to the cgroup",
        );
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let unlimited = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"))
        .is_some_and(|line| line.split_whitespace().nth(3) == Some("unlimited"));
    match unlimited {
        true => Check::new(
            RUNNING,
            subject,
            Health::Good,
            "RLIMIT_MEMLOCK is unlimited",
        ),
        false => Check::new(
            RUNNING,
            subject,
            Health::Optional,
            "RLIMIT_MEMLOCK bounds maps on this kernel; the loader raises it when it may",
        )
        .fix("ulimit -l unlimited"),
    }
}

/// Tools that are handy beside Hachi; none is needed.
fn tool_checks() -> Vec<Check> {
    const AREA: &str = "Tools (none is needed)";
    [
        (
            "ip",
            "iproute2",
            "interfaces and namespaces, to try programs out",
        ),
        ("bpftool", "bpftool", "another view of programs and maps"),
    ]
    .into_iter()
    .map(|(tool, package, purpose)| match machine::find_tool(tool) {
        Some(path) => Check::new(AREA, tool, Health::Good, path.display().to_string()),
        None => {
            let check = Check::new(
                AREA,
                tool,
                Health::Optional,
                format!("not found; {purpose}"),
            );
            match machine::find_tool("apt-get") {
                Some(_) => check.fix(format!("apt-get install {package}")),
                None => check,
            }
        }
    })
    .collect()
}
