//! The type of what a program is given.
//!
//! Programs take their context as an untyped pointer, or as a pointer to a type of bindings'
//! making. The kernel knows a context by the name of the structure it points to
//! (`btf_is_prog_ctx_type`); only then may a program replace or be called by others, as libxdp's
//! dispatcher does, and the verifier's log starts without a complaint.

use hachi_btf::{Composite, Ptr, Type};

use super::elf::{Place, SymbolKind};
use super::states::Needed;

/// First part of the section's name and the context's structure, from the kernel's
/// `linux/bpf_types.h` (its "user" type). Program types whose context is an array of numbers or the
/// function's own arguments are left out.
const CONTEXTS: [(&str, &str); 40] = [
    ("xdp", "xdp_md"),
    ("tc", "__sk_buff"),
    ("tcx", "__sk_buff"),
    ("netkit", "__sk_buff"),
    ("classifier", "__sk_buff"),
    ("action", "__sk_buff"),
    ("socket", "__sk_buff"),
    ("cgroup_skb", "__sk_buff"),
    ("sk_skb", "__sk_buff"),
    ("lwt_in", "__sk_buff"),
    ("lwt_out", "__sk_buff"),
    ("lwt_xmit", "__sk_buff"),
    ("lwt_seg6local", "__sk_buff"),
    ("flow_dissector", "__sk_buff"),
    ("sk_msg", "sk_msg_md"),
    ("sockops", "bpf_sock_ops"),
    ("sk_lookup", "bpf_sk_lookup"),
    ("sk_reuseport", "sk_reuseport_md"),
    ("perf_event", "bpf_perf_event_data"),
    ("netfilter", "bpf_nf_ctx"),
    ("cgroup/skb", "__sk_buff"),
    ("cgroup/sock_create", "bpf_sock"),
    ("cgroup/sock_release", "bpf_sock"),
    ("cgroup/sock", "bpf_sock"),
    ("cgroup/post_bind4", "bpf_sock"),
    ("cgroup/post_bind6", "bpf_sock"),
    ("cgroup/bind4", "bpf_sock_addr"),
    ("cgroup/bind6", "bpf_sock_addr"),
    ("cgroup/connect4", "bpf_sock_addr"),
    ("cgroup/connect6", "bpf_sock_addr"),
    ("cgroup/sendmsg4", "bpf_sock_addr"),
    ("cgroup/sendmsg6", "bpf_sock_addr"),
    ("cgroup/recvmsg4", "bpf_sock_addr"),
    ("cgroup/recvmsg6", "bpf_sock_addr"),
    ("cgroup/getpeername4", "bpf_sock_addr"),
    ("cgroup/getpeername6", "bpf_sock_addr"),
    ("cgroup/dev", "bpf_cgroup_dev_ctx"),
    ("cgroup/sysctl", "bpf_sysctl"),
    ("cgroup/getsockopt", "bpf_sockopt"),
    ("cgroup/setsockopt", "bpf_sockopt"),
];

/// The structure that programs of a section get a pointer to.
fn context_of(section: &str) -> Option<&'static str> {
    let section = section.strip_prefix('?').unwrap_or(section);
    let of = |prefix: &str| {
        let rest = section.strip_prefix(prefix)?;
        // `xdp`, `xdp/devmap`, `xdp.frags`.
        (rest.is_empty() || rest.starts_with(['/', '.'])).then_some(prefix.len())
    };
    let best = CONTEXTS
        .iter()
        .filter_map(|(prefix, context)| Some((of(prefix)?, *context)));
    best.max().map(|(_, context)| context)
}

impl Needed {
    /// Types the contexts of programs that take them untyped.
    pub(super) fn type_contexts(&mut self) {
        for bound in self.0.funcs.clone() {
            let symbol = &self.0.symbols[bound.symbol];
            let Place::In(section) = symbol.place else {
                continue;
            };
            let Some(context) = context_of(&self.0.sections[section].name) else {
                continue;
            };
            let Some(Type::Func(func)) = self.0.btf.get(bound.type_id) else {
                continue;
            };
            let Some(Type::FuncProto(proto)) = self.0.btf.get(func.type_id) else {
                continue;
            };
            let [param] = proto.params.as_slice() else {
                continue;
            };
            let untyped = match self.0.btf.get(param.type_id) {
                Some(Type::Ptr(ptr)) => match self.0.btf.get(ptr.type_id) {
                    None => true,
                    Some(Type::Enum(t)) => t.name == "c_void",
                    _ => false,
                },
                _ => false,
            };
            if symbol.kind != SymbolKind::Func || !untyped {
                continue;
            }
            let mut proto = proto.clone();
            let known = self
                .0
                .btf
                .iter()
                .find(|(_, ty)| matches!(ty, Type::Struct(t) if t.name == context));
            let type_id = match known {
                Some((id, _)) => id,
                None => self.0.btf.add(Type::Struct(Composite {
                    name: context.into(),
                    size: 0,
                    members: Vec::new(),
                })),
            };
            proto.params[0].type_id = self.0.btf.add(Type::Ptr(Ptr { type_id }));
            // The signature may be another function's too.
            let type_id = self.0.btf.add(Type::FuncProto(proto));
            if let Some(Type::Func(func)) = self.0.btf.get_mut(bound.type_id) {
                func.type_id = type_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_tell_contexts() {
        for (section, context) in [
            ("xdp", Some("xdp_md")),
            ("xdp.frags/devmap", Some("xdp_md")),
            ("?tc", Some("__sk_buff")),
            ("cgroup/sock_create", Some("bpf_sock")),
            ("cgroup/skb", Some("__sk_buff")),
            ("cgroup_skb/egress", Some("__sk_buff")),
            ("sk_skb/stream_parser", Some("__sk_buff")),
            ("tp_btf/sched_switch", None),
            ("xdpfoo", None),
            ("cgroup", None),
        ] {
            assert_eq!(context_of(section), context, "{section}");
        }
    }
}
