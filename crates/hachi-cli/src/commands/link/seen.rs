//! All attachments that the kernel tells of: its links, and what is attached without one.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use hachi::links::{
    Attachments, LinkError, LinkInfo, LinkTarget, TcFilterInfo, XdpAttachment, loaded_links,
    tc_filters, xdp_attachments,
};
use hachi::maps::MapData;
use hachi::programs::{AttachType, TcAttachType};
use hachi::{Held, Probe, ProbeAt};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::{kernel, pins, sys};

/// One attachment.
pub struct Attachment {
    /// None for attachments that are no link.
    pub id: Option<u32>,
    /// The type of the link, or of what takes its place: `xdp`, `tc`, `cgroup`, `uprobe`.
    pub kind: String,
    pub program_id: u32,
    pub program: String,
    pub target: Value,
    /// The target in words.
    pub shown: String,
    /// What ends it, if it is no link.
    pub without_link: Option<WithoutLink>,
    /// The attach type of a link that has one.
    pub attach_type: Option<AttachType>,
}

/// An attachment that is not a link, and can be ended by those who did not make it.
pub enum WithoutLink {
    Xdp(XdpAttachment),
    Tc(TcFilterInfo),
    /// In one of the lists of an interface.
    Interface(String, AttachType),
    /// At what a path names: a cgroup or a network namespace.
    Path(PathBuf, AttachType),
}

impl Attachment {
    fn without(kind: &str, program_id: u32, target: Value, shown: String) -> Attachment {
        Attachment {
            id: None,
            kind: kind.to_owned(),
            program_id,
            program: kernel::program_name(program_id),
            target,
            shown,
            without_link: None,
            attach_type: None,
        }
    }

    /// Ends it, if it is no link and can be ended.
    pub fn end(&self) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let Some(without_link) = &self.without_link else {
            return Ok(());
        };
        match without_link {
            WithoutLink::Xdp(xdp) => xdp.detach()?,
            WithoutLink::Tc(filter) => filter.detach()?,
            WithoutLink::Interface(name, attach_type) => {
                Attachments::detach_on_interface(name, *attach_type, self.program_id)?;
            }
            WithoutLink::Path(path, attach_type) => {
                let place = File::open(path)
                    .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
                Attachments::detach_at(place, *attach_type, self.program_id)?;
            }
        }
        Ok(())
    }

    /// What `hachi link detach` takes: the id of a link, or a name made of the place.
    pub fn name(&self) -> Option<String> {
        match (&self.id, &self.without_link) {
            (Some(id), _) => Some(id.to_string()),
            (None, Some(_)) => self.target["place"].as_str().map(str::to_owned),
            (None, None) => None,
        }
    }
}

/// One link, with what is known of its place.
pub fn of_link(link: &LinkInfo) -> Result<Attachment> {
    Ok(Places::look()?.of_link(link))
}

fn links() -> Result<Vec<LinkInfo>> {
    loaded_links()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing links", &error))
}

/// All of them: links, then what is attached to interfaces, cgroups, the network namespace and
/// probes without a link.
pub fn all() -> Result<Vec<Attachment>> {
    let links = links()?;
    let places = Places::look()?;
    let mut all: Vec<Attachment> = links.iter().map(|link| places.of_link(link)).collect();
    all.extend(places.on_interfaces()?);
    all.extend(in_cgroups(&places.cgroups, &links)?);
    all.extend(in_netns(&links)?);
    all.extend(probes(&links)?);
    Ok(all)
}

/// What was attached by a process that was killed: it has no link, so it goes on, though no process
/// has its program open and no pin stands for it. Of the programs whose names are `wanted`.
pub fn left_behind(wanted: impl Fn(&str) -> bool) -> Result<Vec<Attachment>> {
    let places = Places::look()?;
    let mut left = places.on_interfaces()?;
    left.retain(|attachment| wanted(&attachment.program));
    let links = links()?;
    left.extend(
        in_cgroups(&places.cgroups, &links)?
            .into_iter()
            .chain(in_netns(&links)?)
            .filter(|attachment| wanted(&attachment.program)),
    );
    if !left.is_empty() {
        let held: Vec<u32> = kernel::all_holders()?
            .into_iter()
            .filter_map(|holder| match holder.held {
                Held::Program(id) => Some(id),
                _ => None,
            })
            .chain(pins::pinned_programs()?)
            .collect();
        left.retain(|attachment| !held.contains(&attachment.program_id));
    }
    Ok(left)
}

/// Where a program stands among those at one hook of an interface.
struct Hook {
    interface: String,
    direction: &'static str,
    /// From 1, and of how many.
    position: (usize, usize),
}

/// What is known of the places that links and programs name by number.
struct Places {
    interfaces: Vec<(u32, String)>,
    xdp: Vec<XdpAttachment>,
    /// By the id of the link.
    hooks: HashMap<u32, Hook>,
    /// Programs at hooks of interfaces without a link.
    bare: Vec<(u32, &'static str, AttachType, Hook)>,
    /// Directories by inode.
    cgroups: BTreeMap<u64, PathBuf>,
}

/// The hooks of interfaces at which several programs run in an order.
const HOOKS: [(AttachType, &str, &str); 4] = [
    (AttachType::TcxIngress, "tcx", "ingress"),
    (AttachType::TcxEgress, "tcx", "egress"),
    (AttachType::NetkitPrimary, "netkit", "primary"),
    (AttachType::NetkitPeer, "netkit", "peer"),
];

impl Places {
    fn look() -> Result<Places> {
        let interfaces = hachi::util::interfaces()
            .map_err(|error| Failure::because("listing interfaces", &error))?;
        let xdp =
            xdp_attachments().map_err(|error| Failure::because("listing XDP programs", &error))?;
        let (mut hooks, mut bare) = (HashMap::new(), Vec::new());
        for (_, interface) in &interfaces {
            for (attach_type, kind, direction) in HOOKS {
                let found = Attachments::on_interface(interface, attach_type);
                let Some(found) = unless_unknown(found, &interface)? else {
                    continue;
                };
                let count = found.programs.len();
                for (at, program) in found.programs.into_iter().enumerate() {
                    let hook = Hook {
                        interface: interface.clone(),
                        direction,
                        position: (at + 1, count),
                    };
                    match program.link_id {
                        Some(id) => {
                            hooks.insert(id, hook);
                        }
                        None => bare.push((program.program_id, kind, attach_type, hook)),
                    }
                }
            }
        }
        Ok(Places {
            interfaces,
            xdp,
            hooks,
            bare,
            cgroups: cgroups()?,
        })
    }

    fn of_link(&self, link: &LinkInfo) -> Attachment {
        let (target, shown) = match (link.target(), link.probe()) {
            (LinkTarget::Interface { index: 0 }, _) => (
                json!({ "kind": "interface", "index": 0 }),
                "nothing: detached, or its interface is gone".to_string(),
            ),
            (LinkTarget::Interface { index }, _) => self.interface(link, index),
            (LinkTarget::Cgroup { id }, _) => {
                let path = self.cgroups.get(&id);
                let shown = match path {
                    Some(path) => format!("cgroup {}", path.display()),
                    None => format!("cgroup {id}"),
                };
                let path = path.map(|path| path.to_string_lossy());
                (json!({ "kind": "cgroup", "id": id, "path": path }), shown)
            }
            (LinkTarget::Netns { inode }, _) => (
                json!({ "kind": "netns", "inode": inode }),
                format!("network namespace {inode}"),
            ),
            (_, Some(probe)) => probe_target(probe),
            (LinkTarget::Function { object, type_id }, _) => function(object, type_id),
            (LinkTarget::Map { id }, _) => {
                let name = MapData::from_id(id).map(|map| map.name().to_owned()).ok();
                let shown = format!("map {} (id {id})", name.as_deref().unwrap_or("?"));
                (json!({ "kind": "map", "id": id, "name": name }), shown)
            }
            (
                LinkTarget::Netfilter {
                    family,
                    hook,
                    priority,
                },
                _,
            ) => netfilter(family, hook, priority),
            _ => (Value::Null, "-".to_string()),
        };
        Attachment {
            id: Some(link.id()),
            kind: link.type_name(),
            program_id: link.program_id(),
            program: kernel::program_name(link.program_id()),
            target,
            shown,
            without_link: None,
            attach_type: link.attach_type(),
        }
    }

    /// An index means something in its own network namespace only, and a link does not say which
    /// that is. The programs that are on interfaces of ours tell.
    fn interface(&self, link: &LinkInfo, index: u32) -> (Value, String) {
        if let Some(hook) = self.hooks.get(&link.id()) {
            return hook.target(index);
        }
        let here = self
            .xdp
            .iter()
            .find(|xdp| xdp.if_index == index && xdp.program_id == link.program_id());
        let name = here.map(|xdp| xdp.if_name.clone());
        let mode = here.map(|xdp| xdp.mode.to_string());
        let shown = match (&name, &mode) {
            (Some(name), Some(mode)) => format!("{name}, {mode} mode"),
            _ => format!("interface {index}, of another network namespace"),
        };
        let target = json!({ "kind": "interface", "index": index, "name": name, "mode": mode });
        (target, shown)
    }

    /// What is on the interfaces of this network namespace without a link.
    fn on_interfaces(&self) -> Result<Vec<Attachment>> {
        let mut all = Vec::new();
        for xdp in &self.xdp {
            let link = xdp.link_id();
            if link
                .map_err(|error| Failure::because("listing links", &error))?
                .is_some()
            {
                continue;
            }
            let (name, mode) = (&xdp.if_name, xdp.mode.to_string());
            let target = json!({
                "kind": "interface",
                "index": xdp.if_index,
                "name": name,
                "mode": mode,
                "place": format!("xdp:{name}:{mode}"),
            });
            let shown = format!("{name}, {mode} mode, by netlink");
            all.push(Attachment {
                without_link: Some(WithoutLink::Xdp(xdp.clone())),
                ..Attachment::without("xdp", xdp.program_id, target, shown)
            });
        }
        for (program_id, kind, attach_type, hook) in &self.bare {
            let name = &hook.interface;
            let index = self.interfaces.iter().find(|(_, other)| other == name);
            let (mut target, shown) = hook.target(index.map_or(0, |(index, _)| *index));
            let direction = hook.direction;
            target["place"] = format!("{kind}:{name}:{direction}:{program_id}").into();
            let shown = format!("{shown}, without a link");
            all.push(Attachment {
                without_link: Some(WithoutLink::Interface(name.clone(), *attach_type)),
                ..Attachment::without(kind, *program_id, target, shown)
            });
        }
        for (index, name) in &self.interfaces {
            for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
                let filters = match tc_filters(name, direction) {
                    // It went away meanwhile.
                    Err(LinkError::NoSuchInterface { .. }) => continue,
                    filters => filters.map_err(|error| {
                        Failure::because(format_args!("listing the filters of {name}"), &error)
                    })?,
                };
                for filter in filters {
                    let (priority, handle) = (filter.priority, filter.handle);
                    let target = json!({
                        "kind": "interface",
                        "index": index,
                        "name": name,
                        "direction": direction.to_string(),
                        "filter": filter.name,
                        "priority": priority,
                        "handle": handle,
                        "place": format!("tc:{name}:{direction}:{priority}:{handle:x}"),
                    });
                    let shown = format!(
                        "{name} {direction}, filter of priority {priority}, handle {handle:#x}"
                    );
                    all.push(Attachment {
                        without_link: Some(WithoutLink::Tc(filter.clone())),
                        ..Attachment::without("tc", filter.program_id, target, shown)
                    });
                }
            }
        }
        Ok(all)
    }
}

impl Hook {
    fn target(&self, index: u32) -> (Value, String) {
        let Hook {
            interface,
            direction,
            position: (position, count),
        } = self;
        let target = json!({
            "kind": "interface",
            "index": index,
            "name": interface,
            "direction": direction,
            "position": position,
        });
        let shown = match count {
            1 => format!("{interface} {direction}"),
            _ => format!("{interface} {direction}, {position} of {count}"),
        };
        (target, shown)
    }
}

/// A function that a program is at, by its type.
fn function(object: u32, type_id: u32) -> (Value, String) {
    let types = hachi::Btf::from_id(object).ok();
    let name = types.as_ref().and_then(|types| {
        let ty = types.types().get(type_id).ok()?;
        ty.name().map(|name| name.to_string())
    });
    let target = json!({
        "kind": "function",
        "object": object,
        "type_id": type_id,
        "name": name,
    });
    let shown = match name {
        Some(name) => format!("function {name}"),
        None => format!("function of type {type_id}"),
    };
    (target, shown)
}

/// The names of `NF_INET_…`.
const NETFILTER_HOOKS: [&str; 5] = [
    "pre_routing",
    "local_in",
    "forward",
    "local_out",
    "post_routing",
];

fn netfilter(family: u32, hook: u32, priority: i32) -> (Value, String) {
    let family_name = match family {
        2 => "ipv4".to_owned(),
        10 => "ipv6".to_owned(),
        other => format!("family {other}"),
    };
    let name = NETFILTER_HOOKS.get(hook as usize);
    let hook_name = name.map_or_else(|| format!("hook {hook}"), |name| (*name).to_owned());
    let target = json!({
        "kind": "netfilter",
        "family": family_name,
        "hook": hook_name,
        "priority": priority,
    });
    (
        target,
        format!("netfilter {family_name} {hook_name}, priority {priority}"),
    )
}

fn probe_target(probe: &Probe) -> (Value, String) {
    let kind = match probe.kind {
        ProbeAt::RawTracepoint => "raw tracepoint",
        ProbeAt::Tracepoint => "tracepoint",
        ProbeAt::Kprobe => "kprobe",
        ProbeAt::Kretprobe => "kretprobe",
        ProbeAt::Uprobe => "uprobe",
        ProbeAt::Uretprobe => "uretprobe",
        _ => "probe",
    };
    let place = match (probe.name.as_str(), probe.offset) {
        ("", _) => format!("address {:#x}", probe.address),
        (name, 0) => name.to_owned(),
        (name, offset) => format!("{name}+{offset:#x}"),
    };
    let target = json!({
        "kind": kind.replace(' ', "_"),
        "name": probe.name,
        "offset": probe.offset,
    });
    (target, format!("{kind} {place}"))
}

/// How many directories of cgroups are looked at.
const MOST_CGROUPS: usize = 1 << 14;

/// The directories of cgroups by inode, which is what links name them by.
///
/// Those that go away meanwhile, or are not for this user to see, are left out.
pub fn cgroups() -> Result<BTreeMap<u64, PathBuf>> {
    let mut found = BTreeMap::new();
    let root = Path::new("/sys/fs/cgroup");
    // Where both hierarchies are mounted, the second version has a place of its own.
    let unified = root.join("unified");
    let mut left = vec![match unified.is_dir() {
        true => unified,
        false => root.to_owned(),
    }];
    while let Some(dir) = left.pop() {
        let looked =
            fs::symlink_metadata(&dir).and_then(|about| Ok((about, subdirectories(&dir)?)));
        let (about, inner) = match looked {
            Err(error) if !sys::is_shortage(error.raw_os_error().unwrap_or(0)) => continue,
            looked => looked.map_err(|error| {
                Failure::because(format_args!("reading {}", dir.display()), &error)
            })?,
        };
        left.extend(inner);
        found.insert(about.ino(), dir);
        if found.len() >= MOST_CGROUPS {
            break;
        }
    }
    Ok(found)
}

fn subdirectories(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The kinds of attachment to a cgroup.
pub fn cgroup_types() -> impl Iterator<Item = AttachType> {
    (0..128)
        .filter_map(AttachType::from_number)
        .filter(|attach_type| attach_type.name().starts_with("cgroup_"))
}

/// Programs attached to cgroups without a link.
fn in_cgroups(cgroups: &BTreeMap<u64, PathBuf>, links: &[LinkInfo]) -> Result<Vec<Attachment>> {
    let mut all = Vec::new();
    for (&id, path) in cgroups {
        let dir = match File::open(path) {
            // It went away meanwhile, or is not for this user to see.
            Err(error) if !sys::is_shortage(error.raw_os_error().unwrap_or(0)) => continue,
            dir => dir.map_err(|error| {
                Failure::because(format_args!("opening {}", path.display()), &error)
            })?,
        };
        for attach_type in cgroup_types() {
            let Some(found) = attachments(&dir, path, attach_type)? else {
                continue;
            };
            for program in found.programs {
                let by_link = links.iter().any(|link| {
                    link.program_id() == program.program_id
                        && link.target() == (LinkTarget::Cgroup { id })
                });
                if by_link {
                    continue;
                }
                let (kind, program_id) = (attach_type.name(), program.program_id);
                let target = json!({
                    "kind": "cgroup",
                    "id": id,
                    "path": path.to_string_lossy(),
                    "attach_type": kind,
                    "place": format!("cgroup:{id}:{kind}:{program_id}"),
                });
                let shown = format!("cgroup {}, {kind}, without a link", path.display());
                all.push(Attachment {
                    without_link: Some(WithoutLink::Path(path.clone(), attach_type)),
                    ..Attachment::without("cgroup", program_id, target, shown)
                });
            }
        }
    }
    Ok(all)
}

/// The programs at `hook`; `None` where the kernel does not know such attachments: it has none.
fn attachments(hook: &File, path: &Path, attach_type: AttachType) -> Result<Option<Attachments>> {
    unless_unknown(Attachments::at(hook, attach_type), &path.display())
}

/// What is attached to `hook`; `None` if the kernel does not know such attachments.
fn unless_unknown(
    found: std::result::Result<Attachments, LinkError>,
    hook: &dyn std::fmt::Display,
) -> Result<Option<Attachments>> {
    match found {
        Ok(found) => Ok(Some(found)),
        // An interface that is gone by now has nothing, nor has an older kernel.
        Err(LinkError::NoSuchInterface { .. } | LinkError::Unsupported(_)) => Ok(None),
        Err(LinkError::Query { error, .. }) if !sys::is_shortage(error.errno()) => Ok(None),
        Err(error) => {
            let doing = format_args!("asking what is attached to {hook}");
            Err(Failure::because(doing, &error))
        }
    }
}

/// Programs attached to this network namespace without a link.
fn in_netns(links: &[LinkInfo]) -> Result<Vec<Attachment>> {
    let path = Path::new("/proc/self/ns/net");
    let netns = File::open(path)
        .map_err(|error| Failure::because(format_args!("opening {}", path.display()), &error))?;
    let inode = netns.metadata().map_or(0, |about| about.ino());
    let mut all = Vec::new();
    for attach_type in [AttachType::FlowDissector, AttachType::SkLookup] {
        let Some(found) = attachments(&netns, path, attach_type)? else {
            continue;
        };
        for program in found.programs {
            let by_link = links.iter().any(|link| {
                let target = link.target();
                link.program_id() == program.program_id
                    && matches!(target, LinkTarget::Netns { inode: of } if u64::from(of) == inode)
            });
            if !by_link {
                let (kind, program_id) = (attach_type.name(), program.program_id);
                let target = json!({
                    "kind": "netns",
                    "inode": inode,
                    "attach_type": kind,
                    "place": format!("netns:{inode}:{kind}:{program_id}"),
                });
                let shown = format!("network namespace {inode}, {kind}, without a link");
                all.push(Attachment {
                    without_link: Some(WithoutLink::Path(path.to_owned(), attach_type)),
                    ..Attachment::without("netns", program_id, target, shown)
                });
            }
        }
    }
    Ok(all)
}

/// Programs on perf events without a link, which end with the process that has them open.
fn probes(links: &[LinkInfo]) -> Result<Vec<Attachment>> {
    let mut all = Vec::new();
    for holder in kernel::all_holders()? {
        if let Held::Probe(probe) = holder.held {
            // The event of a link is open beside it.
            if links
                .iter()
                .any(|link| link.program_id() == probe.program_id)
            {
                continue;
            }
            let (target, shown) = probe_target(&probe);
            let shown = format!("{shown}, held by {}({})", holder.command, holder.pid);
            all.push(Attachment::without(
                "perf_event",
                probe.program_id,
                target,
                shown,
            ));
        }
    }
    Ok(all)
}
