//! Small programs that tests and the demo want, found or installed.

use crate::shell::{Result, capture, dim};
use hachi_test::{find_program, is_root};
use std::process::Command;

/// A program (or a file, by its path), and the Debian package that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub program: &'static str,
    pub package: &'static str,
    pub purpose: &'static str,
}

impl Tool {
    /// Whether it is installed, under its name or (as compilers are) with a version behind it; a
    /// library for building with, by a file of it.
    fn is_there(&self) -> bool {
        if self.program.starts_with('/') {
            return std::path::Path::new(self.program).is_file();
        }
        let versioned = || (14..=30).map(|version| format!("{}-{version}", self.program));
        find_program(self.program).is_some()
            || versioned().any(|name| find_program(&name).is_some())
    }
}

pub const IP: Tool = Tool {
    program: "ip",
    package: "iproute2",
    purpose: "makes network namespaces",
};
pub const PING: Tool = Tool {
    program: "ping",
    package: "iputils-ping",
    purpose: "sends ICMP traffic",
};
pub const NC: Tool = Tool {
    program: "nc",
    package: "netcat-openbsd",
    purpose: "sends TCP and UDP traffic",
};
pub const BPFTOOL: Tool = Tool {
    program: "bpftool",
    package: "bpftool",
    purpose: "opens our objects with libbpf, as an outside check",
};

pub const GDB: Tool = Tool {
    program: "gdb",
    package: "gdb",
    purpose: "debugs programs in the virtual machine",
};

pub const NODE: Tool = Tool {
    program: "node",
    package: "nodejs",
    purpose: "runs the virtual machine as a WebAssembly module",
};

pub const WASM_OPT: Tool = Tool {
    program: "wasm-opt",
    package: "binaryen",
    purpose: "makes the virtual machine as a WebAssembly module smaller",
};
pub const NPM: Tool = Tool {
    program: "npm",
    package: "npm",
    purpose: "fetches what looks at pages of the book",
};
pub const CHROMIUM: Tool = Tool {
    program: "chromium-headless-shell",
    package: "chromium-headless-shell",
    purpose: "shows pages of the book to tests",
};

/// Runs other kernels. On Debian 12 its `qemu-utils`, if installed from backports, gives way.
pub const QEMU: Tool = Tool {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    purpose: "runs other kernels",
};

const GUESTS: &str = "runs kernels of other machines";
const LINKS: &str = "links programs for other machines";

/// What guests of arm64 take: QEMU, a linker, and the libraries to link with.
pub const ARM64: &[Tool] = &[
    Tool {
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        purpose: GUESTS,
    },
    Tool {
        program: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
        purpose: LINKS,
    },
    Tool {
        program: "/usr/aarch64-linux-gnu/lib/crt1.o",
        package: "libc6-dev-arm64-cross",
        purpose: LINKS,
    },
];

/// What guests of s390x take.
pub const S390X: &[Tool] = &[
    Tool {
        program: "qemu-system-s390x",
        package: "qemu-system-misc",
        purpose: GUESTS,
    },
    Tool {
        program: "s390x-linux-gnu-gcc",
        package: "gcc-s390x-linux-gnu",
        purpose: LINKS,
    },
    Tool {
        program: "/usr/s390x-linux-gnu/lib/crt1.o",
        package: "libc6-dev-s390x-cross",
        purpose: LINKS,
    },
];

/// What guests of riscv64 take.
pub const RISCV64: &[Tool] = &[
    Tool {
        program: "qemu-system-riscv64",
        package: "qemu-system-misc",
        purpose: GUESTS,
    },
    Tool {
        program: "riscv64-linux-gnu-gcc",
        package: "gcc-riscv64-linux-gnu",
        purpose: LINKS,
    },
    Tool {
        program: "/usr/riscv64-linux-gnu/lib/crt1.o",
        package: "libc6-dev-riscv64-cross",
        purpose: LINKS,
    },
];

/// With zlib, which it depends on.
pub const LIBELF: Tool = Tool {
    program: "/usr/include/libelf.h",
    package: "libelf-dev",
    purpose: "lets libbpf be built, to compare relocations with",
};

pub const CLANG: Tool = Tool {
    program: "clang",
    package: "clang",
    purpose: "compiles C for BPF, to judge the types we print and merge",
};

pub const REGISTRY: Tool = Tool {
    program: "docker-registry",
    package: "docker-registry",
    purpose: "holds images that tests push and pull",
};
pub const SKOPEO: Tool = Tool {
    program: "skopeo",
    package: "skopeo",
    purpose: "reads our images and writes its own, as an outside check",
};
pub const GO: Tool = Tool {
    program: "go",
    package: "golang-go",
    purpose: "makes programs to attach probes to",
};
pub const MUSL: Tool = Tool {
    program: "musl-gcc",
    package: "musl-tools",
    purpose: "makes programs to attach probes to",
};

pub const PIP: Tool = Tool {
    program: "pip3",
    package: "python3-pip",
    purpose: "fetches what reads prose",
};
pub const CODESPELL: Tool = Tool {
    program: "codespell",
    package: "codespell",
    purpose: "finds words that are misspelt",
};

/// Sees to it that the tools are there. Gives those that are not and could not be installed, each
/// with the reason; touches nothing, not even the network, when all are present.
pub fn ensure(tools: &[Tool]) -> Vec<(Tool, String)> {
    let missing: Vec<Tool> = tools
        .iter()
        .filter(|tool| !tool.is_there())
        .copied()
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    let problem = if find_program("apt-get").is_none() {
        format!("not installed, and this is no Debian-like system (there: `{by_hand}`)")
    } else if !is_root() {
        format!("not installed; as root: `{by_hand}`")
    } else {
        for tool in &missing {
            let Tool {
                program,
                package,
                purpose,
            } = tool;
            println!("installing {package}: its `{program}` {purpose}");
        }
        match apt_install(&packages) {
            Ok(()) => String::new(),
            Err(error) => format!("`{by_hand}` failed: {error}"),
        }
    };
    missing
        .into_iter()
        .filter(|tool| !tool.is_there())
        .map(|tool| (tool, problem.clone()))
        .collect()
}

fn apt_install(packages: &[&str]) -> Result {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-q", "-y"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        println!("{}", dim(format!("  {}", crate::shell::describe(&command))));
        capture(&mut command).map(drop)
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // The lists are often there and good enough; fetching them is the slow part.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

/// Sees to it that `cargo COMPONENT` works, by rustup where it has to be added.
pub fn ensure_component(component: &str) -> Result {
    let works = |name: &str| capture(Command::new("cargo").args([name, "--version"])).is_ok();
    let command = component.trim_start_matches("rust");
    if works(command) {
        return Ok(());
    }
    println!("installing the Rust component {component}");
    capture(Command::new("rustup").args(["component", "add", component]))?;
    Ok(())
}
