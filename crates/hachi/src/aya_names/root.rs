//! In `hachi`.

/// Renamed to [`Ebpf`](crate::Ebpf).
#[doc(hidden)]
#[deprecated(note = "renamed to `Ebpf`")]
pub type Bpf = crate::Ebpf;

/// Renamed to [`EbpfLoader`](crate::EbpfLoader).
#[doc(hidden)]
#[deprecated(note = "renamed to `EbpfLoader`")]
pub type BpfLoader = crate::EbpfLoader;

/// Renamed to [`EbpfError`](crate::EbpfError).
#[doc(hidden)]
#[deprecated(note = "renamed to `EbpfError`")]
pub type BpfError = crate::EbpfError;

/// Renamed to [`EbpfLogger`](crate::EbpfLogger).
#[doc(hidden)]
#[deprecated(note = "renamed to `EbpfLogger`")]
pub type BpfLogger = crate::EbpfLogger;
