//! One test body for the virtual machine, the kernel and the host.

mod backend;
#[cfg(target_os = "linux")]
mod kernel;
mod native;
mod record;
pub mod run_in;
mod view;
mod vm;

use std::panic::resume_unwind;

use hachi_common::Pod;
use hachi_common::log::{RING_MAP, Sites};
use hachi_obj::Spec;
use hachi_vm::{Input, Output};

pub use backend::{Backend, Ran, Refused};
pub use native::{Native, NativeMap};
pub use view::Map;

/// Programs and maps of an object, in whatever runs them: what a test body gets.
///
/// ```
/// use hachi_test::{Bpf, Input};
/// # // An object with one program, as a build script would leave it.
/// # static OBJECT: fn() -> hachi_obj::Spec = || {
/// #     use hachi_asm::build::{exit, mov_imm};
/// #     use hachi_obj::{Code, Endian, ProgramSpec, ProgramType, Spec};
/// #     let mut spec = Spec::new(Endian::Little);
/// #     let code = Code::new("firewall", vec![mov_imm(0, 2), exit()]);
/// #     spec.programs.push(ProgramSpec::new("firewall", ProgramType::Xdp, code));
/// #     spec
/// # };
/// const XDP_PASS: u32 = 2;
///
/// #[hachi_test::test(OBJECT)]
/// fn passes_what_nobody_blocked(bpf: &mut Bpf) {
///     let run = bpf.run("firewall", &Input::new(&[0; 64]));
///     assert_eq!(run.verdict, XDP_PASS);
/// }
/// # passes_what_nobody_blocked(&mut Bpf::in_vm(OBJECT()));
/// ```
/// The attribute makes two tests of this, `passes_what_nobody_blocked::vm` and `…::kernel`. In the
/// virtual machine every access is checked, without privileges; the kernel is asked by
/// `BPF_PROG_TEST_RUN`, and the test is skipped, with the reason, where that cannot be.
///
/// All methods panic, at the caller's line, with what went wrong: a test has nothing else to do
/// with it.
pub struct Bpf {
    /// What is not yet loaded: its variables can still be set.
    spec: Option<Spec>,
    sites: Option<Sites>,
    place: Place,
    backend: Option<Box<dyn Backend>>,
}

/// Where programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In the virtual machine.
    Vm,
    /// In the running kernel.
    Kernel,
    /// As functions of the test itself.
    Native,
}

/// Why a test cannot run here: unwound with, so that the attribute's code can report it.
pub(crate) struct Skip(pub(crate) String);

/// An object, as a test names it.
pub trait Object {
    /// What it has in it.
    ///
    /// # Panics
    /// If it is no such file.
    fn spec(self) -> Spec;
}

impl Object for &[u8] {
    #[track_caller]
    fn spec(self) -> Spec {
        match Spec::parse(self) {
            Ok(spec) => spec,
            Err(error) => panic!("the object cannot be read: {error}"),
        }
    }
}

impl<const N: usize> Object for &[u8; N] {
    #[track_caller]
    fn spec(self) -> Spec {
        self.as_slice().spec()
    }
}

impl Object for Vec<u8> {
    #[track_caller]
    fn spec(self) -> Spec {
        self.as_slice().spec()
    }
}

impl Object for Spec {
    fn spec(self) -> Spec {
        self
    }
}

impl<F: FnOnce() -> O, O: Object> Object for F {
    fn spec(self) -> Spec {
        self().spec()
    }
}

#[expect(
    clippy::missing_panics_doc,
    reason = "all methods panic, which the type's documentation says once"
)]
impl Bpf {
    /// In the virtual machine.
    pub fn in_vm(object: impl Object) -> Bpf {
        Bpf::new(object.spec(), Place::Vm)
    }

    /// In the running kernel. Linux only.
    #[cfg(target_os = "linux")]
    pub fn in_kernel(object: impl Object) -> Bpf {
        Bpf::new(object.spec(), Place::Kernel)
    }

    /// As functions of the test itself.
    pub fn native(native: Native) -> Bpf {
        Bpf {
            spec: None,
            sites: None,
            place: Place::Native,
            backend: Some(Box::new(native)),
        }
    }

    fn new(spec: Spec, place: Place) -> Bpf {
        Bpf {
            sites: spec.log_sites.clone().map(Sites::new),
            spec: Some(spec),
            place,
            backend: None,
        }
    }

    /// Where the programs run.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Leaves the test as skipped here, with the reason.
    pub fn skip(&self, reason: &str) -> ! {
        resume_unwind(Box::new(Skip(reason.to_owned())))
    }

    /// Sets the initial value of a global variable; before the first map is used and the first
    /// program run.
    #[track_caller]
    pub fn set_global<T: Pod>(&mut self, name: &str, value: T) {
        let Some(spec) = &mut self.spec else {
            panic!("variable `{name}`: the object is loaded; set its variables first");
        };
        if let Err(error) = spec.set_global(name, hachi_common::bytes_of(&value)) {
            panic!("{error}");
        }
    }

    /// The value of a global variable.
    #[track_caller]
    pub fn global<T: Pod>(&mut self, name: &str) -> T {
        match self.backend().global(name) {
            Ok(bytes) => view::value(&bytes, &format!("variable `{name}`")),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// A map, with the types of its keys and values.
    #[track_caller]
    pub fn map<K: Pod, V: Pod>(&mut self, name: &str) -> Map<'_, K, V> {
        Map::new(self.backend(), name)
    }

    /// Runs a program.
    #[track_caller]
    pub fn run(&mut self, program: &str, input: &Input<'_>) -> Run {
        match self.backend().run(program, input) {
            Ok(Ran::Done(run)) => *run,
            Ok(Ran::NotHere(reason)) => self.skip(&reason),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Takes what programs sent through a ring buffer, a record each.
    #[track_caller]
    pub fn records(&mut self, map: &str) -> Vec<Vec<u8>> {
        match self.backend().records(map) {
            Ok(records) => records,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Takes what programs sent through a ring buffer, as values of a type.
    #[track_caller]
    pub fn events<T: Pod>(&mut self, map: &str) -> Vec<T> {
        let of = format!("a record of `{map}`");
        let records = self.records(map);
        records
            .iter()
            .map(|bytes| view::value(bytes, &of))
            .collect()
    }

    /// Takes what programs logged, a line each.
    #[track_caller]
    pub fn logs(&mut self) -> Vec<String> {
        if let Some(lines) = self.backend().logs() {
            return lines;
        }
        let records = self.records(RING_MAP);
        let Some(sites) = &self.sites else {
            panic!("the object logs nothing");
        };
        let text = |bytes: &Vec<u8>| match sites.decode(bytes) {
            Ok(message) => message.to_string(),
            Err(error) => panic!("{error}"),
        };
        records.iter().map(text).collect()
    }

    /// The virtual machine, to set its world and look at it; `None` elsewhere.
    #[track_caller]
    pub fn vm(&mut self) -> Option<&mut hachi_vm::Vm> {
        self.backend().vm()
    }

    #[track_caller]
    fn backend(&mut self) -> &mut dyn Backend {
        if self.backend.is_none() {
            let spec = self
                .spec
                .take()
                .unwrap_or_else(|| panic!("there is no object"));
            let made: Result<Box<dyn Backend>, Refused> = match self.place {
                #[cfg(target_os = "linux")]
                Place::Kernel => kernel::load(spec),
                _ => vm::load(spec),
            };
            match made {
                Ok(backend) => self.backend = Some(backend),
                // A test of what an older kernel lacks is not for it.
                Err(Refused(text)) if text.contains("needs Linux ≥ ") => self.skip(&text),
                Err(refused) => panic!("{refused}"),
            }
        }
        match &mut self.backend {
            Some(backend) => &mut **backend,
            None => unreachable!("it was made above"),
        }
    }
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// What the program returned.
    pub verdict: u32,
    /// The packet as the program left it, from its Ethernet header on; a header that the program
    /// did not see is left out.
    pub packet: Vec<u8>,
    /// All that the virtual machine knows of the run: fields of the context, where the packet was
    /// sent, instructions. `None` elsewhere.
    pub vm: Option<Output>,
}

impl Run {
    /// What is the same in all places.
    pub fn new(verdict: u32, packet: Vec<u8>) -> Run {
        Run {
            verdict,
            packet,
            vm: None,
        }
    }
}
