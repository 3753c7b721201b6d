//! Structs of functions that the kernel calls, such as a congestion control for TCP.

/// A variable in section `.struct_ops` or `.struct_ops.link`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StructOpsSpec {
    /// Its name.
    pub name: String,
    /// The kernel's struct: `tcp_congestion_ops`.
    pub type_name: String,
    /// It is registered by a link (section `.struct_ops.link`, Linux 6.4), not for as long as its
    /// map has a value.
    pub link: bool,
    /// Whether it is registered with the object; `false` for sections that begin with `?`.
    pub autoload: bool,
    /// The members that are not zero, in the order of the struct. The loader finds their places in
    /// the running kernel's struct by their names.
    pub members: Vec<StructOpsMember>,
}

/// One of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StructOpsMember {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: StructOpsValue,
}

impl StructOpsSpec {
    /// A variable of the kernel's struct `type_name` without members that are set, registered by a
    /// link.
    pub fn new(name: impl Into<String>, type_name: impl Into<String>) -> Self {
        StructOpsSpec {
            name: name.into(),
            type_name: type_name.into(),
            link: true,
            autoload: true,
            members: Vec::new(),
        }
    }
}

impl StructOpsMember {
    /// A member of this name that is set.
    pub fn new(name: impl Into<String>, value: StructOpsValue) -> Self {
        StructOpsMember {
            name: name.into(),
            value,
        }
    }
}

/// What a member holds. (There is nothing else in such a struct, so this is exhaustive.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StructOpsValue {
    /// Data, at most as long as the member (there may be padding behind it).
    Bytes(Vec<u8>),
    /// The name of a program of the object.
    Program(String),
}
