//! Tracepoints, with their records.

use super::*;

program! {
    /// A program for a tracepoint.
    TracePoint, ProgramType::TracePoint
}
attachments!(TracePoint, TracePointLink, TracePointLinkId, "TracePoint");
links::conversions!(PerfEvent of_type, TracePointLink);
load!(TracePoint);
from_pin!(TracePoint);

/// An error of tracepoints.
#[derive(Debug)]
pub enum TracePointError {
    /// A file of tracefs cannot be read: there is no such tracepoint.
    FileError {
        /// The file.
        filename: PathBuf,
        /// Why.
        io_error: std::io::Error,
    },
}

file_error!(TracePointError);

impl TracePoint {
    /// Attaches the loaded program to a tracepoint.
    ///
    /// # Errors
    /// [`ProgramError::TracePointError`] when there is none, and what the kernel refuses.
    pub fn attach(&mut self, category: &str, name: &str) -> Result<TracePointLinkId, ProgramError> {
        Ok(TracePointLinkId(self.0.attach(category, name)?))
    }
}
