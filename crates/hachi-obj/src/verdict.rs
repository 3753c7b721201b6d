//! What programs return, by the kernel's names.

use crate::ProgramType;

impl ProgramType {
    /// The kernel's name of what a program of this type returns: an `enum xdp_action` of XDP
    /// programs, a `TC_ACT_…` of classifiers. `None` for other types and for numbers without a
    /// name.
    pub fn verdict(self, value: u32) -> Option<&'static str> {
        let names: &[&str] = match self {
            ProgramType::Xdp => &[
                "XDP_ABORTED",
                "XDP_DROP",
                "XDP_PASS",
                "XDP_TX",
                "XDP_REDIRECT",
            ],
            ProgramType::SchedCls | ProgramType::SchedAct => &[
                "TC_ACT_OK",
                "TC_ACT_RECLASSIFY",
                "TC_ACT_SHOT",
                "TC_ACT_PIPE",
                "TC_ACT_STOLEN",
                "TC_ACT_QUEUED",
                "TC_ACT_REPEAT",
                "TC_ACT_REDIRECT",
            ],
            _ => return None,
        };
        names.get(value as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::{TC_ACT_REDIRECT, TC_ACT_SHOT, xdp_action};

    #[test]
    fn names_are_those_of_the_numbers() {
        let xdp = |value| ProgramType::Xdp.verdict(value);
        assert_eq!(xdp(xdp_action::XDP_DROP), Some("XDP_DROP"));
        assert_eq!(xdp(xdp_action::XDP_REDIRECT), Some("XDP_REDIRECT"));
        assert_eq!(xdp(5), None);
        let tc = |value: i32| ProgramType::SchedCls.verdict(value.cast_unsigned());
        assert_eq!(tc(TC_ACT_SHOT), Some("TC_ACT_SHOT"));
        assert_eq!(tc(TC_ACT_REDIRECT), Some("TC_ACT_REDIRECT"));
        assert_eq!(tc(-1), None);
        assert_eq!(ProgramType::Kprobe.verdict(1), None);
    }
}
