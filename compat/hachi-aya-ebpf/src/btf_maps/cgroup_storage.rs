//! Values of the cgroups that programs are attached to.

pub use crate::maps::cgroup_storage::{CgroupStorage, PerCpuCgroupStorage};
