//! The attributes of programs whose place is one of a few, or nowhere: those for the network and
//! for cgroups, and others without a target.

use proc_macro::{Span, TokenStream};

use crate::args;
use crate::function::{self, Returns};
use crate::tokens::Error;

/// A kind of program.
pub struct Kind {
    attribute: &'static str,
    /// What a program looks like.
    signature: &'static str,
    /// The type of the result.
    result: &'static str,
    /// The section, if no place need be given.
    section: Option<&'static str>,
    /// The words for places, and the sections that they stand for.
    places: &'static [(&'static str, &'static str)],
}

pub const CLASSIFIER: Kind = Kind {
    attribute: "classifier",
    signature: "fn name(ctx: TcContext) -> i32",
    result: "i32",
    section: Some("classifier"),
    places: &[("ingress", "tcx/ingress"), ("egress", "tcx/egress")],
};

pub const ACTION: Kind = Kind {
    attribute: "action",
    signature: "fn name(ctx: TcContext) -> i32",
    result: "i32",
    section: Some("action"),
    places: &[],
};

pub const NETKIT: Kind = Kind {
    attribute: "netkit",
    signature: "fn name(ctx: TcContext) -> i32",
    result: "i32",
    section: None,
    places: &[("primary", "netkit/primary"), ("peer", "netkit/peer")],
};

pub const SOCKET_FILTER: Kind = Kind {
    attribute: "socket_filter",
    signature: "fn name(ctx: SkBuffContext) -> i64",
    result: "i64",
    section: Some("socket"),
    places: &[],
};

pub const CGROUP_SKB: Kind = Kind {
    attribute: "cgroup_skb",
    signature: "fn name(ctx: SkBuffContext) -> i32",
    result: "i32",
    section: Some("cgroup/skb"),
    places: &[
        ("ingress", "cgroup_skb/ingress"),
        ("egress", "cgroup_skb/egress"),
    ],
};

pub const CGROUP_SOCK: Kind = Kind {
    attribute: "cgroup_sock",
    signature: "fn name(ctx: SockContext) -> i32",
    result: "i32",
    section: Some("cgroup/sock"),
    places: &[
        ("sock_create", "cgroup/sock_create"),
        ("sock_release", "cgroup/sock_release"),
        ("post_bind4", "cgroup/post_bind4"),
        ("post_bind6", "cgroup/post_bind6"),
    ],
};

pub const CGROUP_SOCK_ADDR: Kind = Kind {
    attribute: "cgroup_sock_addr",
    signature: "fn name(ctx: SockAddrContext) -> i32",
    result: "i32",
    section: None,
    places: &[
        ("bind4", "cgroup/bind4"),
        ("bind6", "cgroup/bind6"),
        ("connect4", "cgroup/connect4"),
        ("connect6", "cgroup/connect6"),
        ("connect_unix", "cgroup/connect_unix"),
        ("sendmsg4", "cgroup/sendmsg4"),
        ("sendmsg6", "cgroup/sendmsg6"),
        ("sendmsg_unix", "cgroup/sendmsg_unix"),
        ("recvmsg4", "cgroup/recvmsg4"),
        ("recvmsg6", "cgroup/recvmsg6"),
        ("recvmsg_unix", "cgroup/recvmsg_unix"),
        ("getpeername4", "cgroup/getpeername4"),
        ("getpeername6", "cgroup/getpeername6"),
        ("getpeername_unix", "cgroup/getpeername_unix"),
        ("getsockname4", "cgroup/getsockname4"),
        ("getsockname6", "cgroup/getsockname6"),
        ("getsockname_unix", "cgroup/getsockname_unix"),
    ],
};

pub const CGROUP_SOCKOPT: Kind = Kind {
    attribute: "cgroup_sockopt",
    signature: "fn name(ctx: SockoptContext) -> i32",
    result: "i32",
    section: None,
    places: &[
        ("getsockopt", "cgroup/getsockopt"),
        ("setsockopt", "cgroup/setsockopt"),
    ],
};

pub const CGROUP_SYSCTL: Kind = Kind {
    attribute: "cgroup_sysctl",
    signature: "fn name(ctx: SysctlContext) -> i32",
    result: "i32",
    section: Some("cgroup/sysctl"),
    places: &[],
};

pub const CGROUP_DEVICE: Kind = Kind {
    attribute: "cgroup_device",
    signature: "fn name(ctx: DeviceContext) -> i32",
    result: "i32",
    section: Some("cgroup/dev"),
    places: &[],
};

pub const SOCK_OPS: Kind = Kind {
    attribute: "sock_ops",
    signature: "fn name(ctx: SockOpsContext) -> u32",
    result: "u32",
    section: Some("sockops"),
    places: &[],
};

pub const SK_MSG: Kind = Kind {
    attribute: "sk_msg",
    signature: "fn name(ctx: SkMsgContext) -> u32",
    result: "u32",
    section: Some("sk_msg"),
    places: &[],
};

pub const SK_SKB: Kind = Kind {
    attribute: "sk_skb",
    signature: "fn name(ctx: SkBuffContext) -> u32",
    result: "u32",
    section: Some("sk_skb"),
    places: &[
        ("stream_parser", "sk_skb/stream_parser"),
        ("stream_verdict", "sk_skb/stream_verdict"),
        ("verdict", "sk_skb/verdict"),
    ],
};

pub const STREAM_PARSER: Kind = Kind {
    attribute: "stream_parser",
    section: Some("sk_skb/stream_parser"),
    places: &[],
    ..SK_SKB
};

pub const STREAM_VERDICT: Kind = Kind {
    attribute: "stream_verdict",
    section: Some("sk_skb/stream_verdict"),
    places: &[],
    ..SK_SKB
};

pub const SK_LOOKUP: Kind = Kind {
    attribute: "sk_lookup",
    signature: "fn name(ctx: SkLookupContext) -> u32",
    result: "u32",
    section: Some("sk_lookup"),
    places: &[],
};

pub const SK_REUSEPORT: Kind = Kind {
    attribute: "sk_reuseport",
    signature: "fn name(ctx: SkReuseportContext) -> u32",
    result: "u32",
    section: Some("sk_reuseport"),
    places: &[("migrate", "sk_reuseport/migrate")],
};

pub const FLOW_DISSECTOR: Kind = Kind {
    attribute: "flow_dissector",
    signature: "fn name(ctx: FlowDissectorContext) -> u32",
    result: "u32",
    section: Some("flow_dissector"),
    places: &[],
};

pub const LWT_IN: Kind = Kind {
    attribute: "lwt_in",
    signature: "fn name(ctx: LwtContext) -> i32",
    result: "i32",
    section: Some("lwt_in"),
    places: &[],
};

pub const LWT_OUT: Kind = Kind {
    attribute: "lwt_out",
    signature: "fn name(ctx: LwtContext) -> i32",
    result: "i32",
    section: Some("lwt_out"),
    places: &[],
};

pub const LWT_XMIT: Kind = Kind {
    attribute: "lwt_xmit",
    signature: "fn name(ctx: LwtContext) -> i32",
    result: "i32",
    section: Some("lwt_xmit"),
    places: &[],
};

pub const LWT_SEG6LOCAL: Kind = Kind {
    attribute: "lwt_seg6local",
    signature: "fn name(ctx: LwtContext) -> i32",
    result: "i32",
    section: Some("lwt_seg6local"),
    places: &[],
};

pub const NETFILTER: Kind = Kind {
    attribute: "netfilter",
    signature: "fn name(ctx: NetfilterContext) -> i32",
    result: "i32",
    section: Some("netfilter"),
    places: &[],
};

pub const PERF_EVENT: Kind = Kind {
    attribute: "perf_event",
    signature: "fn name(ctx: PerfEventContext) -> u32",
    result: "u32",
    section: Some("perf_event"),
    places: &[],
};

pub const SYSCALL: Kind = Kind {
    attribute: "syscall",
    signature: "fn name(ctx: SyscallContext<T>) -> u32",
    result: "u32",
    section: Some("syscall"),
    places: &[],
};

pub const LIRC_MODE2: Kind = Kind {
    attribute: "lirc_mode2",
    signature: "fn name(ctx: LircMode2Context) -> i32",
    result: "i32",
    section: Some("lirc_mode2"),
    places: &[],
};

pub fn expand(
    kind: &Kind,
    attribute: TokenStream,
    mut item: TokenStream,
) -> Result<TokenStream, Error> {
    let (mut name, mut section) = (None, kind.section);
    for arg in args::parse(attribute)? {
        let key = arg.key.to_string();
        if key == "name" {
            let text = arg.into_text()?;
            args::check_name(&text)?;
            name = Some(text);
            continue;
        }
        match kind.places.iter().find(|(word, _)| *word == key) {
            Some((_, place)) => section = Some(place),
            None => return Err(Error::new(arg.key.span(), known(kind))),
        }
        arg.flag()?;
    }
    let section = section.ok_or_else(|| Error::new(Span::call_site(), known(kind)))?;
    let returns = Returns::Its(kind.result);
    let function = function::parse(item.clone(), kind.signature, returns)?;
    item.extend(function.entry(section, name.as_ref(), returns));
    Ok(item)
}

/// The arguments that an attribute takes, in words.
fn known(kind: &Kind) -> String {
    let attribute = kind.attribute;
    if kind.places.is_empty() {
        return format!("`#[{attribute}]` knows `name = \"…\"`");
    }
    let words: Vec<String> = kind
        .places
        .iter()
        .map(|(word, _)| format!("`{word}`"))
        .collect();
    let need = match kind.section {
        Some(_) => "knows",
        None => "needs",
    };
    format!(
        "`#[{attribute}]` {need} one of {}; it knows `name = \"…\"` as well",
        words.join(", ")
    )
}
