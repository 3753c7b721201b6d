//! `hachi ld` of objects that were compiled before, by us or by clang.
//!
//! Of one object alone it changes nothing that a program's user can see: every object of the
//! repository, and C of many shapes, is linked and compared with what it was. (An ignored test
//! tries the objects of a directory that `HACHI_OBJECTS` names.) Of several it makes one that has
//! all that each had.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi::maps::Array;
use hachi::programs::{TestRunOptions, Xdp};
use hachi::{EbpfLoader, EbpfLogger};
use hachi_asm::consts::{BPF_ALU, BPF_ALU64, BPF_MUL};
use hachi_btf::{Btf, BtfBuilder, Kind, Linkage, Type, Types as _};
use hachi_obj::{ExternKind, GlobalVar, Insn, MapSpec, ProgramSpec, RelocationKind, Spec};
use hachi_test::{Bpffs, TempDir, find_clang, find_program, require_bpf, require_host, skip};
use hachi_tests::{fixture, hachi, root, success};
use log::LevelFilter;

/// Links one object alone, with these options.
///
/// # Errors
/// What the linker says.
fn relinked(object: &Path, options: &[&str], directory: &TempDir) -> Result<Vec<u8>, String> {
    let out = directory.path().join("relinked.o");
    let mut link = hachi(["ld"]);
    link.args(options).arg(object).arg("-o").arg(&out);
    let result = link.output().expect("the command");
    match result.status.success() {
        true => Ok(std::fs::read(out).expect("the object that was written")),
        false => Err(String::from_utf8_lossy(&result.stderr).into_owned()),
    }
}

/// How much of an object another one must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The whole.
    Whole,
    /// All of it, and it may have more.
    Part,
}

fn spec(object: &Path) -> Spec {
    let bytes = std::fs::read(object).expect("the object");
    Spec::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", object.display()))
}

/// What one object lost, or got otherwise, in becoming another; one line for each difference.
fn differences(mut before: Spec, mut after: Spec, extent: Extent) -> Vec<String> {
    // The kernel refuses a description of something without a size, and LLVM may put it into the
    // wrong section. Its name is all that must stay.
    let nothing: Vec<_> = before.globals.extract_if(.., |g| g.size == 0).collect();
    for global in &nothing {
        assert!(
            after.globals.iter().any(|g| g.name == global.name),
            "{} is gone",
            global.name
        );
    }
    for spec in [&mut before, &mut after] {
        spec.globals
            .retain(|global| nothing.iter().all(|other| other.name != global.name));
    }
    let mut all = Differences {
        extent,
        told: Vec::new(),
    };
    all.compare("licence", &before.license, &after.license);
    all.compare("version", &before.kernel_version, &after.kernel_version);
    all.lists(
        "program",
        before
            .programs
            .iter()
            .map(|p| (&*p.name, program(&before, p))),
        after
            .programs
            .iter()
            .map(|p| (&*p.name, program(&after, p))),
    );
    // Data of other objects lies around each one's own.
    let compared = |map: &&MapSpec| extent == Extent::Whole || map.data.is_none();
    let before_maps = before.maps.iter().filter(compared);
    let after_maps = after.maps.iter().filter(compared);
    all.lists(
        "map",
        before_maps.map(|m| (&*m.name, map(&before, m))),
        after_maps.map(|m| (&*m.name, map(&after, m))),
    );
    all.lists("global", globals(&before, extent), globals(&after, extent));
    all.lists("extern", externs(&before), externs(&after));
    all.lists(
        "struct_ops",
        before
            .struct_ops
            .iter()
            .map(|s| (&*s.name, format!("{s:?}"))),
        after
            .struct_ops
            .iter()
            .map(|s| (&*s.name, format!("{s:?}"))),
    );
    all.told
}

struct Differences {
    extent: Extent,
    told: Vec<String>,
}

impl Differences {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, before: &T, after: &T) {
        if before != after {
            self.told
                .push(format!("{what}: {before:?} became {after:?}"));
        }
    }

    fn lists<'a>(
        &mut self,
        what: &str,
        before: impl IntoIterator<Item = (&'a str, String)>,
        after: impl IntoIterator<Item = (&'a str, String)>,
    ) {
        let mut after: Vec<_> = after.into_iter().collect();
        for (name, text) in before {
            let Some(at) = after.iter().position(|(other, _)| *other == name) else {
                self.told.push(format!("{what} {name} is gone"));
                continue;
            };
            let (_, other) = after.remove(at);
            self.compare(&format!("{what} {name}"), &text, &other);
        }
        if self.extent == Extent::Part {
            return;
        }
        for (name, _) in after {
            self.told.push(format!("{what} {name} is new"));
        }
    }
}

fn type_name(spec: &Spec, id: u32) -> String {
    match spec.types() {
        Some(types) if id != 0 => types.type_name(id),
        _ => String::new(),
    }
}

fn map(spec: &Spec, map: &MapSpec) -> String {
    let key = type_name(spec, map.btf_key_type_id);
    // Compilers describe sections in which nothing has a name too.
    let value = match map.data {
        None => type_name(spec, map.btf_value_type_id),
        Some(_) => String::new(),
    };
    let mut plain = map.clone();
    (plain.btf_key_type_id, plain.btf_value_type_id) = (0, 0);
    plain.inner = None;
    let inner = map.inner.as_deref().map(|inner| self::map(spec, inner));
    format!("{plain:?} {key:?} {value:?} {inner:?}")
}

fn program(spec: &Spec, program: &ProgramSpec) -> String {
    let code = program.code().expect("the program's code");
    let core = code.core_relos().map(|relo| {
        let relo = relo.expect("a record that makes sense");
        let of = type_name(spec, relo.type_id);
        format!("{} {:?} {} {of}", relo.insn_off, relo.kind, relo.access)
    });
    let local_types: Vec<u32> = code
        .core_relos
        .iter()
        .filter(|relo| relo.kind == hachi_obj::CoreReloKind::TypeIdLocal as u32)
        .map(|relo| relo.insn_off)
        .collect();
    let mut insns = code.insns.clone();
    for at in local_types {
        // The number of a type among the object's own.
        insns[at as usize].imm = 0;
    }
    // Global variables by their names, wherever they lie.
    let mut relocations = code.relocations.clone();
    for relocation in &mut relocations {
        if let RelocationKind::Kfunc { place, .. } = &mut relocation.kind {
            // Another object may have more of them.
            *place = 0;
        }
        if let RelocationKind::GlobalData { map, offset } = &mut relocation.kind {
            let holds = |global: &&GlobalVar| {
                let end = global.offset + global.size;
                *global.map == **map && global.offset <= *offset && *offset < end
            };
            let (name, within) = match spec.globals.iter().find(holds) {
                Some(global) => (global.name.clone(), *offset - global.offset),
                // A constant without a name, by its first bytes.
                None => {
                    let data = spec.maps.iter().find(|data| *data.name == **map);
                    let contents = data.and_then(|data| data.contents.as_deref());
                    let rest = contents.and_then(|all| all.get(*offset as usize..));
                    let start = rest.map(|rest| &rest[..rest.len().min(4)]);
                    (format!("{start:x?}"), 0)
                }
            };
            *map = format!("{map}:{name}").into();
            *offset = within;
            insns[relocation.insn + 1].imm = within as i32;
        }
    }
    format!(
        "{:?} {:?} {:?} {:?} {} {} {} {insns:?} {:?} {:?} {:?}",
        program.section,
        program.program_type,
        program.attach_type,
        program.attach_target,
        program.sleepable,
        program.frags,
        program.autoload,
        code.functions,
        relocations,
        core.collect::<Vec<_>>(),
    )
}

/// Of each variable its place, type and value.
fn globals(spec: &Spec, extent: Extent) -> impl Iterator<Item = (&str, String)> {
    spec.globals.iter().map(move |global| {
        let map = spec.maps.iter().find(|map| map.name == global.map);
        let value = map.and_then(|map| map.contents.as_deref()).and_then(|all| {
            let start = global.offset as usize;
            all.get(start..start + global.size as usize)
        });
        let of = type_name(spec, global.type_id);
        let place = match extent {
            Extent::Whole => format!("{}+{}/{}", global.map, global.offset, global.size),
            Extent::Part => format!("{}/{}", global.map, global.size),
        };
        (&*global.name, format!("{place} {of:?} {value:x?}"))
    })
}

fn externs(spec: &Spec) -> impl Iterator<Item = (&str, String)> {
    spec.externs.iter().map(|wanted| {
        let kind = match wanted.kind {
            ExternKind::Kfunc { .. } => "kfunc".to_owned(),
            ExternKind::Ksym { type_id } => {
                format!("ksym {:?}", type_id.map(|id| type_name(spec, id)))
            }
            ExternKind::Kconfig {
                ty, offset, size, ..
            } => format!("kconfig {ty:?} {offset} {size}"),
            other => panic!("an extern of an unknown kind: {other:?}"),
        };
        (&*wanted.name, format!("{kind} {}", wanted.weak))
    })
}

/// Links several objects into `name`.
fn linked(objects: &[&Path], directory: &TempDir, name: &str) -> PathBuf {
    let out = directory.path().join(name);
    let mut link = hachi(["ld"]);
    success(link.args(objects).arg("-o").arg(&out));
    out
}

fn assert_has_all_of(parts: &[&Path], whole: &Path) {
    for part in parts {
        let lost = differences(spec(part), spec(whole), Extent::Part);
        assert!(lost.is_empty(), "{}: {}", part.display(), lost.join("\n"));
    }
}

/// Each has several maps, globals, log messages and questions about the kernel's types of its own,
/// and both have the library's.
#[test]
fn several_of_hachis_own_objects_become_one() {
    let (one, two) = (fixture("linked_one"), fixture("linked_two"));
    require_host!("the linker");
    let directory = TempDir::new().unwrap();
    let both = linked(&[&one, &two], &directory, "both.o");
    assert_has_all_of(&[&one, &two], &both);
    let again = linked(&[&both], &directory, "again.o");
    assert_eq!(
        differences(spec(&both), spec(&again), Extent::Whole),
        [""; 0]
    );
    // One more that logs, in another order, and a level deeper.
    let logs = fixture("logs");
    let three = linked(&[&logs, &both], &directory, "three.o");
    assert_has_all_of(&[&one, &two, &logs], &three);
    run_both(&both);
    run_both(&three);

    let Some(bpftool) = find_program("bpftool") else {
        skip!("bpftool is not installed");
    };
    let by_bpftool = directory.path().join("by_bpftool.o");
    let mut link = Command::new(&bpftool);
    link.args(["gen", "object"]).arg(&by_bpftool);
    success(link.args([&one, &two]));
    assert_has_all_of(&[&one, &two, &both], &by_bpftool);
    assert_has_all_of(&[&by_bpftool], &both);
    run_both(&by_bpftool);
    if let Err(reason) = hachi_test::bpf_available() {
        eprintln!("not loaded by libbpf: {reason}");
        return;
    }
    let bpffs = Bpffs::new().unwrap();
    for object in [&both, &three, &by_bpftool] {
        let mut load = Command::new(&bpftool);
        load.args(["prog", "loadall"]).arg(object);
        success(load.arg(bpffs.join(object.file_stem().unwrap().to_str().unwrap())));
    }
}

/// Loads an object with both fixtures in it, runs them, and looks at what each does with its own.
fn run_both(object: &Path) {
    require_bpf!();
    let mut ebpf = EbpfLoader::new()
        .log_level(LevelFilter::Trace)
        .load_file(object)
        .unwrap();
    let options = TestRunOptions::new().data(&[0; 100]);
    for name in ["one", "two"] {
        let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
        program.load().unwrap();
        let program = ebpf.program(name).unwrap();
        assert_eq!(program.test_run(&options).unwrap().return_value, 2);
    }
    let kernel = Btf::parse(&std::fs::read("/sys/kernel/btf/vmlinux").unwrap())
        .and_then(|btf| BtfBuilder::from_btf(&btf))
        .unwrap();
    let task = kernel.find("task_struct", Kind::Struct).unwrap();
    let members = kernel.members(task).unwrap();
    let offset = |name: &str| {
        let member = members.iter().find(|member| member.name == name).unwrap();
        u64::from(member.bit_offset / 8)
    };
    for (map, counted, asked) in [("ONE_COUNT", 10, "pid"), ("TWO_COUNT", 200, "tgid")] {
        let map: Array<_, u64> = ebpf.map(map).unwrap().try_into().unwrap();
        assert_eq!(map.get(&1, 0).unwrap(), counted);
        assert_eq!(map.get(&2, 0).unwrap(), offset(asked));
    }
    let mut logger = EbpfLogger::init(&mut ebpf).unwrap();
    let mut messages = Vec::new();
    logger.read(|message| messages.push(message.unwrap().to_string()));
    assert_eq!(
        messages,
        ["one: 100 bytes", "two: 100 bytes, of at most 9000"]
    );
}

/// Tables of places in the code have no relocations, and must follow the code all the same.
#[test]
fn jump_tables_follow_the_code() {
    require_host!("the linker");
    let data = root().join("crates/hachi-obj/tests/data");
    let directory = TempDir::new().unwrap();
    for order in ["el", "eb"] {
        let [before, jumps, after] = ["exceptions", "jumps", "externs"]
            .map(|name| data.join(format!("{name}.bpf{order}.o")));
        let objects = [&*before, &jumps, &after];
        let all = linked(&objects, &directory, "all.o");
        assert_has_all_of(&objects, &all);
        let again = linked(&[&all], &directory, "again.o");
        assert_has_all_of(&objects, &again);
    }
}

const WEAK: &str = r#"
__map(2, 4, u64) shared SEC(".maps") __weak;
__map(2, 5, u64) own SEC(".maps");
__weak volatile int number = 3;
volatile int beside = 4;
__weak __noinline int choose(int a) { return a + number; }
SEC("socket") int first(void *ctx)
{
    u32 key = 0;
    return (lookup(&shared, &key) != 0) + (lookup(&own, &key) != 0) + choose(beside);
}
char _license[] SEC("license") = "GPL";
"#;

const STRONG: &str = r#"
__map(2, 4, u64) shared SEC(".maps");
volatile int number = 50;
__noinline int choose(int a) { return a * number; }
SEC("socket") int second(void *ctx)
{
    u32 key = 0;
    return (lookup(&shared, &key) != 0) + choose(1);
}
char _license[] SEC("license") = "GPL";
"#;

/// A definition takes the place of a weak one, whichever comes first, by any linker.
#[test]
fn a_definition_takes_the_place_of_a_weak_one() {
    require_host!("the linker");
    let Some(clang) = find_clang() else {
        skip!("clang is not installed");
    };
    let directory = TempDir::new().unwrap();
    let [weak, strong] = [("weak", WEAK), ("strong", STRONG)].map(|(name, text)| {
        let source = directory.path().join(format!("{name}.c"));
        std::fs::write(&source, format!("{PROLOGUE}{text}")).unwrap();
        let object = source.with_extension("o");
        let mut compile = Command::new(&clang);
        compile.args(["-g", "-O2", "-target", "bpf", "-w", "-c"]);
        success(compile.arg(&source).arg("-o").arg(&object));
        object
    });
    for (order, name) in [
        ([&weak, &strong], "strong_last"),
        ([&strong, &weak], "strong_first"),
    ] {
        let order = order.map(PathBuf::as_path);
        let mut made = vec![linked(&order, &directory, &format!("{name}.o"))];
        if let Some(bpftool) = find_program("bpftool") {
            let object = directory.path().join(format!("{name}_by_bpftool.o"));
            let mut link = Command::new(bpftool);
            success(link.args(["gen", "object"]).arg(&object).args(order));
            // What it leaves can be linked again.
            made.push(linked(&[&object], &directory, &format!("{name}_again.o")));
            made.push(object);
        }
        for object in made {
            let spec = spec(&object);
            let maps = spec.maps.iter().filter(|map| map.data.is_none());
            let mut maps: Vec<_> = maps.map(|map| (&*map.name, map.max_entries)).collect();
            maps.sort_unstable();
            assert_eq!(maps, [("own", 5), ("shared", 4)], "{}", object.display());
            let number = spec.global_bytes("number").unwrap();
            assert_eq!(
                number,
                Some(&50u32.to_le_bytes()[..]),
                "{}",
                object.display()
            );
            let beside = spec.global_bytes("beside").unwrap();
            assert_eq!(
                beside,
                Some(&4u32.to_le_bytes()[..]),
                "{}",
                object.display()
            );
            for name in ["first", "second"] {
                let code = spec.program(name).unwrap().code().unwrap();
                let choose = code.functions.iter().find(|f| f.name == "choose").unwrap();
                let insns = &code.insns[choose.start..choose.start + choose.len];
                // The strong one multiplies.
                let multiplies = |insn: &Insn| {
                    insn.code & 0xf7 == BPF_ALU | BPF_MUL || insn.code & 0xf7 == BPF_ALU64 | BPF_MUL
                };
                assert!(insns.iter().any(multiplies), "{}: {name}", object.display());
            }
            if hachi_test::bpf_available().is_ok() {
                let mut ebpf = hachi::Ebpf::load_file(&object).unwrap();
                for (_, program) in ebpf.programs_mut() {
                    program.load().unwrap();
                }
            }
        }
    }
}

/// All objects below a directory.
fn objects_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("its entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            objects_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "o") {
            found.push(path);
        }
    }
}

/// Whether an object refers to something that it does not have, nor the kernel.
fn lacks_something(spec: &Spec) -> bool {
    let unresolved = |program: &ProgramSpec| {
        let code = program.code().expect("the program's code");
        let mut kinds = code.relocations.iter().map(|r| &r.kind);
        kinds.any(|kind| matches!(kind, RelocationKind::Unresolved { .. }))
    };
    let types = spec.types().map(|types| BtfBuilder::from_btf(&types));
    let declares = types.is_some_and(|types| {
        let types = types.expect("the object's types");
        types.iter().any(|(_, ty)| {
            matches!(ty, Type::Func(f) if f.linkage == Linkage::Extern)
                || matches!(ty, Type::Var(v) if v.linkage == Linkage::Extern)
        })
    });
    declares || spec.programs.iter().any(unresolved)
}

/// Links each object alone, and complains about all that change: as loaders take it if it is a
/// whole, and as further links do.
fn check(objects: &[PathBuf], refused: Refused<'_>) {
    let directory = TempDir::new().unwrap();
    let mut faults = Vec::new();
    for object in objects {
        let name = object.file_name().unwrap_or_default().to_string_lossy();
        // What cannot be read cannot be compared.
        let before = std::fs::read(object).expect("the object");
        let before = Spec::parse(&before).ok();
        let lacks = before.as_ref().is_some_and(lacks_something);
        for (options, refused) in [(&[][..], refused.whole), (&["--relocatable"], refused.part)] {
            let expected = refused.iter().any(|part| name.starts_with(part));
            match relinked(object, options, &directory) {
                Err(_) if expected || lacks && options.is_empty() => {}
                Err(error) => faults.push(format!("{} {options:?}: {error}", object.display())),
                Ok(_) if expected => faults.push(format!("{name} {options:?} was linked")),
                Ok(after) => {
                    let Some(before) = before.clone() else {
                        continue;
                    };
                    // Of a library, loaders need nothing.
                    if options.is_empty() && (lacks || before.programs.is_empty()) {
                        continue;
                    }
                    let told = match Spec::parse(&after) {
                        Ok(after) => differences(before, after, Extent::Whole),
                        Err(error) => vec![format!("cannot be read any more: {error}")],
                    };
                    let told = told.into_iter();
                    faults.extend(told.map(|what| format!("{}: {what}", object.display())));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The beginnings of the names of objects that cannot be linked alone.
#[derive(Clone, Copy)]
struct Refused<'a> {
    /// For loaders: another object has what they lack.
    whole: &'a [&'a str],
    /// For further links: what they lack has no type.
    part: &'a [&'a str],
}

impl Refused<'_> {
    const NONE: Self = Refused {
        whole: &[],
        part: &[],
    };
}

#[test]
fn relinking_an_object_of_the_repository_changes_nothing() {
    require_host!("the linker");
    let mut objects = Vec::new();
    objects_below(root(), &mut objects);
    assert!(objects.len() >= 30, "{objects:?}");
    let refused = Refused {
        whole: &["undefined", "unlinked", "rust.o", "nobtf"],
        part: &["rust.o", "nobtf"],
    };
    check(&objects, refused);
}

#[test]
fn a_further_link_may_find_what_is_missing() {
    require_host!("the linker");
    let directory = TempDir::new().unwrap();
    let object = root().join("crates/hachi-obj/tests/data/undefined.bpfel.o");
    let refused = relinked(&object, &[], &directory).unwrap_err();
    assert!(refused.contains("say `--relocatable`"), "{refused}");
    let left = relinked(&object, &["-r"], &directory).unwrap();
    assert!(lacks_something(&Spec::parse(&left).unwrap()));
}

/// What C the compilers at hand make of many mixtures of variables, functions and maps.
#[test]
fn relinking_generated_c_changes_nothing() {
    require_host!("the linker");
    let Some(clang) = find_clang() else {
        skip!("clang is not installed");
    };
    let directory = TempDir::new().unwrap();
    let mut objects = Vec::new();
    for seed in 0..64 {
        let source = directory.path().join(format!("generated{seed}.c"));
        std::fs::write(&source, generate(seed)).unwrap();
        let object = source.with_extension("o");
        let mut compile = Command::new(&clang);
        compile.args(["-g", "-target", "bpf", "-w", "-c"]);
        compile.arg(["-O2", "-O1", "-Os"][seed as usize % 3]);
        compile.arg(["-mcpu=v1", "-mcpu=v3"][seed as usize / 3 % 2]);
        if seed % 4 == 3 {
            compile.arg("-fdata-sections");
        }
        success(compile.arg(&source).arg("-o").arg(&object));
        objects.push(object);
    }
    check(&objects, Refused::NONE);
}

/// A source of random choices, the same for the same seed.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's multiplier; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const PROLOGUE: &str = r#"
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) val *name
#define __weak __attribute__((weak))
#define __noinline __attribute__((noinline))
#define __map(kind, entries, of) \
    struct { __uint(type, kind); __uint(max_entries, entries); \
             __type(key, u32); __type(value, of); }
typedef unsigned long long u64;
typedef unsigned int u32;
struct pair { char tag; int value; };
struct nothing {};
static void *(*lookup)(void *, const void *) = (void *)1;
"#;

/// What the generated sources start with.
const GENERATED_PROLOGUE: &str = r#"
struct nothing emptiness;
volatile int visible;
extern u32 LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
extern _Bool CONFIG_BPF_JIT __attribute__((section(".kconfig"))) __weak;
extern const void runqueues __attribute__((section(".ksyms"))) __weak;
/* A variable with another inside, a name without a size, and one at the end. */
asm(".pushsection .data.assembled,\"aw\",@progbits\n"
    ".globl whole\n.type whole,@object\n.size whole,12\nwhole: .long 1\n"
    ".type inner,@object\n.size inner,4\ninner: .long 2\n"
    ".long 3\n.globl bare\nbare: .long 4\nend:\n.popsection\n");
extern volatile int whole[3];
extern volatile int bare;
"#;

/// A program in C: a mixture of variables of all sections, used by programs, by functions that
/// nobody calls, or by nothing.
fn generate(seed: u64) -> String {
    let mut choose = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = format!("{PROLOGUE}{GENERATED_PROLOGUE}");
    let (mut used, mut dead) = (String::new(), String::new());
    for number in 0..3 + choose.below(12) {
        let name = format!("variable{number}");
        let (before, after, value) = [
            ("char", "", "7"),
            ("short", "", "-2"),
            ("int", "", "3"),
            ("u64", "", "1ull << 40"),
            ("char", "[13]", "\"a few words\""),
            ("int", "[5]", "{ 1, 2, 3 }"),
            ("struct pair", "", "{ 1, 2 }"),
            ("struct pair", "[3]", "{ { 1, 2 }, { 3, 4 } }"),
            ("struct nothing", "", "{}"),
        ][choose.below(9)];
        let storage = match before {
            "struct nothing" => "static ",
            _ => choose.of(&["", "", "static ", "__weak "]),
        };
        let kind = choose.of(&["const volatile ", "volatile ", "volatile ", "const ", ""]);
        let aligned = choose.of(&[
            "",
            "",
            "",
            "__attribute__((aligned(8))) ",
            "__attribute__((aligned(64))) ",
        ]);
        let constant = kind.starts_with("const");
        let zero = !constant && choose.below(3) == 0;
        let place = match (choose.below(4), constant, zero) {
            (0, true, _) => "SEC(\".rodata.mine\") ",
            (0, false, true) => "SEC(\".bss.mine\") ",
            (0, false, false) => "SEC(\".data.mine\") ",
            (1, ..) if storage != "__weak " => "__attribute__((used)) ",
            _ => "",
        };
        let value = if zero {
            String::new()
        } else {
            format!(" = {value}")
        };
        text += &format!("{place}{aligned}{storage}{kind}{before} {name}{after}{value};\n");
        let read =
            format!("    sum += *(volatile char *)((char *)&{name} + i % (sizeof({name}) + 1));\n");
        match choose.below(4) {
            0 => {}
            1 => dead += &read,
            _ => used += &read,
        }
    }
    for number in 0..choose.below(4) {
        let storage = choose.of(&["", "static "]);
        text += &format!(
            "{storage}struct {{ __uint(type, {}); __uint(max_entries, {}); __type(key, u32); \
             __type(value, struct pair); }} map{number} SEC(\".maps\");\n",
            choose.of(&["1", "2"]),
            1 + choose.below(9),
        );
        used += &format!("    {{ u32 key = i; sum += lookup(&map{number}, &key) != 0; }}\n");
    }
    if choose.below(2) == 0 {
        used += "    sum += LINUX_KERNEL_VERSION + CONFIG_BPF_JIT;\n";
    }
    if choose.below(2) == 0 {
        used += "    sum += &runqueues != 0;\n";
    }
    if choose.below(2) == 0 {
        used += "    sum += whole[i & 1] + bare;\n";
    }
    let second = choose.of(&["socket", "xdp", "?tc"]);
    for (head, body) in [
        ("__noinline int dead(u64 i)", &*dead),
        ("__noinline int read_all(u64 i)", &*used),
    ] {
        text += &format!("{head}\n{{\n    u64 sum = 0;\n{body}    return sum;\n}}\n");
    }
    text += &format!(
        "__noinline static int twice(u64 i) {{ return read_all(i) + read_all(i + 1); }}\n\
         SEC(\"socket\") int first(void *ctx) {{ return read_all((u64)ctx); }}\n\
         SEC(\"{second}\") int second(void *ctx) {{ return twice((u64)ctx) + twice(3); }}\n\
         char _license[] SEC(\"license\") = \"GPL\";\n"
    );
    text
}

#[test]
#[ignore = "needs HACHI_OBJECTS, a directory of objects"]
fn relinking_foreign_objects_changes_nothing() {
    let directory = std::env::var_os("HACHI_OBJECTS").expect("HACHI_OBJECTS names a directory");
    let mut objects = Vec::new();
    objects_below(Path::new(&directory), &mut objects);
    check(&objects, Refused::NONE);
}
