use std::fmt;

/// An oddity of an object that prevents nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A section name that says nothing about the type of its program.
    UnknownSection {
        /// The program.
        program: String,
        /// The section.
        section: String,
    },
    /// Code that belongs to no function. It is left out.
    NoFunction {
        /// The section that holds it.
        section: String,
    },
    /// BTF describes a section that the object does not have.
    NoSection {
        /// The section.
        section: String,
    },
    /// Global variables with addresses as initial values.
    Addresses {
        /// The section they are in.
        section: String,
        /// The first thing they are addresses of.
        symbol: String,
    },
    /// A section of structs of functions that BTF does not describe.
    StructOps {
        /// The section.
        section: String,
    },
    /// A field of a map's definition holds a value that means nothing to this loader. It is left
    /// out.
    MapField {
        /// The map.
        map: String,
        /// Where in its definition, in bytes.
        offset: usize,
    },
    /// CO-RE records that belong to no function.
    StrayCoreRelos {
        /// How many.
        count: usize,
        /// The sections they are for.
        sections: Vec<String>,
    },
    /// A function that `.BTF.ext` does not mention, though it does mention others.
    NoFuncInfo {
        /// The function.
        function: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownSection { program, section } => write!(
                f,
                "program '{program}': section name '{section}' is unknown, so its type is too; \
                 set the type before loading, or use a name such as xdp, tc, kprobe/FUNCTION"
            ),
            Warning::NoFunction { section } => {
                write!(f, "section {section} holds code, but no function; ignored")
            }
            Warning::NoSection { section } => write!(
                f,
                "BTF describes section {section}, which the object does not have"
            ),
            Warning::Addresses { section, symbol } => write!(
                f,
                "section {section} holds addresses (of {symbol}), which no loader fills in: they \
                 will read as offsets"
            ),
            Warning::StructOps { section } => write!(
                f,
                "section {section}: BTF does not describe its structs, so nothing registers them"
            ),
            Warning::MapField { map, offset } => write!(
                f,
                "map '{map}': its definition holds a value at offset {offset}, which is not \
                 understood and left out"
            ),
            Warning::StrayCoreRelos { count, sections } => write!(
                f,
                "{count} CO-RE records of section {} belong to no function",
                sections.join(", ")
            ),
            Warning::NoFuncInfo { function } => write!(
                f,
                ".BTF.ext does not know function '{function}', so programs with it load without \
                 function and line info"
            ),
        }
    }
}
