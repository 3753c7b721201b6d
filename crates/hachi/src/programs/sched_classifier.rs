//! Classifiers: programs that see each packet an interface receives or sends, as a socket buffer.

use std::{io, path::Path};

use super::{
    AttachOptions, AttachType, Attached, NlOptions, ProgramData, ProgramError, ProgramInfo,
    TcAttachType, multi_program, program_methods,
};
use crate::{
    features,
    links::{
        Attachments, LinkError, LinkId, LinkOrder, OwnedLink, interface_index, tc, tc_filters, tcx,
    },
};

/// A classifier (`BPF_PROG_TYPE_SCHED_CLS`): it returns what becomes of the packet, such as
/// `TC_ACT_OK` and `TC_ACT_SHOT`, or with TCX -1 to leave that to the next program. Linux ≥ 4.1.
///
/// Sections `tc/ingress`, `tc/egress`, `tcx/ingress`, `tcx/egress`; `tc` and `classifier` for both.
///
/// ```no_run
/// use hachi::programs::{SchedClassifier, TcAttachType};
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let program: &mut SchedClassifier = ebpf.program_mut("look")?.try_into()?;
/// program.load()?;
/// program.attach("eth0", TcAttachType::Ingress)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SchedClassifier {
    pub(crate) data: ProgramData,
}

/// How to attach a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcAttachOptions {
    /// As a filter of a qdisc, by netlink.
    Netlink(NlOptions),
    /// In the interface's list of programs (TCX), by a `bpf_link`. Linux ≥ 6.6.
    TcxOrder(LinkOrder),
}

program_methods!(SchedClassifier);
multi_program!(SchedClassifier);

impl SchedClassifier {
    /// Opens the classifier pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "classifier").map(|data| SchedClassifier { data })
    }

    /// Loads the program into the kernel, which verifies it.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses; [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to an interface of the calling thread's network namespace, after
    /// those that are attached already.
    ///
    /// Makes a `bpf_link` by TCX (Linux ≥ 6.6) or, on older kernels, a filter of the interface's
    /// `clsact` qdisc (made if need be, and left there) by netlink; either way the attachment lasts
    /// until this program is dropped, unless the link is [taken](Self::take_link). TCX programs run
    /// before filters. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// As [`attach_with_options`](Self::attach_with_options).
    pub fn attach(
        &mut self,
        interface: &str,
        attach_type: TcAttachType,
    ) -> Result<LinkId, ProgramError> {
        let options = if attach_type.is_clsact() && features::TCX.is_supported() {
            TcAttachOptions::TcxOrder(LinkOrder::default())
        } else {
            TcAttachOptions::Netlink(self.after_all(interface, attach_type)?)
        };
        self.attach_with_options(interface, attach_type, options)
    }

    /// Where the kernel would choose a place before those it has chosen already, and TCX one after.
    fn after_all(
        &self,
        interface: &str,
        attach_type: TcAttachType,
    ) -> Result<NlOptions, ProgramError> {
        let filters =
            tc_filters(interface, attach_type).map_err(|error| self.data.attach_error(error))?;
        let last = filters.last().map_or(0, |filter| filter.priority);
        let priority = if last == 0 { 0 } else { last.saturating_add(1) };
        Ok(NlOptions::new(priority, 0))
    }

    /// As [`attach`](Self::attach), in this way and at this place.
    ///
    /// # Errors
    /// [`LinkError`] in [`ProgramError::Attach`]: no such interface; the kernel has no TCX;
    /// priority and handle are taken (`EEXIST`); another revision than expected (`ESTALE`); what is
    /// to come before or after is not there (`ENOENT`).
    pub fn attach_with_options(
        &mut self,
        interface: &str,
        attach_type: TcAttachType,
        options: TcAttachOptions,
    ) -> Result<LinkId, ProgramError> {
        let program = self.data.fd()?;
        let link = match (options, attach_type.tcx()) {
            (TcAttachOptions::Netlink(options), _) => {
                tc::attach(program, self.data.name(), interface, attach_type, options)
            }
            (TcAttachOptions::TcxOrder(order), Some(kind)) => interface_index(interface)
                .and_then(|if_index| tcx::attach(tcx::TCX, program, if_index, kind as u32, order)),
            (TcAttachOptions::TcxOrder(_), None) => Err(LinkError::FiltersOnly {
                parent: attach_type.parent(),
            }),
        };
        self.data.own(link)
    }

    /// Makes an existing attachment run this program, without a gap in between, and takes it over;
    /// see [`Xdp::attach_to_link`](super::Xdp::attach_to_link).
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if the kernel refuses to change the
    /// program of the link (`BPF_LINK_UPDATE`: EINVAL for a program of another type, ENOLINK when
    /// what it was attached to is gone), or the attachment is of a kind that cannot change it. The
    /// link is dropped then, which detaches it.
    pub fn attach_to_link(&mut self, link: impl Into<OwnedLink>) -> Result<LinkId, ProgramError> {
        self.data.attach_to_link(link.into())
    }

    /// The programs in an interface's list (TCX), in the order in which they run, no matter who
    /// attached them; and the revision, for [`LinkOrder::expecting`]. Linux ≥ 6.6.
    ///
    /// [`Attachments::on_interface`] also tells their links.
    ///
    /// # Errors
    /// [`ProgramError::Link`] as [`Attachments::on_interface`]; [`ProgramError::SyscallError`] if a
    /// program found is gone, or this process may not open it (EPERM without CAP_SYS_ADMIN).
    pub fn query_tcx(
        interface: &str,
        attach_type: TcAttachType,
    ) -> Result<(u64, Vec<ProgramInfo>), ProgramError> {
        let Some(kind) = attach_type.tcx() else {
            return Ok((0, Vec::new()));
        };
        let found = Attachments::on_interface(interface, kind)?;
        let programs: Result<_, _> = found
            .programs
            .iter()
            .map(|program| ProgramInfo::from_id(program.program_id))
            .collect();
        Ok((found.revision, programs?))
    }

    pub(crate) fn attach_by_section(
        &mut self,
        options: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let direction = match self.data.attach_type() {
            Some(AttachType::TcxIngress) => TcAttachType::Ingress,
            Some(AttachType::TcxEgress) => TcAttachType::Egress,
            _ => options.tc_direction,
        };
        let interfaces = options.interfaces_for(&self.data)?;
        let mut attached = Vec::new();
        for interface in interfaces {
            attached.push(Attached {
                link: self.attach(interface, direction)?,
                target: format!("{direction} of interface {interface}"),
            });
        }
        Ok(attached)
    }
}

/// Gives an interface of the calling thread's network namespace the qdisc `clsact`, which filters
/// are attached to. Attaching does that by itself. Needs CAP_NET_ADMIN.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if it has it.
pub fn qdisc_add_clsact(interface: &str) -> Result<(), io::Error> {
    let if_index = interface_index(interface)
        .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    tc::add_clsact(if_index).map_err(|error| error.io_error)
}

/// Removes the filters called `name` from an interface, no matter who made them; a filter that
/// Hachi made has the program's name.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if there is none.
pub fn qdisc_detach_program(
    interface: &str,
    attach_type: TcAttachType,
    name: &str,
) -> Result<(), io::Error> {
    let filters = tc_filters(interface, attach_type).map_err(io::Error::other)?;
    let mut found = false;
    for filter in filters.iter().filter(|filter| filter.name == name) {
        filter.detach().map_err(io::Error::other)?;
        found = true;
    }
    if found {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("no filter {name:?} at {attach_type} of interface {interface:?}"),
    ))
}
