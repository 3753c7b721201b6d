//! Iterators: programs whose output is read like a file.

mod support;

use std::{fs::File, io::Read as _, os::fd::AsFd as _, sync::mpsc};

use hachi::{
    Btf,
    obj::{MapSpec, MapType, ProgramSpec},
    programs::{AttachOptions, CgroupIterOrder, Iter, IterOver},
};
use hachi_asm::{JumpOp, Operand, Size, build};
use hachi_test::{Bpffs, Cgroup, exercises, require_bpf};
use support::{load, spec, tracing::get};

const SEQ_WRITE: u32 = hachi_asm::helpers::id::SEQ_WRITE;

/// Writes one letter for each object: what the context's second word points to.
fn writer(section: &str) -> ProgramSpec {
    let insns = vec![
        build::load(Size::Dw, 6, 1, 0),
        build::load(Size::Dw, 7, 1, 8),
        build::jump(JumpOp::Eq, 7, Operand::Imm(0), 6),
        build::store_imm(Size::B, 10, -1, i32::from(b'x')),
        build::load(Size::Dw, 1, 6, 0),
        build::mov(2, 10),
        build::add_imm(2, -1),
        build::mov_imm(3, 1),
        build::call_helper(SEQ_WRITE),
        build::mov_imm(0, 0),
        build::exit(),
    ];
    support::program("each", section, insns, &[])
}

fn program(ebpf: &mut hachi::Ebpf) -> &mut Iter {
    get(ebpf, "each").try_into().unwrap()
}

fn length(mut file: File) -> usize {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert!(text.bytes().all(|byte| byte == b'x'), "{text}");
    text.len()
}

#[test]
fn all_tasks() {
    require_bpf!();
    for section in ["iter", "iter.s"] {
        let _row = exercises(section, "link");
        let tasks = format!("{section}/task");
        let mut ebpf = load(spec(Vec::new(), vec![writer(&tasks)]));
        attempt!(program(&mut ebpf).load_by_section());
        count_tasks(&mut ebpf);
    }
}

/// Starts threads between two runs of the program, and finds them.
fn count_tasks(ebpf: &mut hachi::Ebpf) {
    let all = ebpf.attach_all(&AttachOptions::new()).unwrap();
    assert_eq!(all.attached[0].1.target, "iterator task");
    let id = all.attached[0].1.link;
    let before = length(program(ebpf).read(id).unwrap());
    // A thread more is a task more, seen by the next run (others come and go meanwhile).
    let (release, wait) = mpsc::channel::<()>();
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let (ready, started) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let thread = std::thread::spawn(move || {
                ready.send(()).unwrap();
                let _ = ended.recv();
            });
            started.recv().unwrap();
            (end, thread)
        })
        .collect();
    let with = length(program(ebpf).read(id).unwrap());
    assert!(with > before + 10, "{before} {with}");
    for (end, thread) in threads {
        drop(end);
        thread.join().unwrap();
    }
    drop((release, wait));
}

#[test]
fn one_thread_one_process() {
    require_bpf!();
    let btf = Btf::from_sys_fs().unwrap();
    let mut ebpf = load(spec(Vec::new(), vec![writer("iter")]));
    let program = program(&mut ebpf);
    program.load("task", &btf).unwrap();
    let tid = support::tracing::thread_id() as u32;
    let id = attempt!(program.attach_over(IterOver::Thread(tid)));
    assert_eq!(length(program.read(id).unwrap()), 1);
    let id = program
        .attach_over(IterOver::Process(std::process::id()))
        .unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    let found = length(program.read(id).unwrap());
    assert!(
        found >= 1 && found.abs_diff(threads) <= 8,
        "{found} {threads}"
    );
}

#[test]
fn elements_of_a_map() {
    require_bpf!();
    let map = MapSpec::new("VALUES", MapType::Array, 4, 8, 7);
    let mut elements = writer("iter/bpf_map_elem");
    // Behind the map stand key and value; there is a last call without.
    elements.code_mut().unwrap().insns[1] = build::load(Size::Dw, 7, 1, 24);
    let mut ebpf = load(spec(vec![map], vec![elements]));
    program(&mut ebpf).load_by_section().unwrap();
    let id = ebpf.map("VALUES").unwrap().data().info().unwrap().id();
    let map = hachi::maps::MapData::from_id(id).unwrap();
    let program = program(&mut ebpf);
    let id = program
        .attach_over(IterOver::Map(map.fd().as_fd()))
        .unwrap();
    assert_eq!(length(program.read(id).unwrap()), 7);
    // Without a map there is nothing to run over, and that is said.
    let error = program.attach().unwrap_err().to_string();
    assert!(
        error.contains("\"each\"") && error.contains("iterator bpf_map_elem"),
        "{error}"
    );
}

#[test]
fn cgroups_of_a_hierarchy() {
    require_bpf!();
    let btf = Btf::from_sys_fs().unwrap();
    let cgroup = Cgroup::new().unwrap();
    for child in ["a", "b"] {
        std::fs::create_dir(cgroup.path().join(child)).unwrap();
    }
    let directory = File::open(cgroup.path()).unwrap();
    let mut ebpf = load(spec(Vec::new(), vec![writer("iter/cgroup")]));
    let program = program(&mut ebpf);
    let loaded = program.load("cgroup", &btf);
    let count = loaded.map(|()| {
        let mut count = |order| {
            let over = IterOver::Cgroup {
                directory: directory.as_fd(),
                order,
            };
            let id = program.attach_over(over).unwrap();
            length(program.read(id).unwrap())
        };
        (
            count(CgroupIterOrder::SelfOnly),
            count(CgroupIterOrder::DescendantsPre),
        )
    });
    for child in ["a", "b"] {
        std::fs::remove_dir(cgroup.path().join(child)).unwrap();
    }
    match count {
        Ok(counts) => assert_eq!(counts, (1, 3)),
        Err(error) if hachi_test::kernel_is_older_than("6.1") => {
            assert!(
                error.to_string().contains("no iterator \"cgroup\""),
                "{error}"
            );
            hachi_test::skip!("iter/cgroup needs Linux ≥ 6.1");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn pinned_as_a_file() {
    require_bpf!();
    let bpffs = Bpffs::new().unwrap();
    let mut ebpf = load(spec(Vec::new(), vec![writer("iter/bpf_map")]));
    program(&mut ebpf).load_by_section().unwrap();
    let id = program(&mut ebpf).attach().unwrap();
    let path = bpffs.join("maps");
    program(&mut ebpf).pin_file(id, &path).unwrap();
    drop(ebpf);
    let keep = load(spec(
        vec![MapSpec::new("KEEP", MapType::Array, 4, 8, 1)],
        Vec::new(),
    ));
    assert!(length(File::open(&path).unwrap()) >= 1);
    drop(keep);
}

#[test]
fn wrong_names_get_a_hint() {
    require_bpf!();
    let mut ebpf = load(spec(Vec::new(), vec![writer("iter/tesk")]));
    let error = program(&mut ebpf)
        .load_by_section()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no iterator \"tesk\"") && error.contains("\"task\""),
        "{error}"
    );
}
