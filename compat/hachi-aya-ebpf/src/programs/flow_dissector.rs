use crate::bindings::__sk_buff;

super::context! {
    /// A packet that is dissected.
    FlowDissectorContext { skb: __sk_buff }
}
