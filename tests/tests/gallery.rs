//! Explanations, each shown by a program: the linker or the kernel refuses it with exactly that
//! code, and its mended form loads.
//!
//! Nothing is attached, whatever becomes of the programs.

use hachi::programs::ProgramError;
use hachi::{EbpfLoader, VerifierLogLevel};
use hachi_diag::{Code, Diagnostic};
use hachi_tests::gallery::{Built, Example, files, pairs};
use std::path::Path;

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
            "program-too-long",
            "stack-uninitialised",
            "too-complex",
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
    "there, use a kprobe",
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

/// Helps of the linker that no pair of programs shows, and why.
const NOT_ABOUT_A_PROGRAM: &[(&str, &[&str])] = &[
    (
        "about the toolchain, how it is called, or defects",
        &[
            "bitcode is read only by an LLVM",
            "build with full debug information",
            "compile with `",
            "gate it with `#[cfg]`",
            "install the library source",
            "leave it out, or give one that this LLVM has",
            "name it with `HACHI_LLVM=",
            "please report this",
            "simplify that function",
            "this is a defect of ",
            "use a compiler whose LLVM",
            "use the compiler's own",
        ],
    ),
    (
        "about several inputs, and inputs that other tools made",
        &[
            "give LLVM bitcode",
            "its programs may read registers",
            "link the object that",
            "members of a map's definition",
            "only the log macros may refer to one",
            "rename one of them",
        ],
    ),
    (
        "no program for it is short, or one stands with the linker's own tests",
        &[
            "change the text of one of them",
            "eBPF has no jump tables",
            // Of programs that use Aya's names: the step `aya` has one.
            "give the type a field for them",
            "hold the bytes themselves",
            "make the tail call in the program itself",
            "move large values into a per-CPU array map used as scratch space, or pass references \
             to the caller's",
        ],
    ),
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

/// Codes with helps that are edits which a tool may make unasked.
const EDITED: &[Code] = &[Code::CALL_MAY_SLEEP, Code::STATIC_INSTEAD_OF_MAP];

#[test]
fn programs_load_after_the_edits_that_a_tool_may_make_unasked() {
    hachi_test::require_bpf!();
    hachi_test::require_kernel!("6.12", "the wording of some examples' rejections");
    hachi_test::require_host!("the examples, which cost as much as all fixtures together");
    let mut mended = Vec::new();
    for [rejected, _] in pairs() {
        if !EDITED.contains(&rejected.code) {
            continue;
        }
        let verdicts = judge(&rejected, &rejected.built());
        let source = std::fs::read_to_string(rejected.source());
        let source = source.expect("it was written to be built");
        for mut d in verdicts.into_iter().flatten() {
            d.find_in_sources(|_| Some(source.as_str()));
            let Some(help) = d.helps.iter().find(|help| !help.edits.is_empty()) else {
                continue;
            };
            let json = d.to_json(hachi_diag::Renderer::plain());
            assert!(
                json.contains("\"suggestion_applicability\":\"MachineApplicable\""),
                "{json}"
            );
            // From the end, so that those before keep their places.
            let mut edits: Vec<_> = help.edits.iter().collect();
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.bytes));
            let mut text = source.clone();
            for edit in edits {
                let (start, end) = edit.span.bytes.expect("an edit's bytes are known");
                text.replace_range(start as usize..end as usize, &edit.replacement);
            }
            let edited = rejected.with_source(format!("{}_edited", rejected.name), &text);
            let verdicts = judge(&edited, &edited.built());
            let refused = verdicts.iter().flatten().next();
            assert!(refused.is_none(), "{}:\n{refused:?}\n{text}", rejected.name);
            mended.push(rejected.code);
        }
    }
    for code in EDITED {
        assert!(
            mended.contains(code),
            "{code}: no program was mended by an edit"
        );
    }
}

#[test]
fn every_help_of_the_linker_leads_to_a_program_that_builds() {
    hachi_test::require_host!("the examples, which cost as much as all fixtures together");
    let mut given = Vec::new();
    for [rejected, mended] in pairs() {
        let (before, after) = (rejected.built(), mended.built());
        if after.object.is_some() && before.said != after.said {
            given.extend(helps_said(&before.said));
        }
    }
    let others: Vec<&str> = NOT_ABOUT_A_PROGRAM
        .iter()
        .flat_map(|(_, starts)| starts.iter().copied())
        .collect();
    let sources = hachi_tests::root().join("crates/hachi-linker/src");
    assert_helps_are_among(&given, &sources, &others);
}

/// The helps in what the linker said: `= help: ` and the lines that go on below.
fn helps_said(said: &str) -> Vec<String> {
    let mut helps: Vec<String> = Vec::new();
    let mut column = None;
    for line in said.lines() {
        if let Some((before, text)) = line.split_once("= help: ") {
            column = Some(before.len() + "= help: ".len());
            helps.push(text.to_owned());
            continue;
        }
        let goes_on =
            column.filter(|column| line.len() > *column && line.is_char_boundary(*column));
        match goes_on.map(|column| line.split_at(column)) {
            Some((before, text)) if before.trim().is_empty() && !text.starts_with(' ') => {
                let help = helps.last_mut().expect("one has begun");
                help.push(' ');
                help.push_str(text);
            }
            _ => column = None,
        }
    }
    helps
}

/// Checks that each help in the sources was given to a program whose mended form loads.
fn assert_every_help_is_among(given: &[String]) {
    let sources = hachi_tests::root().join("crates/hachi-diag/src/explain");
    assert_helps_are_among(
        given,
        &sources,
        &[ABOUT_THE_MACHINE, ON_OTHER_KERNELS].concat(),
    );
}

/// Checks that each help in the sources is one of those given, except for those that begin like
/// one of `others`, which must not be.
fn assert_helps_are_among(given: &[String], sources: &Path, others: &[&str]) {
    let mut unseen = Vec::new();
    let mut count = 0;
    for source in sources_below(sources) {
        for help in helps_in(&source) {
            count += 1;
            let is_other = others.iter().any(|start| help.starts_with(start));
            let shown = given.iter().any(|given| is_made_from(given, &help));
            if shown == is_other {
                unseen.push(help);
            }
        }
    }
    assert!(count > 50, "only {count} helps are in the sources");
    assert!(
        unseen.is_empty(),
        "no program shows these, or one does that are said to be shown by none:\n{}",
        unseen.join("\n")
    );
}

/// The texts of the sources below a directory.
fn sources_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources_below(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(std::fs::read_to_string(&path).expect("a source"));
        }
    }
    found
}

/// The sentences in calls of `help` and `fix`: string literals of several words.
fn helps_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let source = source.replace(".fix(", ".help(");
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
