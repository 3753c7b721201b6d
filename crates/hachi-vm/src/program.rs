//! A program, ready to run.

use hachi_asm::{Endian, Insn, helpers};
use hachi_machine::World;
use hachi_obj::ProgramType;
use hachi_obj::link::Linked;

use crate::context::Shape;
use crate::decode::{Code, Invalid, Step, decode};

/// A program, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    #[cfg(feature = "jit")]
    pub(crate) endian: Endian,
    pub(crate) context: Shape,
    /// Where its arena begins.
    pub(crate) arena: Option<u64>,
    /// Names of kernel functions, by the numbers that its calls have.
    pub(crate) kfuncs: Vec<String>,
    /// What it was made from; `None` for bare instructions.
    pub(crate) linked: Option<Box<Linked>>,
    /// The program, compiled, once it was.
    #[cfg(feature = "jit")]
    pub(crate) compiled: crate::jit::Compiled,
}

impl Program {
    /// Bare instructions.
    pub(crate) fn bare(insns: &[Insn], endian: Endian) -> Result<Program, Invalid> {
        Ok(Program {
            name: "program".to_owned(),
            steps: decode(insns, endian)?,
            #[cfg(feature = "jit")]
            endian,
            context: Shape::bare(),
            arena: None,
            kfuncs: Vec::new(),
            linked: None,
            #[cfg(feature = "jit")]
            compiled: crate::jit::Compiled::default(),
        })
    }

    /// The name of a kernel function that a call names by number.
    pub(crate) fn kfunc_name(&self, id: u32, module: u16) -> String {
        let name = (id as usize)
            .checked_sub(1)
            .and_then(|at| self.kfuncs.get(at));
        match name {
            Some(name) => name.clone(),
            None if module == 0 => format!("number {id}"),
            None => format!("number {id} of module {module}"),
        }
    }

    /// Puts addresses where maps are referred to.
    pub(crate) fn resolve_maps(&mut self, world: &World) -> Result<(), Invalid> {
        for (insn, step) in self.steps.iter_mut().enumerate() {
            if step.code != Code::LoadMap {
                continue;
            }
            let broken = |rule: String| Invalid { insn, rule };
            let number = step.imm as u32;
            let Some(map) = world.maps.get(number as usize) else {
                return Err(broken(format!("there is no map of number {number}")));
            };
            if step.src == 0 {
                if map.kind() == hachi_obj::MapType::Arena {
                    self.arena = map.direct_value().map(|block| block.address);
                }
                continue;
            }
            let offset = step.imm >> 32;
            let block = map.direct_value().ok_or_else(|| {
                broken(format!(
                    "map `{}` has no value with a fixed address",
                    map.name()
                ))
            })?;
            step.code = Code::LoadImm;
            step.src = 0;
            step.imm = block.address.wrapping_add(offset);
        }
        Ok(())
    }

    /// Marks the calls of helpers that this type of programs may not call: no kernel allows them.
    pub(crate) fn check_helpers(&mut self, program_type: ProgramType) {
        for step in &mut self.steps {
            if step.code == Code::CallHelper
                && let Some(row) = helpers::by_id(step.off as u32)
            {
                step.imm = u64::from(!row.is_for(program_type as u32));
            }
        }
    }
}
