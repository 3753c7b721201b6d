//! What the verifier knows: register and stack-slot values as the log prints them.

use std::fmt;

/// A register or stack slot named in a state line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Register {
    /// `R0` … `R10`.
    Reg(u8),
    /// `fp-8`: a stack slot, by its (negative) offset from the frame pointer.
    Slot(i32),
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Reg(number) => write!(f, "r{number}"),
            Register::Slot(offset) => write!(f, "fp{offset}"),
        }
    }
}

/// The verifier's knowledge of one value: `pkt(off=14,r=34)`, `scalar(umax=255)`, `42`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The kind as printed, without attributes: `pkt`, `map_value_or_null`, `scalar`,
    /// `ptr_task_struct`. A known number has kind `scalar` (also in logs of kernels before 5.18,
    /// which say `inv`).
    pub kind: String,
    /// The number, when it is known.
    pub constant: Option<i64>,
    /// Attributes in print order: `("umax", "255")`.
    pub attributes: Vec<(String, String)>,
}

/// The state of one call frame at one instruction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Call depth: 0 is the program's entry.
    pub depth: u32,
    /// What is known, in print order.
    pub values: Vec<(Register, Value)>,
}

impl Frame {
    /// What is known about `register`, if the line says.
    pub fn get(&self, register: Register) -> Option<&Value> {
        self.values
            .iter()
            .find(|(name, _)| *name == register)
            .map(|(_, value)| value)
    }

    /// Parses `[frame1:] R1=ctx() R2_w=scalar(umax=255) fp-8=mmmmmmmm refs=2`. `None` when no value
    /// is in it.
    pub(crate) fn parse(text: &str) -> Option<Frame> {
        let mut frame = Frame::default();
        let mut rest = text.trim();
        if let Some(after) = rest.strip_prefix("frame") {
            let (depth, after) = after.split_once(':')?;
            frame.depth = depth.trim().parse().ok()?;
            rest = after;
        }
        for token in split_outside_parens(rest) {
            let Some((name, value)) = token.split_once('=') else {
                continue;
            };
            if let Some(register) = parse_name(name) {
                frame.values.push((register, Value::parse(value)));
            }
        }
        (!frame.values.is_empty()).then_some(frame)
    }
}

/// `R1`, `R2_w`, `R3_rwD`, `fp-8`, `fp-16_w`.
fn parse_name(name: &str) -> Option<Register> {
    let name = name.split_once('_').map_or(name, |(head, _)| head);
    if let Some(number) = name.strip_prefix('R') {
        let number = number.parse().ok()?;
        return (number <= 11).then_some(Register::Reg(number));
    }
    let offset = name.strip_prefix("fp")?.parse().ok()?;
    Some(Register::Slot(offset))
}

/// Splits at blanks that are not inside parentheses (`var_off=(0x0; 0xff)` has one).
fn split_outside_parens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let (mut depth, mut start) = (0usize, None);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if byte.is_ascii_whitespace() && depth == 0 {
            if let Some(begin) = start.take() {
                tokens.push(&text[begin..at]);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(begin) = start {
        tokens.push(&text[begin..]);
    }
    tokens
}

impl Value {
    /// Parses one value. Anything unknown keeps its text as the kind, so nothing is lost.
    pub(crate) fn parse(text: &str) -> Value {
        // A leading P says the value is tracked precisely; it tells the reader nothing.
        let text = match text.strip_prefix('P') {
            Some(rest) if !rest.is_empty() => rest,
            _ => text,
        };
        let (mut kind, attributes) = match text.split_once('(') {
            Some((kind, inner)) => (
                kind,
                parse_attributes(inner.strip_suffix(')').unwrap_or(inner)),
            ),
            None => (text, Vec::new()),
        };
        // Before 5.18: inv, invP, inv5, invP5.
        let mut constant = None;
        if let Some(rest) = kind.strip_prefix("inv") {
            constant = rest.trim_start_matches('P').parse().ok();
            kind = "scalar";
        } else if let Some(number) = parse_number(kind) {
            constant = Some(number);
            kind = "scalar";
        }
        Value {
            kind: kind.to_string(),
            constant,
            attributes,
        }
    }

    /// An attribute's text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets an attribute.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        self.attributes.retain(|(key, _)| key != name);
        self.attributes.push((name.to_string(), text.to_string()));
    }

    /// An attribute as a number (decimal or hexadecimal).
    pub fn number(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(parse_number)
    }

    /// Whether it points into the same block of memory as the other one.
    pub(crate) fn same_block(&self, other: &Value) -> bool {
        let kind = |value: &Value| match value.kind.starts_with("fp") {
            true => "fp".to_owned(),
            false => value.kind.clone(),
        };
        kind(self) == kind(other) && self.map() == other.map()
    }

    /// The constant part of its offset from the start of its block; of the stack, from its end.
    pub(crate) fn fixed_offset(&self) -> i64 {
        match self.kind.strip_prefix("fp").map(str::parse) {
            Some(Ok(offset)) => offset,
            _ => self.number("off").unwrap_or(0),
        }
    }

    /// Whether a part of its offset is known only within limits.
    pub(crate) fn is_variable(&self) -> bool {
        match self.is_scalar() {
            true => self.constant.is_none(),
            false => {
                self.number("id").is_some_and(|id| id != 0)
                    || matches!(self.bounds(), (_, Some(high)) if high != 0)
            }
        }
    }

    /// Whether it may be null: the verifier wants a null check before any use.
    pub fn maybe_null(&self) -> bool {
        self.kind.ends_with("_or_null")
    }

    /// Whether it is a plain number rather than a pointer.
    pub fn is_scalar(&self) -> bool {
        self.kind == "scalar"
    }

    /// The name of the map it points into or at, when the log says.
    pub fn map(&self) -> Option<&str> {
        self.attribute("map").filter(|name| !name.is_empty())
    }

    /// The lowest and highest value as unsigned numbers, each when known. Both spellings
    /// (`umax`, and `umax_value` before 6.2) and the signed bounds count.
    pub fn bounds(&self) -> (Option<u64>, Option<u64>) {
        if let Some(constant) = self.constant {
            return (Some(constant as u64), Some(constant as u64));
        }
        let unsigned = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| self.attribute(name))
                .and_then(parse_unsigned)
        };
        let signed = |names: &[&str]| names.iter().find_map(|name| self.number(name));
        let smin = signed(&["smin", "smin_value"]);
        let mut low = unsigned(&["umin", "umin_value"]);
        let mut high = unsigned(&["umax", "umax_value"]);
        // `smin=umin=5` prints as two names before one value; parse_attributes gives both.
        if let Some(smin) = smin.filter(|bound| *bound >= 0) {
            low = low.or(Some(smin as u64));
            if let Some(smax) = signed(&["smax", "smax_value"]) {
                high = high.or(u64::try_from(smax).ok());
            }
        }
        if high.is_none() {
            high = self.var_off().and_then(|(value, mask)| {
                // All bits unknown says nothing.
                (mask != u64::MAX).then_some(value | mask)
            });
        }
        (low, high)
    }

    /// `var_off=(value; mask)`: known bits and unknown bits.
    fn var_off(&self) -> Option<(u64, u64)> {
        let text = self.attribute("var_off")?;
        let inner = text.strip_prefix('(')?.strip_suffix(')')?;
        let (value, mask) = inner.split_once(';')?;
        Some((parse_unsigned(value.trim())?, parse_unsigned(mask.trim())?))
    }

    /// The value in words: "a pointer into the packet, 14 bytes from its start; …".
    pub fn describe(&self) -> String {
        let base = self.kind.strip_suffix("_or_null").unwrap_or(&self.kind);
        let base = base
            .trim_start_matches("rdonly_")
            .trim_start_matches("rcu_");
        let mut text = match base {
            "scalar" => return self.describe_scalar(),
            "ctx" => match self.number("off") {
                Some(offset) if offset != 0 => format!("the program's context plus {offset} bytes"),
                _ => "the program's context".to_string(),
            },
            "pkt" => return self.describe_packet(),
            "pkt_meta" => "a pointer to the packet's metadata".to_string(),
            "pkt_end" => "the end of the packet (`data_end`)".to_string(),
            "map_ptr" => format!("a handle of {}", self.of_map()),
            "map_value" => self.describe_map_value(),
            "map_key" => format!("a pointer to a key of {}", self.of_map()),
            "fp" => "a pointer into the stack".to_string(),
            "mem" | "alloc_mem" | "ringbuf_mem" | "buf" => {
                match self.number("sz").or_else(|| self.number("mem_size")) {
                    Some(size) => format!("a pointer to {size} bytes of memory"),
                    None => "a pointer to memory".to_string(),
                }
            }
            "sock" | "sock_common" | "tcp_sock" | "xdp_sock" => {
                format!("a pointer to a socket (`{base}`)")
            }
            "func" => "the address of a function".to_string(),
            "dynptr_ptr" => "a dynptr".to_string(),
            other => match other.strip_prefix("fp") {
                Some(offset) if offset.parse::<i32>().is_ok() => match offset {
                    "0" => "the frame pointer".to_string(),
                    _ => format!("a pointer into the stack, at fp{offset}"),
                },
                _ => describe_btf_pointer(other),
            },
        };
        if self.maybe_null() {
            text.push_str(" that may still be null");
        }
        text
    }

    fn of_map(&self) -> String {
        self.map()
            .map_or_else(|| "a map".to_string(), |name| format!("map {name}"))
    }

    fn describe_scalar(&self) -> String {
        if let Some(constant) = self.constant {
            return match constant.unsigned_abs() {
                0..4096 => format!("the number {constant}"),
                _ => format!("the number {constant} ({constant:#x})"),
            };
        }
        match self.bounds() {
            (None | Some(0), None | Some(u64::MAX)) => {
                match (self.number("smin"), self.number("smax")) {
                    (Some(low), Some(high)) => format!("a number between {low} and {high}"),
                    _ => "a number of which nothing is known".to_string(),
                }
            }
            (None | Some(0), Some(high)) => format!("a number between 0 and {high}"),
            (Some(low), None | Some(u64::MAX)) => format!("a number of at least {low}"),
            (Some(low), Some(high)) => format!("a number between {low} and {high}"),
        }
    }

    fn describe_packet(&self) -> String {
        let fixed = self.number("off").unwrap_or(0);
        let variable = match self.bounds() {
            // The fixed part prints as `off`; bounds only describe a variable part.
            (_, Some(high)) if self.constant.is_none() && high != 0 => {
                format!(" plus a variable amount of at most {high}")
            }
            _ if self.number("id").is_some_and(|id| id != 0) => {
                " plus a variable amount".to_string()
            }
            _ => String::new(),
        };
        let proven = match self.number("r").unwrap_or(0) {
            0 => "no byte after it has been compared with `data_end`".to_string(),
            range => format!("{range} bytes are proven to lie before `data_end`"),
        };
        let place = match (fixed, variable.is_empty()) {
            (0, true) => "the packet's start".to_string(),
            (0, false) => format!("the packet's start{variable}"),
            (n, _) => format!("the packet's start plus {n} bytes{variable}"),
        };
        format!("a pointer to {place}; {proven}")
    }

    fn describe_map_value(&self) -> String {
        let mut text = format!("a pointer into a value of {}", self.of_map());
        if let Some(size) = self.number("vs") {
            text.push_str(&format!(" ({size} bytes)"));
        }
        match self.number("off") {
            Some(offset) if offset != 0 => text.push_str(&format!(", at byte {offset}")),
            _ => {}
        }
        if let (_, Some(high)) = self.bounds()
            && high != 0
        {
            text.push_str(&format!(" plus a variable amount of at most {high}"));
        }
        text
    }
}

fn describe_btf_pointer(kind: &str) -> String {
    for (prefix, note) in [
        ("trusted_ptr_", ""),
        ("untrusted_ptr_", ", not trusted: it may be stale or wrong"),
        ("percpu_ptr_", ", per CPU"),
        ("ptr_", ""),
    ] {
        if let Some(name) = kind.strip_prefix(prefix) {
            return format!("a pointer to the kernel's `{name}`{note}");
        }
    }
    format!("`{kind}`")
}

/// `id=0,off=14,smin=umin=5,var_off=(0x0; 0xff),map=a,ks=4,vs=8`.
fn parse_attributes(text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let (mut depth, mut start) = (0usize, 0usize);
    let mut field = |piece: &str| {
        // `smin=umin=smin32=umin32=5` names several bounds that share a value.
        let mut parts: Vec<&str> = piece.split('=').collect();
        let Some(value) = parts.pop() else { return };
        if parts.is_empty() {
            // An attribute without a name, such as a map's name in 5.x logs: kept under an empty
            // key.
            if !value.is_empty() {
                attributes.push((String::new(), value.to_string()));
            }
            return;
        }
        for name in parts {
            attributes.push((name.trim().to_string(), value.to_string()));
        }
    };
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                field(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    field(&text[start..]);
    attributes
}

/// Decimal, or hexadecimal after `0x`, with sign; hexadecimal above `i64::MAX` wraps as the kernel
/// prints it.
pub(crate) fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let magnitude = parse_unsigned(digits)?;
    Some(if negative {
        (magnitude as i64).wrapping_neg()
    } else {
        magnitude as i64
    })
}

fn parse_unsigned(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_line_of_6_18() {
        let frame = Frame::parse(
            "R0=scalar(id=3,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)) \
             R1_w=pkt(off=14,r=34) R10=fp0 fp-8_w=mmmmmmmm refs=2",
        )
        .unwrap();
        assert_eq!(frame.depth, 0);
        let r0 = frame.get(Register::Reg(0)).unwrap();
        assert_eq!(r0.bounds(), (Some(0), Some(255)));
        assert_eq!(r0.describe(), "a number between 0 and 255");
        let r1 = frame.get(Register::Reg(1)).unwrap();
        assert_eq!(r1.number("r"), Some(34));
        assert!(frame.get(Register::Slot(-8)).is_some());
        assert!(frame.get(Register::Reg(2)).is_none());
    }

    #[test]
    fn a_state_line_of_5_10() {
        let frame = Frame::parse(
            "frame1: R0_w=map_value_or_null(id=2,off=0,ks=4,vs=8,imm=0) \
             R2=inv(id=0,umax_value=15,var_off=(0x0; 0xf)) R3=invP7 R6=inv0",
        )
        .unwrap();
        assert_eq!(frame.depth, 1);
        assert!(frame.get(Register::Reg(0)).unwrap().maybe_null());
        assert_eq!(frame.get(Register::Reg(2)).unwrap().bounds().1, Some(15));
        assert_eq!(frame.get(Register::Reg(3)).unwrap().constant, Some(7));
        assert!(frame.get(Register::Reg(6)).unwrap().is_scalar());
    }

    #[test]
    fn nonsense_is_not_a_state_and_never_panics() {
        assert_eq!(Frame::parse(""), None);
        assert_eq!(Frame::parse("frame: R1=ctx()"), None);
        assert_eq!(Frame::parse("R=5 Rx=7 fp=1"), None);
        assert!(Frame::parse("R1=pkt(((,,=").is_some());
        assert!(Frame::parse("R1=").is_some());
    }

    #[test]
    fn unknown_numbers_are_named_unknown() {
        assert_eq!(
            Value::parse("scalar()").describe(),
            "a number of which nothing is known"
        );
        assert_eq!(
            Value::parse("scalar(umin=1,umax=9)").describe(),
            "a number between 1 and 9"
        );
        assert_eq!(
            Value::parse("scalar(smin=-5,smax=9)").describe(),
            "a number between -5 and 9"
        );
    }
}
