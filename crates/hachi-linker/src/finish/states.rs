//! What a [`Unit`] has been made into, one type for each stage. A stage takes the one before it, so
//! none can be left out and none done twice.

use std::ops::{Deref, DerefMut};

use super::check;
use super::edit::{EditError, Edits};
use super::elf::{Binding, Object};
use super::link::{Source, Unit};
use super::names;
use super::{FinishInput, Leave};
use crate::{Diagnostic, sources::Sources};

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(pub(super) Unit);

        impl Deref for $name {
            type Target = Unit;

            fn deref(&self) -> &Unit {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Unit {
                &mut self.0
            }
        }
    )*};
}

stages! {
    /// The objects as one. What refers to something may give its section and an offset.
    Linked
    /// Every reference names what it means, a function or a static.
    Named
    /// What nothing needs is gone, and what the code asks of the linker is answered: nothing is cut
    /// out or moved from here on.
    Needed
    /// Maps, functions, statics and source lines are as loaders look for them.
    Shown
    /// The types are as the kernel takes them, and have their final numbers.
    Typed
}

type Errors = Vec<Diagnostic>;

impl Linked {
    /// Makes one of all objects.
    ///
    /// # Errors
    /// Contradictions between them, and what is malformed in one.
    pub(super) fn new(
        mut objects: Vec<Object>,
        sources: Vec<Source>,
        input: &FinishInput<'_>,
        files: &mut Sources,
    ) -> Result<Self, Errors> {
        let inline_info: Vec<_> = objects.iter_mut().map(|o| o.inline_info.take()).collect();
        let mut linked = Linked(Unit::link(objects, sources)?);
        linked.resolve_lines(input.lines, files);
        for (object, bytes) in inline_info.iter().enumerate() {
            if let Some(bytes) = bytes {
                linked.take_inline_info(bytes, object);
            }
        }
        for section in &mut linked.sections {
            let inlined = &mut section.inlined;
            inlined.sort_by_cached_key(|record| u64::from(record.0));
        }
        let visible = linked.symbols.iter_mut();
        for symbol in visible.filter(|symbol| symbol.binding != Binding::Local) {
            let rename = input.renames.iter().find(|(name, _)| *name == symbol.name);
            if let Some((_, wanted)) = rename {
                symbol.name.clone_from(wanted);
            }
        }
        linked.shorten_files(input.package_dir);
        linked.assume_license();
        linked.note_arch(input.arch)?;
        Ok(linked)
    }

    /// Lets every reference name what it means.
    ///
    /// # Errors
    /// References to the inside of functions and maps.
    pub(super) fn name(mut self) -> Result<Named, Errors> {
        self.symbolise()?;
        Ok(Named(self.0))
    }
}

impl Named {
    /// Answers what the code asks, and cuts out what nothing needs.
    ///
    /// # Errors
    /// Questions that have no answer, and references that lead nowhere.
    pub(super) fn cut(mut self, entries: &[String], leave: Leave) -> Result<Needed, Errors> {
        let mut edits = self.unneeded(entries, leave);
        self.answer(&mut edits)?;
        for (section, edits) in edits.into_iter().enumerate() {
            self.edit_section(section, edits)?;
        }
        super::none(self.refuse_undefined(leave))?;
        Ok(Needed(self.0))
    }

    fn edit_section(&mut self, section: usize, edits: Edits) -> Result<(), Errors> {
        let error = match self.edit(section, edits) {
            Ok(()) => return Ok(()),
            Err(EditError::TooFar { offset }) => {
                self.locate(crate::child::jump_too_far(), section, offset)
            }
            Err(EditError::Torn { symbol }) => check::defect(format_args!(
                "part of `{}` in `{}` would be missing",
                names::display(&self.symbols[symbol].name),
                self.sections[section].name
            )),
        };
        Err(vec![error])
    }
}

impl Needed {
    /// Brings everything into the form in which loaders look for it.
    ///
    /// # Errors
    /// Definitions of maps, log sites and pointers with which they cannot do anything.
    pub(super) fn show(mut self, warnings: &mut Vec<Diagnostic>) -> Result<Shown, Errors> {
        self.resolve_log_sites()?;
        self.forget_removed();
        self.finish_maps()?;
        self.refuse_pointers(warnings)?;
        self.name_statics(warnings);
        self.name_functions();
        self.type_contexts();
        self.finish_lines();
        self.check_license(warnings);
        Ok(Shown(self.0))
    }
}

impl Shown {
    /// Makes the types acceptable to the kernel, few, and final.
    pub(super) fn fit_types(mut self) -> Typed {
        self.prune_types();
        self.repair_types();
        self.merge_equal_types();
        self.fill_local_ids();
        Typed(self.0)
    }
}

impl Typed {
    /// The object file.
    ///
    /// # Errors
    /// What loaders or the kernel would refuse.
    pub(super) fn into_file(mut self, warnings: &mut Vec<Diagnostic>) -> Result<Vec<u8>, Errors> {
        super::none(self.check_references(warnings))?;
        self.desymbolise();
        let info = self.info()?;
        super::none(check::check_types(&info.types, &self.left()))?;
        let file = self.write(&info);
        super::none(self.check_file(&file))?;
        Ok(file)
    }
}
