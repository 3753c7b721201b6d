//! By Hachi.

use std::{
    fs::{self, File},
    io::Read as _,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    path::Path,
};

use hachi::{
    Ebpf, EbpfLoader, StructOps,
    links::{LinkId, LinkOrder, OwnedLink},
    maps::{Array, SockMap},
    programs::{
        AttachOptions, CgroupAttachMode, Extension, FlowDissector, Iter, Netfilter,
        NetfilterFamily, NetfilterHook, NetfilterPoint, Netkit, NetkitAttachType, NlOptions,
        PerfEvent, PerfEventConfig, PerfEventScope, Program, ProgramError, SamplePolicy,
        SchedClassifier, SkLookup, SkMsg, SkReuseport, SkSkb, SocketFilter, SoftwareEvent,
        TcAttachOptions, TcAttachType, TestRunOptions, Xdp, XdpFlags,
    },
};
use hachi_obj::{ProgramType, Spec};

use crate::{
    Loaded, Loader, PACKET, Part, Result, Surroundings,
    rows::{Input, Place},
    surroundings::NETKIT,
};

/// Hachi.
pub struct Hachi;

/// A loaded object.
pub struct Object {
    ebpf: Ebpf,
    program: String,
    attached: Option<LinkId>,
    registered: Option<(StructOps, OwnedLink)>,
    /// The object with the function that is replaced.
    target: Option<Box<Object>>,
}

fn words(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl Loader for Hachi {
    type Object = Object;

    fn load(&self, file: &Path, part: Part<'_>) -> Result<Object> {
        let bytes = fs::read(file).map_err(words)?;
        let mut spec = Spec::parse(&bytes).map_err(words)?;
        let name = match part {
            Part::Program(name) | Part::Replacement(name, _) => name.to_owned(),
            Part::Map(_) | Part::Struct => String::new(),
        };
        match part {
            Part::Map(wanted) => {
                spec.programs.clear();
                spec.maps
                    .retain(|map| map.name == wanted || map.name == "inner");
            }
            // In a file of its own, it may call the others.
            Part::Program("program") | Part::Struct => {}
            Part::Program(_) | Part::Replacement(..) => {
                spec.programs.retain(|program| program.name == name);
            }
        }
        let mut object = Object {
            ebpf: EbpfLoader::new().load_spec(spec).map_err(words)?,
            program: name,
            attached: None,
            registered: None,
            target: None,
        };
        match part {
            Part::Map(_) | Part::Struct => {}
            Part::Program(_) => {
                for (_, program) in object.ebpf.programs_mut() {
                    program.load().map_err(words)?;
                }
            }
            Part::Replacement(_, target) => {
                let mut target = self.load(target, Part::Program("whole"))?;
                let fd = target.program()?.fd().map_err(words)?.clone();
                let program = object.typed::<Extension>()?;
                program.load(fd, "replaceable").map_err(words)?;
                object.target = Some(Box::new(target));
            }
        }
        Ok(object)
    }
}

impl Object {
    fn program(&mut self) -> Result<&mut Program> {
        self.ebpf.program_mut(&self.program).map_err(words)
    }

    fn typed<'a, T>(&'a mut self) -> Result<&'a mut T>
    where
        &'a mut T: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        self.program()?.try_into().map_err(words)
    }

    /// Attaches by the section and what it leaves open.
    fn by_section(&mut self, options: &AttachOptions) -> Result {
        let attached = self.program()?.attach_by_section(options).map_err(words)?;
        self.attached = attached.into_iter().next().map(|attached| attached.link);
        match self.attached {
            Some(_) => Ok(()),
            None => Err("nothing was attached".to_owned()),
        }
    }

    fn attach_to_sockets(&mut self) -> Result<LinkId> {
        let map = self.ebpf.map("sockets").map_err(words)?.data();
        let map = map.as_fd().try_clone_to_owned().map_err(words)?;
        let link = match self.program()?.prog_type() {
            ProgramType::SkMsg => self.typed::<SkMsg>()?.attach(&map),
            _ => self.typed::<SkSkb>()?.attach(&map),
        };
        link.map_err(words)
    }
}

impl Loaded for Object {
    fn kernel_program(&mut self) -> Result<RawFd> {
        let fd = self.program()?.fd().map_err(words)?;
        Ok(fd.as_fd().as_raw_fd())
    }

    fn attach(&mut self, place: Place, around: &Surroundings) -> Result {
        let interface = around.wire.right.interface();
        let netns = || File::open("/proc/thread-self/ns/net").map_err(words);
        let link = match place {
            Place::Section => return self.by_section(&AttachOptions::new()),
            Place::Cgroup => {
                let options = AttachOptions::new()
                    .cgroup(around.cgroup.path())
                    .cgroup_mode(CgroupAttachMode::AllowMultiple);
                return self.by_section(&options);
            }
            Place::XdpLink => self.typed::<Xdp>()?.attach(interface, XdpFlags::default()),
            Place::XdpGeneric => self.typed::<Xdp>()?.attach(interface, XdpFlags::SKB_MODE),
            Place::XdpNative => self.typed::<Xdp>()?.attach(interface, XdpFlags::DRV_MODE),
            Place::TcIngress | Place::TcEgress | Place::TcxIngress | Place::TcxEgress => {
                let direction = match place {
                    Place::TcIngress | Place::TcxIngress => TcAttachType::Ingress,
                    _ => TcAttachType::Egress,
                };
                // By its section, a program would be attached as a filter where there is no list.
                let options = match place {
                    Place::TcIngress | Place::TcEgress => {
                        TcAttachOptions::Netlink(NlOptions::default())
                    }
                    _ => TcAttachOptions::TcxOrder(LinkOrder::default()),
                };
                let program = self.typed::<SchedClassifier>()?;
                program.attach_with_options(interface, direction, options)
            }
            Place::NetkitPrimary | Place::NetkitPeer => {
                let end = match place {
                    Place::NetkitPrimary => NetkitAttachType::Primary,
                    _ => NetkitAttachType::Peer,
                };
                let program = self.typed::<Netkit>()?;
                program.attach(NETKIT, end, LinkOrder::default())
            }
            Place::Netns => match self.program()?.prog_type() {
                ProgramType::SkLookup => self.typed::<SkLookup>()?.attach(netns()?),
                _ => self.typed::<FlowDissector>()?.attach(netns()?),
            },
            Place::Socket => self.typed::<SocketFilter>()?.attach(&around.socket),
            Place::SocketGroup => self.typed::<SkReuseport>()?.attach(&around.socket),
            Place::SocketMap => {
                self.attached = Some(self.attach_to_sockets()?);
                return Ok(());
            }
            Place::Netfilter => {
                let point = NetfilterPoint::LocalIn;
                let hook = NetfilterHook::new(NetfilterFamily::Ipv4, point, -128);
                self.typed::<Netfilter>()?.attach(hook)
            }
            Place::Clock => self.typed::<PerfEvent>()?.attach(
                PerfEventConfig::Software(SoftwareEvent::CpuClock),
                PerfEventScope::CallingProcess { cpu: None },
                SamplePolicy::Period(1_000_000),
                false,
            ),
            Place::Function => self.typed::<Extension>()?.attach(),
        };
        self.attached = Some(link.map_err(words)?);
        Ok(())
    }

    fn detach(&mut self) -> Result {
        self.registered = None;
        match self.attached.take() {
            Some(link) => self.program()?.detach(link).map_err(words),
            None => Ok(()),
        }
    }

    fn run(&mut self, input: Input) -> Result {
        let options = match input {
            Input::Packet => TestRunOptions::new().data(&PACKET),
            Input::Nothing => TestRunOptions::new(),
        };
        let run = self.program()?.test_run(&options);
        run.map(drop).map_err(words)
    }

    fn run_target(&mut self) -> Result {
        match &mut self.target {
            Some(target) => target.run(Input::Packet),
            None => Err("there is no other program".to_owned()),
        }
    }

    fn read(&mut self) -> Result {
        let Some(link) = self.attached else {
            return Err("there is no link".to_owned());
        };
        let mut file = self.typed::<Iter>()?.read(link).map_err(words)?;
        file.read_to_end(&mut Vec::new()).map(drop).map_err(words)
    }

    fn insert(&mut self, around: &Surroundings) -> Result {
        let map = self.ebpf.map_mut("sockets").map_err(words)?;
        let mut map = SockMap::try_from(map).map_err(words)?;
        for (number, end) in [&around.stream.0, &around.stream.1].into_iter().enumerate() {
            map.set(number as u32, end, 0).map_err(words)?;
        }
        Ok(())
    }

    fn register(&mut self) -> Result {
        let ready = self.ebpf.struct_ops("control").map_err(words)?;
        let link = ready.attach().map_err(words)?;
        self.registered = Some((ready, link));
        Ok(())
    }

    fn hits(&self) -> Result<u64> {
        let map = self.ebpf.map("hits").map_err(words)?;
        let hits: Array<_, u64> = map.try_into().map_err(words)?;
        hits.get(&0, 0).map_err(words)
    }
}
