//! `.hachi.arch`: for which kind of machine the object was built (see `hachi_obj::arch`).

use hachi_obj::arch::SECTION;

use super::elf::{Part, Section};
use super::states::Linked;
use crate::{Code, Diagnostic};

impl Linked {
    /// Notes the kind of machine, unless an object that was given says it already.
    ///
    /// # Errors
    /// When one says another.
    pub(super) fn note_arch(&mut self, arch: Option<&str>) -> Result<(), Vec<Diagnostic>> {
        let Some(arch) = arch else {
            return Ok(());
        };
        if let Some(known) = self.0.section_named(SECTION) {
            let said = String::from_utf8_lossy(&self.0.sections[known].data);
            let said = said.trim_end_matches('\0');
            if said == arch {
                return Ok(());
            }
            return Err(vec![
                Diagnostic::error(
                    Code::INPUT_CONFLICT,
                    format!("an object built for {said} is linked into one for {arch}"),
                )
                .help("its programs may read registers: build all for the same machine"),
            ]);
        }
        self.0.sections.push(Section {
            name: SECTION.to_owned(),
            bss: false,
            writable: false,
            executable: false,
            alloc: false,
            align: 1,
            data: arch.as_bytes().to_vec(),
            size: arch.len() as u64,
            relocs: Vec::new(),
            parts: vec![Part {
                start: 0,
                retain: true,
                object: 0,
            }],
            lines: Vec::new(),
            inlined: Vec::new(),
            core: Vec::new(),
        });
        Ok(())
    }
}
