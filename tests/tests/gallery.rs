//! Explanations, each shown by a program: the linker or the kernel refuses it with exactly that
//! code, and its mended form loads.
//!
//! Nothing is attached, whatever becomes of the programs.

use hachi::programs::ProgramError;
use hachi::{EbpfLoader, VerifierLogLevel};
use hachi_diag::{Code, Diagnostic};
use hachi_tests::gallery::{Built, Example, files, pairs};

/// Codes whose pages have no example, and why.
const WITHOUT_AN_EXAMPLE: &[(&str, &[&str])] = &[
    (
        "about what the kernel, the process or the toolchain lacks, not about a program",
        &[
            "back-edge",
            "foreign-assembly",
            "kernel-types-missing",
            "kfunc-destructive",
            "llvm-failed",
            "llvm-not-found",
            "llvm-switch",
            "llvm-unusable",
            "llvm-without-bpf",
            "needs-capability",
            "needs-jit",
            "newer-than-kernel",
            "no-memory",
            "not-permitted",
            "pointer-leak",
            "program-type-unknown",
            "unknown-instruction",
            "variable-without-address",
            "write-user-lockdown",
        ],
    ),
    (
        "about objects that other tools have made, and inputs that are none",
        &[
            "attach-target",
            "btf-invalid",
            "byte-order",
            "duplicate-symbol",
            "func-info",
            "input-conflict",
            "input-malformed",
            "invalid-argument",
            "line-info",
            "linker-defect",
            "log-too-small",
            "not-checked",
            "not-linkable",
            "unknown-rejection",
            "unwinding",
            "wrong-target",
        ],
    ),
    (
        "no program for it is short, or kernels disagree about each",
        &[
            "context-pointer-misuse",
            "jump-too-far",
            "program-too-long",
            "stack-uninitialised",
            "too-complex",
            "too-many-maps",
            "untrusted-pointer",
            "wide-integer",
        ],
    ),
];

/// What the kernel says about each program of an object: nothing, when it accepts it.
fn judge(example: &Example, built: &Built) -> Vec<Option<Diagnostic>> {
    let name = &example.name;
    let Some(object) = &built.object else {
        panic!("{name} was not built:\n{}", built.said);
    };
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(VerifierLogLevel::DEBUG);
    let mut ebpf = match loader.load_file(object) {
        Ok(ebpf) => ebpf,
        Err(error) => panic!("{name}: {error:?}"),
    };
    let verdict = |program: &mut hachi::programs::Program| match program.load() {
        Ok(()) => None,
        Err(ProgramError::LoadError(rejection)) => Some(rejection.explain()),
        Err(error) => panic!("{name}: {error:?}"),
    };
    ebpf.programs_mut()
        .map(|(_, program)| verdict(program))
        .collect()
}

/// Whether the kernel cannot tell in this case.
fn is_unjudged(example: &Example, verdicts: &[Option<Diagnostic>]) -> bool {
    let here = |d: &Diagnostic| d.code == Some(Code::VARIABLE_WITHOUT_ADDRESS);
    example.elsewhere
        && verdicts
            .iter()
            .any(|verdict| verdict.as_ref().is_some_and(here))
}

/// Helps that no pair of programs shows: they say what to do about the machine or the object, not
/// about the program.
const ABOUT_THE_MACHINE: &[&str] = &[
    "boot a kernel with /sys/kernel/btf/vmlinux",
    "boot without lockdown",
    "compare with the oldest kernel",
    "load again with a larger log buffer",
    "load it as root",
    "load it with CAP_BPF",
    "load it with a verifier log",
    "load the program as root",
    "load the program with CAP_PERFMON",
    "raise the limit",
    "rebuild the object with `hachi build`",
    "run a newer kernel: ",
    "run as root",
    "run it on a kernel from ",
    "take one that /sys/kernel/tracing",
    "turn it on: ",
    "when another tool changed the object",
];

/// Helps for rejections that only other kernels make.
const ON_OTHER_KERNELS: &[&str] = &[
    "a key, value or event with padding",
    "build for an older one: ",
    "fill all of it first",
    "give the loop a smaller limit (`for",
    "go through `",
    "leave the code out of programs for such kernels",
    "write a `MaybeUninit` in full",
];

#[test]
fn every_rejected_program_has_its_code_and_every_mended_one_loads() {
    hachi_test::require_bpf!();
    hachi_test::require_kernel!("6.12", "the wording of some examples' rejections");
    hachi_test::require_host!("the examples, which cost as much as all fixtures together");
    let mut wrong = Vec::new();
    let mut judged = 0;
    let mut helps: Vec<String> = Vec::new();
    for example in pairs().iter().flatten() {
        let (code, name) = (example.code, &example.name);
        let built = example.built();
        let said_by_linker = ["error", "warning"]
            .iter()
            .any(|level| built.said.contains(&format!("{level}[{code}]: ")));
        if example.rejected && said_by_linker {
            // The linker only warns of some things, and the kernel refuses them.
            let verdicts = built.object.as_ref().map(|_| judge(example, &built));
            let refused = verdicts.into_iter().flatten().flatten();
            let same = refused.filter(|d| d.code == Some(code));
            helps.extend(same.flat_map(|d| d.helps).map(|help| help.text));
            continue;
        }
        if example.rejected && built.object.is_none() || said_by_linker {
            wrong.push(format!("{name}: not {code}:\n{}", built.said));
            continue;
        }
        let verdicts = judge(example, &built);
        if is_unjudged(example, &verdicts) {
            continue;
        }
        judged += 1;
        let refused: Vec<&Diagnostic> = verdicts.iter().flatten().collect();
        let given = refused.iter().flat_map(|d| &d.helps);
        helps.extend(given.map(|help| help.text.clone()));
        match example.rejected {
            true if refused.is_empty() => wrong.push(format!("{name}: the kernel accepts it")),
            true => wrong.extend(
                refused
                    .iter()
                    .filter(|d| d.code != Some(code))
                    .map(|d| format!("{name}: not {code}:\n{d}")),
            ),
            false => wrong.extend(refused.iter().map(|d| format!("{name}:\n{d}"))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(judged > 180, "only {judged} were given to the kernel");
    assert_every_help_is_among(&helps);
}

/// Checks that each help in the sources was given to a program whose mended form loads.
fn assert_every_help_is_among(given: &[String]) {
    let directory = hachi_tests::root().join("crates/hachi-diag/src/explain");
    let mut unseen = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for help in helps_in(&source) {
            count += 1;
            let starts = |all: &[&str]| all.iter().any(|start| help.starts_with(start));
            let shown = given.iter().any(|given| is_made_from(given, &help));
            if shown == (starts(ABOUT_THE_MACHINE) || starts(ON_OTHER_KERNELS)) {
                unseen.push(help);
            }
        }
    }
    assert!(count > 80, "only {count} helps are in the sources");
    assert!(
        unseen.is_empty(),
        "no program shows these, or one does that are said to be shown by none:\n{}",
        unseen.join("\n")
    );
}

/// The sentences in calls of `help`: string literals of several words.
fn helps_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in source.split(".help(").skip(1) {
        let mut depth = 1;
        let mut text: Option<String> = None;
        let mut rest = call.chars().peekable();
        while let Some(c) = rest.next() {
            match (&mut text, c) {
                (None, '"') => text = Some(String::new()),
                (None, '(') => depth += 1,
                (None, ')') => depth -= 1,
                (None, _) => {}
                (Some(literal), '"') => {
                    if literal.contains(' ') {
                        found.push(literal.clone());
                    }
                    text = None;
                }
                (Some(literal), '\\') => match rest.next() {
                    Some('\n') => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                    Some(escaped) => literal.push(escaped),
                    None => {}
                },
                (Some(literal), c) => literal.push(c),
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Whether a text is what `format!` makes of a template.
fn is_made_from(text: &str, template: &str) -> bool {
    let mut rest = text;
    let mut parts = template.split('{').map(|part| match part.split_once('}') {
        Some((_, behind)) => behind,
        None => part,
    });
    // Only `format!` fills braces; those in code that is quoted stand for themselves.
    if template.contains("{ …") {
        return text == template;
    }
    let Some(first) = parts.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = first;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || template.ends_with('}')
}

#[test]
fn every_page_has_an_example_or_a_reason_to_have_none() {
    let shown: Vec<Code> = pairs().iter().map(|[example, _]| example.code).collect();
    let excused: Vec<&str> = WITHOUT_AN_EXAMPLE
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .collect();
    for code in Code::all() {
        assert!(
            shown.contains(&code) != excused.contains(&code.name()),
            "{code}: either an example or a reason"
        );
    }
    for name in excused {
        assert!(Code::named(name).is_some(), "{name} is no code");
    }
}

#[test]
fn every_file_of_the_gallery_is_used() {
    hachi_test::require_host!("the sources");
    let (there, used) = files();
    assert_eq!(there, used);
}
