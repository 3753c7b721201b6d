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
            "map-for-program",
            "program-too-long",
            "stack-uninitialised",
            "tail-call",
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

#[test]
fn every_rejected_program_has_its_code_and_every_mended_one_loads() {
    hachi_test::require_bpf!();
    hachi_test::require_kernel!("6.12", "the wording of some examples' rejections");
    let mut wrong = Vec::new();
    let mut judged = 0;
    for example in pairs().iter().flatten() {
        let (code, name) = (example.code, &example.name);
        let built = example.built();
        let said_by_linker = ["error", "warning"]
            .iter()
            .any(|level| built.said.contains(&format!("{level}[{code}]: ")));
        if example.rejected && said_by_linker {
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
    assert!(judged > 120, "only {judged} were given to the kernel");
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
