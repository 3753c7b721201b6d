//! Programs made ready to load, by surroundings that the tests make up.

mod support;

use std::cell::RefCell;

use hachi_asm::build::{call_local, exit, ld_imm64, mov_imm};
use hachi_asm::{Endian, Imm64, Insn, consts, disasm};
use hachi_btf::Btf;
use hachi_obj::error::{BtfUser, ProgramFault, RelocationFault};
use hachi_obj::inspect::{self, SpecNames};
use hachi_obj::link::{
    Absent, Kfunc, Ksym, Linked, Nothing, POISON, POISON_KFUNC, Poisoned, Resolve, Types,
};
use hachi_obj::{
    Code, CoreRecord, Error, ProgramSpec, ProgramType, Relocation, RelocationKind, Spec,
};
use support::{Wanted, Writer};

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("data/", $name, ".o")).as_slice()
    };
}

fn parse(bytes: &[u8]) -> Spec {
    Spec::parse(bytes).expect("parses")
}

/// A kernel with some functions and variables, and the object's own types.
struct World<'w> {
    types: Option<Btf<'w>>,
    asked: RefCell<Vec<String>>,
}

impl<'w> World<'w> {
    fn of(spec: &'w Spec) -> World<'w> {
        World {
            types: spec.types(),
            asked: RefCell::default(),
        }
    }

    fn note(&self, question: String) {
        self.asked.borrow_mut().push(question);
    }
}

impl Resolve for World<'_> {
    type Error = Error;

    fn map(&self, name: &str) -> Result<i32, Error> {
        self.note(format!("map {name}"));
        Ok(100 + name.len() as i32)
    }

    fn kfunc(&self, name: &str) -> Result<Option<Kfunc>, Error> {
        self.note(format!("kfunc {name}"));
        Ok(match name {
            "missing_function" => None,
            "bpf_rcu_read_lock" => Some(Kfunc::new(77, None)),
            _ => Some(Kfunc::new(78, Some(9))),
        })
    }

    fn ksym(&self, name: &str) -> Result<Ksym, Error> {
        self.note(format!("ksym {name}"));
        Ok(match name {
            "bpf_prog_fops" => Ksym::Address(0xffff_ffff_8123_4567),
            "bpf_stats_enabled_key" => Ksym::Typed {
                btf_id: 55,
                module: 7,
            },
            _ => Ksym::Address(0),
        })
    }

    fn option(&self, offset: u32) -> Result<(), Error> {
        self.note(format!("option {offset}"));
        Ok(())
    }

    fn types(&self, questions: usize) -> Result<Option<&Btf<'_>>, Error> {
        self.note(format!("types {questions}"));
        Ok(self.types.as_ref())
    }
}

/// Everything that linking may do, twice, without the Spec noticing.
#[test]
fn a_spec_stays_what_the_file_says() {
    for bytes in [
        object!("basic.bpfel"),
        object!("basic.bpfeb"),
        object!("calls.bpfel"),
        object!("calls.bpfeb"),
        object!("core.bpfel"),
        object!("core.bpfeb"),
        object!("externs.bpfel"),
        object!("arena.bpfel"),
        object!("struct_ops.bpfel"),
        object!("rust.bpfel"),
        object!("exceptions.bpfel"),
        object!("exceptions.bpfeb"),
        object!("jumps.bpfel"),
        object!("jumps.bpfeb"),
        &exceptions(Endian::Little),
    ] {
        let spec = parse(bytes);
        let before = spec.clone();
        let debug = format!("{spec:?}");
        let world = World::of(&spec);
        let link = |program: &ProgramSpec| program.link(&world);
        let first: Vec<Result<Linked, Error>> = spec.programs.iter().map(link).collect();
        assert!(first.iter().any(Result::is_ok));
        let second: Vec<Result<Linked, Error>> = spec.programs.iter().map(link).collect();
        assert_eq!(first, second);
        assert_eq!(spec, before);
        assert_eq!(format!("{spec:?}"), debug);
        assert_eq!(Spec::parse_vec(bytes.to_vec()), Ok(before));
    }
}

#[test]
fn every_open_relocation_gets_an_answer() {
    for bytes in [object!("core.bpfel"), object!("core.bpfeb")] {
        let spec = parse(bytes);
        let program = spec.program("on_switch").expect("exists");
        let code = program.code().expect("is whole");
        let world = World::of(&spec);
        let linked = program.link(&world).expect("links");
        let asked = world.asked.into_inner();
        assert_eq!(asked[0], format!("types {}", code.kernel_questions()));
        for question in [
            "kfunc bpf_rcu_read_lock",
            "kfunc bpf_rcu_read_unlock",
            "ksym bpf_prog_fops",
            "map .kconfig",
            "option 0",
            "option 4",
            "option 5",
            "map .data",
        ] {
            assert!(asked.iter().any(|a| a == question), "{question}: {asked:?}");
        }
        assert_eq!(linked.functions, code.functions);
        assert_eq!(linked.func_info, code.func_info);
        assert_eq!(linked.line_info, code.line_info);
        // The lock is the kernel's own, the unlock a module's, which stands at index 1.
        assert_eq!(linked.modules, [0, 9]);
        let find = |relocation: &Relocation| -> (Insn, Insn) {
            let at = relocation.insn;
            (linked.insns[at], linked.insns[at + 1])
        };
        let mut seen = 0;
        for relocation in &code.relocations {
            let (insn, next) = find(relocation);
            seen += 1;
            match &relocation.kind {
                RelocationKind::Kfunc { name, .. } => match &**name {
                    "bpf_rcu_read_lock" => assert_eq!((insn.imm, insn.off), (77, 0)),
                    "bpf_rcu_read_unlock" => assert_eq!((insn.imm, insn.off), (78, 1)),
                    // As libbpf counts them.
                    _ => assert_eq!((insn.src, insn.imm), (0, POISON_KFUNC + 7)),
                },
                RelocationKind::Ksym { name } => match &**name {
                    "bpf_prog_fops" => {
                        let halves = [insn.imm as u32, next.imm as u32];
                        assert_eq!((insn.src, halves), (0, [0x8123_4567, 0xffff_ffff]));
                    }
                    "bpf_stats_enabled_key" => {
                        let words = (insn.src, insn.imm, next.imm);
                        assert_eq!(words, (consts::BPF_PSEUDO_BTF_ID, 55, 7));
                    }
                    _ => assert_eq!((insn.src, insn.imm, next.imm), (0, 0, 0)),
                },
                RelocationKind::GlobalData { map, offset } => {
                    assert_eq!(insn.imm, 100 + map.len() as i32);
                    assert_eq!(next.imm, *offset as i32);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(seen > 8);
        let missing = |at: &usize| {
            let found = linked.poisoned.iter().find(|poisoned| poisoned.insn == *at);
            found.map(|poisoned| poisoned.missing.to_string())
        };
        let call = code.relocations.iter().find(|r| match &r.kind {
            RelocationKind::Kfunc { name, .. } => &**name == "missing_function",
            _ => false,
        });
        let said = missing(&call.expect("is called").insn).expect("is poisoned");
        assert!(said.contains("`missing_function` does not exist"), "{said}");
        // Its types are the object's own, so that none is missing.
        let types = |poisoned: &&Poisoned| matches!(poisoned.missing, Absent::Type(_));
        assert_eq!(linked.poisoned.iter().find(types), None);
    }
}

#[test]
fn unresolved_questions_are_poisoned_and_named() {
    for bytes in [object!("core.bpfel"), object!("core.bpfeb")] {
        let spec = parse(bytes);
        let program = spec.program("on_switch").expect("exists");
        let linked = program.link(&Nothing).expect_err("has maps");
        assert!(matches!(linked, Error::NoSuchMap { name, .. } if !name.is_empty()));
        // A kernel that knows nothing but a number.
        let types = hachi_btf::BtfBuilder::new().encode(spec.endian);
        let types = types.expect("encodes");
        let kernel = Btf::parse(&types).expect("parses");
        let surroundings = Types::new(&kernel, &[]);
        let linked = program.link(&surroundings).expect("links");
        let missing: Vec<_> = linked
            .poisoned
            .iter()
            .map(|poisoned| match &poisoned.missing {
                Absent::Type(missing) => missing.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(
            missing.iter().any(|m| m.contains("`task_struct.parent`")),
            "{missing:?}"
        );
        for poisoned in &linked.poisoned {
            assert_eq!(linked.insns[poisoned.insn].imm, POISON);
            let line = linked.line_at(poisoned.insn).expect("has a line");
            assert!(line.file.ends_with("core.c") && !line.text.is_empty());
        }
        // But whether something is there has an answer in any case.
        let (poisoned, all) = (linked.poisoned.len(), program.code());
        assert!(poisoned < all.expect("is whole").core_relos.len());
    }
}

#[test]
fn programs_by_hand_are_linked_too() {
    let code = Code::new("p", vec![mov_imm(0, 0), exit()]);
    let program = ProgramSpec::new("p", ProgramType::Xdp, code.clone());
    let linked = program.link(&Nothing).expect("links");
    assert_eq!(
        (linked.insns, linked.functions),
        (code.insns, code.functions)
    );

    let refused = |relocation: RelocationKind, at: usize| {
        let mut code = Code::new("p", ld_imm64(1, Imm64::Value(0)).into());
        code.relocations.push(Relocation::new(at, relocation));
        let spec = Spec::new(Endian::NATIVE);
        let program = ProgramSpec::new("p", ProgramType::Xdp, code);
        program.link(&World::of(&spec)).expect_err("makes no sense")
    };
    let map = RelocationKind::Map { name: "m".into() };
    let ksym = RelocationKind::Ksym { name: "k".into() };
    for (relocation, at) in [(map, 2), (ksym, 1)] {
        let error = refused(relocation, at);
        let fault = ProgramFault::RelocationBeyond { insn: at };
        assert!(
            matches!(&error, Error::Program { program, fault: found, .. }
                if program == "p" && *found == fault),
            "{error}"
        );
    }

    let mut code = Code::new("p", vec![mov_imm(0, 0), exit()]);
    code.core_relos.push(CoreRecord {
        insn_off: 0,
        type_id: 1,
        access: 0,
        kind: 0,
    });
    let program = ProgramSpec::new("p", ProgramType::Xdp, code);
    let by = BtfUser::CoreRelos;
    assert_eq!(program.link(&Nothing), Err(Error::MissingBtf { by }));
}

#[test]
fn editing_the_code_of_one_program_leaves_others_alone() {
    let mut spec = parse(object!("basic.bpfel"));
    let before = spec.clone();
    let code = spec.programs[0].code_mut().expect("is whole");
    let first = code.insns[0];
    code.insns[0] = exit();
    assert_ne!(spec, before);
    assert_ne!(spec.programs[0], before.programs[0]);
    assert_eq!(spec.programs[1], before.programs[1]);
    spec.programs[0].code_mut().expect("is whole").insns[0] = first;
    assert_eq!(spec, before);
}

#[test]
fn an_undefined_symbol_only_affects_programs_that_use_it() {
    // As clang makes it.
    let spec = parse(object!("undefined.bpfel"));
    assert_eq!(spec.undefined, ["nowhere"]);
    let error = spec.programs[0].link(&Nothing).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "section xdp, offset 0x0: relocation against 'nowhere': the function is defined in \
         another object; link them (`hachi ld`), or declare it as a kernel function (`__ksym`)"
    );
    for endian in [Endian::Little, Endian::Big] {
        let mut writer = Writer::new(endian);
        writer.function("xdp", "fine", &[mov_imm(0, 2), exit()]);
        let calls = [call_local(-1), call_local(40), exit()];
        let odd = writer.function("xdp", "odd", &calls);
        let nowhere = writer.undefined("nowhere");
        writer.relocation_to(odd, 0, nowhere);
        let spec = parse(&writer.finish());
        let fine = spec.program("fine").expect("exists");
        assert_eq!(fine.link(&Nothing).expect("links").insns.len(), 2);
        let odd = spec.program("odd").expect("exists");
        let error = odd.link(&Nothing).expect_err("refused");
        assert!(
            matches!(&error, Error::Relocation { symbol, fault, .. }
                if symbol == "nowhere" && *fault == RelocationFault::UndefinedFunction),
            "{error}"
        );
        // It can be looked at.
        let code = odd.code().expect("is whole");
        let names = SpecNames::new(&spec, &code);
        let text: Vec<String> = disasm::lines(&code.insns, &names).map(|(_, l)| l).collect();
        assert_eq!(text, ["call nowhere", "call xdp", "exit"]);
        assert_eq!(inspect::stack_depth(&code).deepest, Some(32));
        let RelocationKind::Unresolved { error, .. } = &code.relocations[1].kind else {
            panic!("{:?}", code.relocations);
        };
        let text = error.to_string();
        assert!(
            text.contains("a call inside the section: no function begins"),
            "{text}"
        );
    }
}

/// A program whose tag names the callback for exceptions, which nothing calls.
fn exceptions(endian: Endian) -> Vec<u8> {
    let mut writer = Writer::new(endian);
    writer.function(".text", "unused", &[mov_imm(0, 1), exit()]);
    let callee = writer.function(".text", "callee", &[mov_imm(0, 3), exit()]);
    let callback = writer.function(".text", "callback", &[call_local(-1), exit()]);
    writer.relocation(callback, 0, callee);
    let throws = writer.function("tc", "throws", &[mov_imm(0, 0), exit()]);
    writer.tag(throws, "exception_callback:callback");
    let lost = writer.function("tc", "lost", &[mov_imm(0, 0), exit()]);
    writer.tag(lost, "exception_callback:nowhere");
    writer.tag(lost, "of another kind");
    let plain = writer.function("tc", "plain", &[call_local(-1), exit()]);
    writer.relocation(plain, 0, callback);
    writer.tag(plain, "exception_callback:callback");
    writer.finish()
}

#[test]
fn exception_callbacks_are_appended() {
    for endian in [Endian::Little, Endian::Big] {
        let spec = parse(&exceptions(endian));
        let functions = |name: &str| -> Vec<String> {
            let code = spec.program(name).expect("exists").code();
            let code = code.expect("is whole").into_owned();
            let starts: Vec<usize> = code.func_info.iter().map(|i| i.insn_off as usize).collect();
            let expected: Vec<usize> = code.functions.iter().map(|f| f.start).collect();
            assert_eq!(starts, expected);
            code.functions.into_iter().map(|f| f.name).collect()
        };
        assert_eq!(functions("throws"), ["throws", "callback", "callee"]);
        // Once, though it is called besides.
        assert_eq!(functions("plain"), ["plain", "callback", "callee"]);
        let error = spec.program("lost").expect("exists").code();
        let error = error.expect_err("refused").to_string();
        assert!(
            error.starts_with("program 'lost' in section tc: its tag names the exception callback"),
            "{error}"
        );
    }
}

/// What libbpf 1.7 makes of the same object.
#[test]
fn exception_callbacks_come_last() {
    for bytes in [object!("exceptions.bpfel"), object!("exceptions.bpfeb")] {
        let spec = parse(bytes);
        let code = spec.program("throws").expect("exists").code();
        let code = code.expect("is whole");
        let names: Vec<&str> = code.functions.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["throws", "caught", "twice"]);
        assert_eq!(code.insns[6], call_local(2));
        assert_eq!(code.func_info.len(), 3);
        let calm = spec.program("calm").expect("exists").code();
        assert_eq!(calm.expect("is whole").functions.len(), 1);
    }
}

#[test]
fn a_thousand_programs_share_a_large_function() {
    let spec = parse(&support::object(Wanted {
        programs: 1000,
        shared: 13_000,
        ..Wanted::default()
    }));
    assert_eq!(spec.programs.len(), 1000);
    for number in [0, 500, 999] {
        let linked = spec.programs[number].link(&Nothing).expect("links");
        assert_eq!(linked.insns.len(), 3 + 13_000);
        assert_eq!(linked.functions[1].name, "shared");
        assert_eq!(linked.insns[0], call_local(2));
        let lines = linked.lines();
        assert_eq!(&*lines[0].text, format!("int p{number}(void *ctx)"));
        assert_eq!(lines.last().expect("has lines").insn_off, 3);
    }
}

#[test]
fn a_program_has_no_more_instructions_than_kernels_take() {
    let len = |shared| {
        let wanted = Wanted {
            shared,
            ..Wanted::default()
        };
        let spec = parse(&support::object(wanted));
        spec.programs[0].code().map(|code| code.insns.len())
    };
    assert_eq!(len(999_997), Ok(1_000_000));
    let error = len(999_998).expect_err("refused").to_string();
    assert!(
        error.contains("program 'p0' in section xdp: with the functions it calls it has more than"),
        "{error}"
    );
}

#[test]
fn maps_are_answered_by_name() {
    let spec = parse(object!("basic.bpfel"));
    let world = World::of(&spec);
    let filter = spec.program("filter").expect("exists");
    let linked = filter.link(&world).expect("links");
    let code = filter.code().expect("is whole");
    for relocation in &code.relocations {
        let RelocationKind::Map { name } = &relocation.kind else {
            continue;
        };
        spec.map(name).expect("exists");
        assert_eq!(linked.insns[relocation.insn].imm, 100 + name.len() as i32);
    }
}
